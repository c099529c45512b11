//! A program at a pseudo-terminal: keys go in, and an emulator reads the screen.
#![allow(dead_code, reason = "each test uses some of this")]

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::common::{DEADLINE, is_installed, wait_until};

/// The terminal as a person has it, and the program that it is the controlling terminal of.
pub(crate) struct Terminal {
    master: OwnedFd,
    /// The other end, which stays open, so that its modes can be looked at.
    terminal: File,
    emulator: Arc<Mutex<vt100::Parser>>,
    is_looked_at: Arc<AtomicBool>,
    child: Child,
}

impl Terminal {
    /// Starts a program, if there is what can give it a terminal.
    pub(crate) fn start(
        (columns, rows): (u16, u16),
        program: &str,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Option<Self> {
        if !is_installed("setsid", &["--version"], "util-linux") {
            return None;
        }
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let emulator = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        tcsetwinsize(&master, size(columns, rows)).unwrap();
        let copy = || terminal.try_clone().unwrap();
        let child = Command::new("setsid")
            .args(["--ctty", program])
            .args(arguments)
            .env("TERM", "xterm")
            .env("INPUTRC", "/dev/null")
            .stdin(copy())
            .stdout(copy())
            .stderr(copy())
            .spawn()
            .unwrap();
        let is_looked_at = Arc::new(AtomicBool::new(true));
        let seen = (Arc::clone(&emulator), Arc::clone(&is_looked_at));
        let mut screen = File::from(master.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut octets) {
                seen.0.lock().unwrap().process(&octets[..count]);
                while !seen.1.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Some(Self { master, terminal, emulator, is_looked_at, child })
    }

    pub(crate) fn types(&self, keys: &str) {
        assert_eq!(rustix::io::write(&self.master, keys.as_bytes()), Ok(keys.len()));
    }

    /// The screen, without blanks at the ends of rows, and without blank rows at its own.
    pub(crate) fn sees(&self) -> String {
        let contents = self.emulator.lock().unwrap().screen().contents();
        contents.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    pub(crate) fn until_seen(&self, screen: &str) {
        self.until_sees(|seen| seen == screen);
    }

    #[track_caller]
    pub(crate) fn until_sees(&self, is_it: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_it(&self.sees()) {
            assert!(Instant::now() < deadline, "sees {:?}", self.sees());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether what is shown is taken; else the program cannot go on writing.
    pub(crate) fn look(&self, looks: bool) {
        self.is_looked_at.store(looks, Ordering::Relaxed);
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.emulator.lock().unwrap().screen_mut().set_size(rows, columns);
        tcsetwinsize(&self.master, size(columns, rows)).unwrap();
    }

    /// Whether the terminal edits lines itself, as at first.
    pub(crate) fn is_restored(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for the program's end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_until("end of the program", || self.child.try_wait().unwrap())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.look(true);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
