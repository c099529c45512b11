//! Why a command did not succeed.

use std::fmt;

/// A message for the person at the terminal: a lower-case fragment that reads on from
/// "xtask: test failed: ".
#[derive(Debug)]
pub(crate) struct Failure(String);

/// The result of a command, or of a part of one.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with this message.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The failure of a command that takes none of the arguments it was given.
pub(crate) fn refuse(arguments: &[String]) -> Result<()> {
    match arguments.first() {
        None => Ok(()),
        Some(argument) => Err(Failure::new(format!("unexpected argument {argument:?}"))),
    }
}
