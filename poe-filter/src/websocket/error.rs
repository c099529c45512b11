//! What is wrong with a WebSocket.

/// Why a frame was refused. It is the source of a [`FilterError::Stream`](crate::FilterError::Stream)
/// in input, and of a [`FilterError::Record`](crate::FilterError::Record) in output.
///
/// ```
/// use std::error::Error;
/// use poe_filter::{Filter, WebSocket, WebSocketError};
///
/// let mut server = WebSocket::server();
/// // A frame that is not masked.
/// let error = server.get(b"\x81\x02hi"[..].into()).unwrap_err();
/// let cause = error.source().unwrap().downcast_ref::<WebSocketError>().unwrap();
/// assert_eq!(cause.close_code(), 1002);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// A reserved bit is set, and no extension was agreed on.
    #[error("a reserved bit of a frame is set; no extension was agreed on")]
    Reserved,
    /// An opcode that no frame has.
    #[error("opcode {0:#x} is not known")]
    Opcode(u8),
    /// A client's frame is not masked, or a server's is.
    #[error("a frame is masked where it must not be, or the reverse; check who is the server")]
    Mask,
    /// A control frame in fragments, or one of more than 125 octets.
    #[error("a control frame is fragmented, or longer than 125 octets")]
    LongControl,
    /// A length that takes more octets than it needs, or more than 63 bits.
    #[error("the length of a frame is not written as it should be")]
    Length,
    /// A fragment of no message, or another message within one.
    #[error("a fragment belongs to no message, or a message began within another")]
    Fragment,
    /// Text, or the reason of a close frame, is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A close frame of one octet, or with a code that must not be sent.
    #[error("a close frame has no code that may be sent")]
    BadClose,
    /// A message is longer than the limit.
    #[error(
        "a message exceeds the limit of {0} octets; raise max_length if peers may send longer ones"
    )]
    TooLong(usize),
    /// Something was put after a close frame.
    #[error("a close frame has been put, behind which nothing may be sent")]
    Closed,
}

impl WebSocketError {
    /// The code for the close frame that tells the peer: 1002, 1007 or 1009.
    #[must_use]
    pub fn close_code(&self) -> u16 {
        match self {
            Self::NotUtf8 => 1007,
            Self::TooLong(_) => 1009,
            _ => 1002,
        }
    }
}
