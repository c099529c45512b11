//! The standard streams of a child, as its wheel's errors name them.

use std::fmt;

/// A standard stream of a child, seen from the child (POE: `"STDIN"`, `"STDOUT"`, `"STDERR"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunStream {
    /// What the child reads, and the wheel writes.
    Stdin,
    /// What the child prints. On a pseudo-terminal, all that it prints.
    Stdout,
    /// Where the child complains.
    Stderr,
}

impl fmt::Display for RunStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stdin => "STDIN",
            Self::Stdout => "STDOUT",
            Self::Stderr => "STDERR",
        })
    }
}
