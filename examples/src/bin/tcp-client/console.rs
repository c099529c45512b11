//! Where the program's user is: at a terminal, or behind pipes and files.

use std::io::{self, ErrorKind, IsTerminal};
use std::path::PathBuf;
use std::sync::LazyLock;

use bytes::Bytes;
use poe_component::prelude::*;
use regex::{Captures, Regex};

use crate::{HIGH, LOW};

/// No more lines are kept in a file.
const REMEMBERED: usize = 1000;

pub(crate) enum Console {
    /// Octets as they come.
    Piped(ReadWrite),
    Terminal(Terminal),
}

/// What is to be done about something typed.
pub(crate) enum Typed {
    /// This is to be sent.
    Line(String),
    Nothing,
    /// No more is to be sent.
    End,
    Quit,
}

impl Console {
    pub(crate) fn open(kernel: &Kernel, history: Option<PathBuf>) -> HandlerResult<Self> {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            return Terminal::open(kernel, history).map(Self::Terminal);
        }
        let wheel = ReadWrite::build_pair(io::stdin(), io::stdout())
            .filter(Stream::new())
            .input_event("octets")
            .error_event("console error")
            .flushed_event("shown")
            .high_mark(HIGH)
            .low_mark(LOW)
            .low_event("console low")
            .spawn(kernel)?;
        Ok(Self::Piped(wheel))
    }

    /// Shows what came. True if there is enough to show for now.
    pub(crate) fn show(&mut self, octets: Bytes) -> bool {
        match self {
            Self::Piped(wheel) => wheel.put(octets),
            Self::Terminal(terminal) => terminal.show(&octets),
        }
    }

    pub(crate) fn typed(&mut self, typed: Result<String, Exception>) -> Typed {
        match self {
            Self::Piped(_) => Typed::Nothing,
            Self::Terminal(terminal) => terminal.typed(typed),
        }
    }

    /// The server does not take what is typed.
    pub(crate) fn pause(&mut self) {
        match self {
            Self::Piped(wheel) => wheel.pause_input(),
            Self::Terminal(terminal) => terminal.is_paused = true,
        }
    }

    pub(crate) fn resume(&mut self) {
        match self {
            Self::Piped(wheel) => wheel.resume_input(),
            Self::Terminal(terminal) => {
                terminal.is_paused = false;
                terminal.ask();
            }
        }
    }

    /// The terminal has another size, or the program goes on after it was stopped.
    pub(crate) fn refresh(&self) {
        if let Self::Terminal(terminal) = self {
            terminal.wheel.refresh();
        }
    }

    /// Nothing more comes, and nothing can be sent.
    pub(crate) fn end(&mut self) {
        match self {
            Self::Piped(wheel) => wheel.shutdown_input(),
            Self::Terminal(terminal) => terminal.end(),
        }
    }

    /// Whether nobody is left to show anything to.
    pub(crate) fn is_lost(&self, error: &IoError) -> bool {
        matches!(self, Self::Terminal(_)) || error.operation == "write"
    }

    /// Whether all is shown.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Piped(wheel) => wheel.get_driver_out_octets() == 0,
            Self::Terminal(terminal) => terminal.wheel.get_driver_out_octets() == 0,
        }
    }

    pub(crate) fn close(self) -> HandlerResult {
        match self {
            Self::Piped(_) => Ok(()),
            Self::Terminal(terminal) => terminal.close(),
        }
    }
}

pub(crate) struct Terminal {
    wheel: ReadLine,
    /// What came, and has no line end yet.
    begun: Vec<u8>,
    history: Option<PathBuf>,
    is_paused: bool,
    /// No more is to be typed.
    is_ended: bool,
}

impl Terminal {
    fn open(kernel: &Kernel, history: Option<PathBuf>) -> HandlerResult<Self> {
        let wheel = ReadLine::build()
            .app_name("tcp-client")
            .put_mode(PutMode::Immediate)
            .input_event("line")
            .error_event("console error")
            .flushed_event("shown")
            .spawn(kernel)?;
        if let Some(path) = &history {
            match wheel.read_history(path, ..) {
                Err(error) if error.source.kind() == ErrorKind::NotFound => {}
                read => drop(read?),
            }
        }
        for signal in ["WINCH", "CONT"] {
            kernel.sig(signal, "redraw")?;
        }
        let mut terminal =
            Self { wheel, begun: Vec::new(), history, is_paused: false, is_ended: false };
        terminal.ask();
        Ok(terminal)
    }

    /// Asks for a line; what the server has begun is its prompt.
    fn ask(&mut self) {
        if self.is_ended {
        } else if self.begun.is_empty() {
            self.wheel.get("> ");
        } else {
            self.wheel.get(&printable(&self.begun));
        }
    }

    fn show(&mut self, octets: &[u8]) -> bool {
        self.begun.extend_from_slice(octets);
        let mut lines = self.begun.split_inclusive(|&octet| octet == b'\n').peekable();
        let mut shown = 0;
        while let Some(line) = lines.next_if(|line| line.ends_with(b"\n") || line.len() > LOW) {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            self.wheel.put(printable(text.strip_suffix(b"\r").unwrap_or(text)));
            shown += line.len();
        }
        self.begun.drain(..shown);
        if self.wheel.is_reading() {
            self.ask();
        }
        self.wheel.get_driver_out_octets() > HIGH
    }

    fn typed(&mut self, typed: Result<String, Exception>) -> Typed {
        let typed = match typed {
            Ok(line) => {
                if !line.is_empty() && self.wheel.get_history().last() != Some(&line) {
                    self.wheel.add_history(&line);
                }
                Typed::Line(line + "\n")
            }
            Err(Exception::Interrupt) if self.wheel.line().0.is_empty() => Typed::Quit,
            Err(Exception::Eot) => Typed::End,
            Err(_) => Typed::Nothing,
        };
        // It stays on the screen, with the line behind it.
        self.begun.clear();
        self.is_ended |= matches!(typed, Typed::Quit | Typed::End);
        if !self.is_paused {
            self.ask();
        }
        typed
    }

    fn end(&mut self) {
        self.is_ended = true;
        if !self.begun.is_empty() {
            self.wheel.put(printable(&self.begun));
        }
    }

    fn close(self) -> HandlerResult {
        if let Some(path) = &self.history {
            self.wheel.write_history(path)?;
            self.wheel.history_truncate_file(path, REMEMBERED)?;
        }
        Ok(())
    }
}

/// What a server sends, with nothing in it that a terminal does something about, but for colours.
fn printable(octets: &[u8]) -> String {
    static CONTROL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\x1B\[[0-9;]*m|[\x00-\x08\x0A-\x1F\x7F-\x{9F}]").ok());
    let text = String::from_utf8_lossy(octets);
    let Some(control) = &*CONTROL else { return text.into_owned() };
    let shown = control.replace_all(&text, |found: &Captures<'_>| match found[0].chars().next() {
        Some('\x1B') if found[0].len() > 1 => found[0].to_owned(),
        char => {
            char.map(|char| format!("^{}", (char as u8 & 0x7F ^ 0x40) as char)).unwrap_or_default()
        }
    });
    if shown.contains('\x1B') { format!("{shown}\x1B[m") } else { shown.into_owned() }
}
