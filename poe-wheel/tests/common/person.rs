//! The person's end of a pseudo-terminal, with an emulator to read the screen.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::thread;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

pub struct Person {
    master: OwnedFd,
    pub emulator: RefCell<vt100::Parser>,
}

impl Person {
    /// A person, and the terminal as a program has it.
    pub fn new(columns: u16, rows: u16) -> (Rc<Self>, Rc<File>) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let options = File::options().read(true).write(true).open(name.to_str().unwrap());
        let terminal = Rc::new(options.unwrap());
        fcntl_setfl(&master, fcntl_getfl(&master).unwrap() | OFlags::NONBLOCK).unwrap();
        let emulator = RefCell::new(vt100::Parser::new(rows, columns, 0));
        let person = Self { master, emulator };
        person.resize(columns, rows);
        (Rc::new(person), terminal)
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.says(columns, rows);
        self.emulator.borrow_mut().screen_mut().set_size(rows, columns);
    }

    /// Has the terminal say that this is its size.
    pub fn says(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    pub fn types(&self, keys: &str) {
        self.types_octets(keys.as_bytes());
    }

    pub fn types_octets(&self, octets: &[u8]) {
        assert_eq!(rustix::io::write(&self.master, octets), Ok(octets.len()));
    }

    /// As much of these as the terminal takes now; how many that are.
    pub fn types_some(&self, octets: &[u8]) -> usize {
        rustix::io::write(&self.master, octets).unwrap_or(0)
    }

    /// The screen, without blank rows at the end.
    pub fn sees(&self) -> String {
        let mut room = [0; 65536];
        while let Ok(count @ 1..) = rustix::io::read(&self.master, &mut room) {
            self.emulator.borrow_mut().process(&room[..count]);
        }
        let contents = self.emulator.borrow().screen().contents();
        contents.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    pub fn cursor(&self) -> (u16, u16) {
        self.emulator.borrow().screen().cursor_position()
    }

    /// How many descriptors of this process are the program's terminal.
    pub fn descriptors(&self) -> usize {
        let name = ptsname(&self.master, Vec::new()).unwrap();
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let is_it = |path: PathBuf| path.to_str() == name.to_str().ok();
        descriptors.filter(|each| std::fs::read_link(each.path()).is_ok_and(is_it)).count()
    }
}

/// Runs a test of this program in a process of its own that has the terminal. What it exits with.
pub fn status_of(test: &str, terminal: &File) -> Option<i32> {
    let handle = || terminal.try_clone().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]).env("TERM", "xterm");
    // It counts no descriptors, as what exits closes none.
    command.env_remove("RUST_TEST_THREADS");
    command.stdin(handle()).stdout(handle()).stderr(handle()).status().unwrap().code()
}

/// Exits while the terminal is raw, the wheel's thread or another one doing it.
pub fn exit(is_in_another_thread: bool) {
    let is_raw = !tcgetattr(std::io::stdin()).unwrap().local_modes.contains(LocalModes::ICANON);
    let status = if is_raw { 7 } else { 8 };
    if is_in_another_thread {
        thread::spawn(move || std::process::exit(status));
        loop {
            thread::park();
        }
    }
    std::process::exit(status)
}
