//! Programs as child processes, with a deadline for all that is waited for.
#![allow(dead_code, reason = "each test uses some of this")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take. Nothing takes that long unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The path of an example.
#[allow(unused_macros, reason = "not every test runs one")]
macro_rules! example {
    ($name:literal) => {
        env!(concat!("CARGO_BIN_EXE_", $name))
    };
}

/// A running program, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines,
    errors: Lines,
}

/// Lines that a program prints, as they come.
#[derive(Debug)]
struct Lines {
    coming: Receiver<String>,
    seen: Vec<String>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, coming) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line);
                if sender.send(text.trim_end_matches('\n').to_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Self { coming, seen: Vec::new(), reader: Some(reader) }
    }

    fn wait_for(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.coming.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {what} in time, but {:?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("no {what}, but {:?}", self.seen),
            }
        }
    }

    fn so_far(&mut self) -> &[String] {
        self.seen.extend(self.coming.try_iter());
        &self.seen
    }

    fn rest(mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.so_far();
        self.seen
    }
}

impl Program {
    /// A program with pipes for all that it reads and prints.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let output = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(child.stderr.take().unwrap());
        let input = child.stdin.take();
        Self { child, input, output, errors }
    }

    /// An example as a server at a free port of the loopback, and where it listens.
    pub(crate) fn server(path: &str) -> (Self, SocketAddr) {
        Self::listening(Command::new(path).arg("127.0.0.1:0"))
    }

    /// A program that says where it listens.
    pub(crate) fn listening(command: &mut Command) -> (Self, SocketAddr) {
        let mut program = Self::start(command);
        let line = program.wait_for_line("listening on", |line| line.starts_with("listening on "));
        let address = line["listening on ".len()..].parse().expect("an address");
        (program, address)
    }

    pub(crate) fn wait_for_line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.output.wait_for(what, wanted)
    }

    pub(crate) fn wait_for_error(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.errors.wait_for(what, wanted)
    }

    /// What it has printed on standard error up to now.
    pub(crate) fn errors_so_far(&mut self) -> &[String] {
        self.errors.so_far()
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("input that was not ended");
        writeln!(input, "{line}").unwrap();
    }

    /// Ends its standard input.
    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end: how it ended, and all lines that it printed.
    pub(crate) fn wait(mut self) -> Ended {
        self.end_input();
        let status = wait_until("end of the program", || self.child.try_wait().unwrap());
        let Self { output, errors, .. } = &mut self;
        let take = |lines: &mut Lines| std::mem::replace(lines, Lines::of(std::io::empty())).rest();
        Ended { status, output: take(output), errors: take(errors) }
    }

    /// Ends it in good order.
    pub(crate) fn interrupt(self) -> Ended {
        self.signal(Signal::SIGINT);
        self.wait()
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Its resident memory, in KiB.
    pub(crate) fn resident(&self) -> usize {
        self.memory("VmRSS:")
    }

    /// The most that this has been.
    pub(crate) fn most_resident(&self) -> usize {
        self.memory("VmHWM:")
    }

    fn memory(&self, kind: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(kind)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The processor time that it has used.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is left of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<String>,
    pub(crate) errors: Vec<String>,
}

impl Ended {
    /// It succeeded, without a complaint.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.status.code(), Some(0), "{self:?}");
        assert!(self.errors.is_empty(), "{self:?}");
        self
    }

    /// It failed, and said why in one line, which is this.
    #[track_caller]
    pub(crate) fn badly(self) -> String {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        let [error] = self.errors.as_slice() else { panic!("not one line: {self:?}") };
        error.clone()
    }
}

/// Looks again and again until there is something to see.
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "no {what} in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A connection whose reads and writes fail when they take too long.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A connection whose end is a reset.
pub(crate) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Reads a line, without its end.
pub(crate) fn read_line(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.trim_end_matches(['\r', '\n']).to_owned()
}

/// Reads all there is to come, with line ends made alike.
pub(crate) fn read_all(stream: &mut impl Read) -> String {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    String::from_utf8(all).unwrap().replace("\r\n", "\n")
}

/// Runs a program to its end with this input, its output read meanwhile.
pub(crate) fn run(command: &mut Command, input: impl Into<Vec<u8>>) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    let (done, finished) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if finished.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    });
    let (mut pipe, input) = (child.stdin.take().unwrap(), input.into());
    let typist = std::thread::spawn(move || {
        // It may end before it has read everything.
        let _ = pipe.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watchdog.join().unwrap();
    typist.join().unwrap();
    output
}

/// Chooses our event loop. The original would look for one of that name of its own.
const OUR_LOOP: &str = "POE_EVENT_LOOP";

/// Whether a program that nobody here wrote is installed; says so if not.
pub(crate) fn is_installed(program: &str, arguments: &[&str], package: &str) -> bool {
    let mut command = Command::new(program);
    command.env_remove(OUR_LOOP);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let installed = command.status().is_ok_and(|status| status.success());
    if !installed {
        skipped(&format!("{program} {} fails; install {package}", arguments.join(" ")));
    }
    installed
}

/// Says that a test is not made, and why, to whoever runs the tests: what is printed is only shown of those that fail.
pub(crate) fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// OpenBSD's netcat, which ends its output at the end of its input and then waits for the rest.
pub(crate) fn nc(address: SocketAddr) -> Option<Command> {
    if !is_installed("sh", &["-c", "nc -h 2>&1 | grep -q OpenBSD"], "netcat-openbsd") {
        return None;
    }
    let mut command = Command::new("nc");
    command.args(["-N", &address.ip().to_string(), &address.port().to_string()]);
    Some(command)
}

/// One of the scripts for Perl's POE.
pub(crate) fn perl<I: IntoIterator<Item: AsRef<OsStr>>>(
    script: &str,
    arguments: I,
) -> Option<Command> {
    if !is_installed("perl", &["-MPOE", "-e", "1"], "libpoe-perl") {
        return None;
    }
    let mut command = Command::new("perl");
    command.env_remove(OUR_LOOP);
    command.arg(format!("{}/tests/perl/{script}", env!("CARGO_MANIFEST_DIR"))).args(arguments);
    Some(command)
}
