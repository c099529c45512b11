//! The events of a wheel, and when it shows what is put.

/// The events of a [`ReadLine`](super::ReadLine) wheel, for [`ReadLine::event`](super::ReadLine::event).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadLineEvent {
    /// A line was typed, or an [`Exception`](super::Exception) (POE: `InputEvent`); carries
    /// [`Input<Result<String, Exception>>`](crate::Input).
    Input,
    /// The terminal failed, or has gone; carries [`IoError`](crate::IoError).
    Error,
    /// All that was put is shown; carries [`WheelId`](crate::WheelId).
    Flushed,
}

/// When what is [put](super::ReadLine::put) while a line is typed is shown (POE: the values of `PutMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PutMode {
    /// When no key has come for [a while](super::ReadLineBuilder::idle_time), or the line is done (POE: `idle`).
    #[default]
    Idle,
    /// At the end of the turn (POE: `immediate`).
    Immediate,
    /// When the line is done (POE: `after`).
    After,
}
