//! WebSocket frames, as in RFC 6455.

mod error;
mod frame;
#[cfg(feature = "http")]
mod handshake;
mod message;

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;

pub use self::error::WebSocketError;
use self::frame::{Header, MAX_HEADER, Opcode, apply};
#[cfg(feature = "http")]
pub use self::handshake::{WebSocketHandshake, WebSocketHandshakeError};
pub use self::message::{CloseReason, WebSocketMessage};
use crate::buffer::InputBuffer;
use crate::origin::join;
use crate::{ConfigError, DEFAULT_MAX_BUFFER, DEFAULT_MAX_LENGTH, Filter, FilterError, Sink};

/// The most octets of a control frame.
const MAX_CONTROL: usize = 125;

/// Messages in WebSocket frames. Needs the feature `websocket`.
///
/// This is what follows the handshake, which is HTTP; a filter of HTTP hands its pending input over
/// to this one. With the feature `http`, `WebSocket::accept` and `WebSocketHandshake` are the two sides
/// of that. A client masks its frames, and a server does not, and each refuses the other
/// behaviour. Fragments become one message; control frames between them come at once, by
/// themselves. There are no extensions.
///
/// The filter answers nothing by itself: a [`Ping`](WebSocketMessage::Ping) and a
/// [`Close`](WebSocketMessage::Close) are records like others. Behind a close frame of the peer,
/// input is dropped; behind one that was put, records are refused.
///
/// What breaks the protocol is a fatal error, whose source is a [`WebSocketError`] with the code to
/// close with.
///
/// ```
/// use poe_filter::{Filter, WebSocket, WebSocketMessage};
///
/// let (mut client, mut server) = (WebSocket::client(), WebSocket::server());
/// let mut wire = Vec::<u8>::new();
/// client.put(WebSocketMessage::Text("hello".into()), &mut wire)?;
/// assert_eq!(wire.len(), 2 + 4 + 5);
/// assert_eq!(server.get(wire.into())?, [WebSocketMessage::Text("hello".into())]);
///
/// let mut wire = Vec::<u8>::new();
/// server.put(WebSocketMessage::Text("hello".into()), &mut wire)?;
/// assert_eq!(wire, b"\x81\x05hello");
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug)]
pub struct WebSocket {
    buffer: InputBuffer,
    /// The frames of a message whose last one has not come. They stay as they are, for whoever
    /// takes what is pending.
    fragments: Vec<u8>,
    /// How many octets of payload they have.
    fragments_length: usize,
    got_close: bool,
    put_close: bool,
    /// What ended the parsing.
    failed: Option<WebSocketError>,
    masks: Option<Masks>,
    max_length: usize,
}

/// Masks that nobody can foresee who does not know the keys of the hash, which the system gave.
#[derive(Debug, Default)]
struct Masks {
    keys: RandomState,
    count: u64,
}

impl Masks {
    fn next(&mut self) -> [u8; 4] {
        self.count += 1;
        (self.keys.hash_one(self.count) as u32).to_ne_bytes()
    }
}

impl WebSocket {
    /// The filter of a server, with messages of up to 64 MiB.
    #[must_use]
    pub fn server() -> Self {
        Self::with(None, DEFAULT_MAX_LENGTH)
    }

    /// The filter of a client, with messages of up to 64 MiB.
    #[must_use]
    pub fn client() -> Self {
        Self::with(Some(Masks::default()), DEFAULT_MAX_LENGTH)
    }

