//! What WebSocket peers say to each other.

use bytes::Bytes;

use super::frame::Opcode;
use super::{MAX_CONTROL, WebSocketError};

/// A message, of which there may be several frames, or a control frame.
///
/// ```
/// use poe_filter::{CloseReason, Filter, WebSocket, WebSocketMessage};
///
/// let mut out = Vec::<u8>::new();
/// let reason = CloseReason { code: 1000, reason: "done".into() };
/// WebSocket::server().put(WebSocketMessage::Close(Some(reason)), &mut out)?;
/// assert_eq!(out, b"\x88\x06\x03\xe8done");
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebSocketMessage {
    /// Text.
    Text(String),
    /// Octets.
    Binary(Bytes),
    /// The peer is asked for a [`Pong`](WebSocketMessage::Pong) with the same octets, 125 at most.
    /// The filter sends none by itself.
    Ping(Bytes),
    /// The answer to a [`Ping`](WebSocketMessage::Ping), or a sign of life.
    Pong(Bytes),
    /// The last message of its sender, with the reason or without. It is to be answered with another,
    /// unless it is the answer.
    Close(Option<CloseReason>),
}

/// Why a peer closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// 1000 for normal, 1001 for going away, 1002 and up for errors, 3000 to 4999 for applications.
    pub code: u16,
    /// In words, of which there can be 123 octets.
    pub reason: String,
}

impl WebSocketMessage {
    /// The message of a whole payload.
    pub(super) fn decode(opcode: Opcode, payload: Bytes) -> Result<Self, WebSocketError> {
        let text =
            |octets: Bytes| String::from_utf8(octets.into()).map_err(|_| WebSocketError::NotUtf8);
        Ok(match opcode {
            Opcode::Text => Self::Text(text(payload)?),
            Opcode::Binary | Opcode::Continuation => Self::Binary(payload),
            Opcode::Ping => Self::Ping(payload),
            Opcode::Pong => Self::Pong(payload),
            Opcode::Close => match payload.split_first_chunk::<2>() {
                None if payload.is_empty() => Self::Close(None),
                None => return Err(WebSocketError::BadClose),
                Some((code, _)) => {
                    let code = u16::from_be_bytes(*code);
                    if !may_be_sent(code) {
                        return Err(WebSocketError::BadClose);
                    }
                    Self::Close(Some(CloseReason { code, reason: text(payload.slice(2..))? }))
                }
            },
        })
    }

    /// The payload of this message.
    pub(super) fn encode(self) -> Result<(Opcode, Bytes), WebSocketError> {
        let (opcode, payload) = match self {
            Self::Text(text) => return Ok((Opcode::Text, text.into())),
            Self::Binary(octets) => return Ok((Opcode::Binary, octets)),
            Self::Ping(octets) => (Opcode::Ping, octets),
            Self::Pong(octets) => (Opcode::Pong, octets),
            Self::Close(None) => (Opcode::Close, Bytes::new()),
            Self::Close(Some(CloseReason { code, reason })) => {
                if !may_be_sent(code) {
                    return Err(WebSocketError::BadClose);
                }
                (Opcode::Close, [&code.to_be_bytes(), reason.as_bytes()].concat().into())
            }
        };
        if payload.len() > MAX_CONTROL {
            return Err(WebSocketError::LongControl);
        }
        Ok((opcode, payload))
    }
}

/// Whether a code may stand in a close frame: 1004 to 1006 and 1015 are for other uses.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
