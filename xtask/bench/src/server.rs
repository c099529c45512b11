//! Servers as processes of their own, whose time and memory can be told from the load's.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::peers::{calloop_echo, epoll_echo, epoll_line_echo, tokio_echo};
use crate::system;

/// The variable that says where the product's `echo-server` is.
const OURS: &str = "ECHO_SERVER";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `server::Tcp` with its `Line` filter: the product's `echo-server`.
    Ours,
    /// A bare epoll loop that writes back what it read, and knows of no lines.
    Epoll,
    /// The same, but it finds the lines, and answers those of one read with one write.
    EpollLines,
    /// tokio's `Framed<LinesCodec>`, a task for each connection.
    Tokio,
    /// calloop, a source for each connection, which writes back what it read.
    Calloop,
}

/// A server that runs until dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts a server on a free port of the loopback interface, on the first processor.
    pub fn start(kind: Kind) -> io::Result<Self> {
        let mut command = match kind {
            Kind::Ours => Command::new(ours()?),
            _ => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["serve", kind.name()]);
                command
            }
        };
        let child =
            command.arg("127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        // From here on, an error drops the server, and that ends its process.
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        system::pin_to_first_processor(server.child.id())?;
        server.address = server.listening_address()?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The processor time it has used.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        system::cpu_time(self.child.id())
    }

    /// Its resident memory, in bytes.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        system::resident_bytes(self.child.id())
    }

    /// Reads what the server prints until it says `listening on ADDRESS`.
    fn listening_address(&mut self) -> io::Result<SocketAddr> {
        let output = self.child.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some((_, rest)) = line.split_once("listening on ") {
                let address = rest.split_whitespace().next().unwrap_or_default();
                return address.parse().map_err(|_| io::Error::other(format!("it said {line:?}")));
            }
        }
        Err(io::Error::other("the server ended before it listened"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Neither can fail but for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Kind {
    /// The peers that this program can be, as servers.
    const PEERS: [Self; 4] = [Self::Epoll, Self::EpollLines, Self::Tokio, Self::Calloop];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Epoll => "epoll",
            Self::EpollLines => "epoll-lines",
            Self::Tokio => "tokio",
            Self::Calloop => "calloop",
        }
    }
}

/// The child's side: `serve NAME ADDRESS`.
pub fn serve(arguments: &[String]) -> io::Result<()> {
    let [name, address] = arguments else {
        return Err(io::Error::other("serve takes a name and an address"));
    };
    let kind = Kind::PEERS
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| io::Error::other(format!("no server {name:?}")))?;
    let listener = std::net::TcpListener::bind(address.as_str())?;
    println!("listening on {}", listener.local_addr()?);
    match kind {
        Kind::Epoll => epoll_echo::serve(listener),
        Kind::EpollLines => epoll_line_echo::serve(listener),
        Kind::Tokio => tokio_echo::serve(listener),
        Kind::Calloop => calloop_echo::serve(listener),
        Kind::Ours => Err(io::Error::other("our own server is a program of its own")),
    }
}

fn ours() -> io::Result<PathBuf> {
    std::env::var_os(OURS)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other(format!("{OURS} does not say where echo-server is")))
}
