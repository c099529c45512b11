//! A terminal that a wheel has to itself.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use super::handle::Unblocked;
use crate::read_line::output::Output;
use crate::read_line::terminal::{self, RawMode};

/// A terminal in raw mode, none of whose handles block. When this goes, all is as it was.
pub(super) struct Taken {
    /// None of what is no terminal, as a socket.
    raw: Option<RawMode>,
    input: Unblocked,
    output: Rc<Output>,
    _unblocked: Unblocked,
}

impl Taken {
    /// Takes it, or says what failed.
    pub(super) fn new(
        input: &Rc<dyn AsFd>,
        output: &Rc<dyn AsFd>,
    ) -> Result<Self, (&'static str, io::Error)> {
        let unblocked =
            |handle| Unblocked::new(Rc::clone(handle)).map_err(|error| ("fcntl", error));
        let raw = terminal::is_terminal(&**input).then(|| RawMode::enter(input)).transpose();
        let raw = raw.map_err(|error| ("tcsetattr", error))?;
        let (input, unblocked_output) = (unblocked(input)?, unblocked(output)?);
        let output = Rc::new(Output::new(unblocked_output.handle()));
        Ok(Self { raw, input, output, _unblocked: unblocked_output })
    }

    /// Enters raw mode again, after somebody else has changed the mode.
    pub(super) fn again(&self) -> io::Result<()> {
        self.raw.as_ref().map_or(Ok(()), RawMode::again)
    }

    /// What the terminal is told should the process exit.
    pub(super) fn set_last_words(&self, words: Vec<u8>) {
        if let Some(raw) = &self.raw {
            raw.set_last_words(self.output.handle(), words);
        }
    }

    pub(super) fn input(&self) -> Rc<dyn AsFd> {
        self.input.handle()
    }

    pub(super) fn output(&self) -> &Rc<Output> {
        &self.output
    }
}
