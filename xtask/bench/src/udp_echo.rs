//! A UDP echo server: its processor time for each datagram of 64 bytes.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use crate::contest::{Contest, Rounds, nanoseconds_each};
use crate::peers::epoll_udp_echo;
use crate::report::{Report, Unit};
use crate::system;

/// How many datagrams go to and fro in a turn, and turns in a round.
const DATAGRAMS: u64 = 20_000;
const TURNS: usize = 8;

/// What a server does with one that is longer than this is nobody's matter.
pub const LONGEST: usize = 2048;

/// What the load ends a server with.
pub const END: &[u8] = b"end";

/// A server: it echoes what comes until the end, and was given a place to say where it is.
pub type Serve = fn(UdpSocket) -> io::Result<()>;

/// At most 1.15 times a bare loop.
pub fn run(rounds: Rounds, report: &mut Report) {
    for in_flight in [1, 32] {
        let name = format!("CPU per echoed datagram, {in_flight} in flight");
        let contest = Contest::new(Unit::Nanoseconds).case(name, None);
        #[cfg(feature = "ours")]
        let contest = contest.ours(move || turn(crate::ours::udp::serve, in_flight));
        contest
            .peer("bare epoll, recvfrom, sendto", 1.15, move || {
                turn(epoll_udp_echo::serve, in_flight)
            })
            .hold(rounds.times(TURNS), report);
    }
}

/// A server in a thread of its own, whose processor time is taken.
fn turn(serve: Serve, in_flight: u64) -> io::Result<Vec<f64>> {
    let (tell, told) = mpsc::channel();
    let server = thread::spawn(move || measure(serve, &tell));
    let address = told.recv().map_err(io::Error::other)?;
    load(address, in_flight)?;
    let used = server.join().map_err(|_| io::Error::other("the server panicked"))??;
    Ok(vec![nanoseconds_each(used, DATAGRAMS)])
}

fn measure(serve: Serve, tell: &Sender<SocketAddr>) -> io::Result<Duration> {
    system::pin_thread_to_first_processor()?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    tell.send(socket.local_addr()?).map_err(io::Error::other)?;
    let before = system::thread_cpu_time()?;
    serve(socket)?;
    Ok(system::thread_cpu_time()? - before)
}

fn load(server: SocketAddr, in_flight: u64) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut room, datagram) = ([0; LONGEST], [b'x'; 64]);
    for _ in 0..in_flight {
        socket.send(&datagram)?;
    }
    for received in 1..=DATAGRAMS {
        socket.recv(&mut room)?;
        if received + in_flight <= DATAGRAMS {
            socket.send(&datagram)?;
        }
    }
    socket.send(END).map(drop)
}