    /// The same with another limit for messages of input, in octets. Of a message in fragments the
    /// headers of its frames count as well, so that empty ones cost their sender something.
    ///
    /// ```
    /// use poe_filter::{Filter, WebSocket};
    ///
    /// let mut client = WebSocket::client().with_max_length(4)?;
    /// let error = client.get(b"\x81\x05hello"[..].into()).unwrap_err();
    /// assert!(error.is_fatal() && error.to_string().contains("limit of 4 octets"));
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Zero`], or [`ConfigError::BufferTooSmall`] for more than the 512 MiB that are held
    /// at most.
    pub fn with_max_length(mut self, octets: usize) -> Result<Self, ConfigError> {
        crate::check_limits(octets, DEFAULT_MAX_BUFFER, octets.saturating_add(MAX_HEADER))?;
        self.max_length = octets;
        Ok(self)
    }

    fn with(masks: Option<Masks>, max_length: usize) -> Self {
        Self {
            buffer: InputBuffer::default(),
            fragments: Vec::new(),
            fragments_length: 0,
            got_close: false,
            put_close: false,
            failed: None,
            masks,
            max_length,
        }
    }

    /// What frames of input are to be.
    fn is_masked(&self) -> bool {
        self.masks.is_none()
    }

    fn next(&mut self) -> Result<Option<WebSocketMessage>, WebSocketError> {
        match self.failed {
            Some(error) => Err(error),
            None => self.parse().inspect_err(|error| self.failed = Some(*error)),
        }
    }

    fn parse(&mut self) -> Result<Option<WebSocketMessage>, WebSocketError> {
        while !self.got_close {
            let octets = self.buffer.peek(MAX_HEADER);
            let Some(header) = Header::decode(&octets, self.is_masked())? else { return Ok(None) };
            self.check(header)?;
            let length = header.octets + header.length as usize;
            let Some(frame) = self.buffer.take(length) else { return Ok(None) };
            if header.opcode.is_control() || header.last && self.fragments.is_empty() {
                self.got_close = header.opcode == Opcode::Close;
                return WebSocketMessage::decode(header.opcode, payload(header, &frame)).map(Some);
            }
            self.fragments.extend_from_slice(&frame);
            self.fragments_length += header.length as usize;
            if header.last {
                return self.assemble().map(Some);
            }
        }
        self.buffer.take_all();
        Ok(None)
    }

    /// Whether a frame may come now, and is not too long.
    fn check(&self, header: Header) -> Result<(), WebSocketError> {
        if header.opcode.is_control() {
            return Ok(());
        }
        let begun = !self.fragments.is_empty();
        if (header.opcode == Opcode::Continuation) != begun {
            return Err(WebSocketError::Fragment);
        }
        let whole = header.last && !begun;
        let headers = if whole { 0 } else { header.octets };
        let length = header.length.saturating_add((self.fragments.len() + headers) as u64);
        if length > self.max_length as u64 {
            return Err(WebSocketError::TooLong(self.max_length));
        }
        Ok(())
    }

    /// Makes a message of the fragments.
    fn assemble(&mut self) -> Result<WebSocketMessage, WebSocketError> {
        let frames = std::mem::take(&mut self.fragments);
        let mut all = Vec::with_capacity(std::mem::take(&mut self.fragments_length));
        let mut opcode = Opcode::Continuation;
        let mut rest = &frames[..];
        while let Some(header) = Header::decode(rest, self.is_masked())? {
            let (frame, behind) = rest.split_at(header.octets + header.length as usize);
            if header.opcode != Opcode::Continuation {
                opcode = header.opcode;
            }
            let start = all.len();
            all.extend_from_slice(&frame[header.octets..]);
            if let Some(mask) = header.mask {
                apply(mask, &mut all[start..]);
            }
            rest = behind;
        }
        WebSocketMessage::decode(opcode, all.into())
    }
}

/// The payload of a frame, unmasked; a slice of it if there is no mask.
fn payload(header: Header, frame: &Bytes) -> Bytes {
    let payload = frame.slice(header.octets..);
    let Some(mask) = header.mask else { return payload };
    let mut payload = Vec::from(payload);
    apply(mask, &mut payload);
    payload.into()
}

impl Filter for WebSocket {
    type In = WebSocketMessage;
    type Out = WebSocketMessage;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.buffer.append(chunk, DEFAULT_MAX_BUFFER)
    }

    fn get_one(&mut self) -> Result<Option<WebSocketMessage>, FilterError> {
        let message = self.next().map_err(FilterError::stream)?;
        if message.is_none() {
            while self.buffer.next_chunk() {}
        }
        Ok(message)
    }

    fn finish(&mut self) -> Result<Option<WebSocketMessage>, FilterError> {
        if let Some(error) = self.failed {
            return Err(FilterError::stream(error));
        }
        let held = self.pending_len();
        if held > 0 && !self.got_close { Err(FilterError::Truncated { held }) } else { Ok(None) }
    }

    fn put(&mut self, record: WebSocketMessage, sink: &mut dyn Sink) -> Result<(), FilterError> {
        if self.put_close {
            return Err(FilterError::record(WebSocketError::Closed));
        }
        let (opcode, payload) = record.encode().map_err(FilterError::record)?;
        self.put_close = opcode == Opcode::Close;
        let mask = self.masks.as_mut().map(Masks::next);
        sink.put_slice(&Header::encode(true, opcode, mask, payload.len()));
        match mask {
            Some(mask) => {
                let mut payload = Vec::from(payload);
                apply(mask, &mut payload);
                sink.put_bytes(payload.into());
            }
            None => sink.put_bytes(payload),
        }
        Ok(())
    }

    fn get_pending(&self) -> Bytes {
        join([Bytes::copy_from_slice(&self.fragments), self.buffer.copy_all()].into_iter())
    }

    fn pending_len(&self) -> usize {
        self.fragments.len() + self.buffer.len()
    }

    fn take_pending(&mut self) -> Bytes {
        self.fragments_length = 0;
        self.failed = None;
        let fragments = Bytes::from(std::mem::take(&mut self.fragments));
        join([fragments, self.buffer.take_all()].into_iter())
    }

    fn pending_before(&self) -> usize {
        self.fragments.len()
    }

    fn take_unread(&mut self) -> Bytes {
        let failed = self.failed;
        let pending = self.take_pending();
        self.failed = failed;
        pending
    }

    fn fresh(&self) -> Box<dyn Filter<In = WebSocketMessage, Out = WebSocketMessage>> {
        let masks = self.masks.is_some().then(Masks::default);
        Box::new(Self::with(masks, self.max_length))
    }
}
