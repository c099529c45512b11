//! How a connection of HTTP becomes one of WebSocket messages.

use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_TYPE, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use sha1_smol::Sha1;

use super::WebSocket;
use crate::{HttpdRequest, HttpdResponse};

/// The version of the protocol, which is the only one.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// What a server puts behind the key of a client, to show that it knows the protocol.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why there is no WebSocket.
///
/// ```
/// use poe_filter::{Filter, Httpd, HttpdRecord, WebSocket, WebSocketHandshakeError};
///
/// let records = Httpd::new().get("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".into())?;
/// let [HttpdRecord::Request(request)] = &records[..] else { panic!("{records:?}") };
/// let error = WebSocket::accept(request).unwrap_err();
/// assert_eq!(error, WebSocketHandshakeError::NoUpgrade);
///
/// let mut out = Vec::<u8>::new();
/// Httpd::new().put(error.to_response(), &mut out)?;
/// assert!(out.starts_with(b"HTTP/1.1 426 Upgrade Required\r\n"));
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketHandshakeError {
    /// The peer does not ask for WebSocket messages, or does not agree to them: `Upgrade` or
    /// `Connection` does not say so.
    #[error("nothing is said of an upgrade to websocket")]
    NoUpgrade,
    /// The request is of another method than GET, of HTTP/1.0, or without `Host`.
    #[error(
        "the request is none that a WebSocket can begin with; it has to be GET, and have a Host"
    )]
    Request,
    /// The client speaks another version than 13.
    #[error("the version of the protocol is not 13")]
    Version,
    /// The key of the client is not 16 octets in base 64.
    #[error("Sec-WebSocket-Key is not 16 octets in base 64")]
    Key,
    /// The server does not switch protocols, but answers with this status.
    #[error("the server answers with {0}")]
    Status(StatusCode),
    /// The server has not understood the key.
    #[error("Sec-WebSocket-Accept does not fit the key")]
    Accept,
    /// The server wants an extension, or a protocol, that was not offered, or several protocols.
    #[error("the server has chosen {0}, which was not offered")]
    NotOffered(&'static str),
}

impl WebSocketHandshakeError {
    /// What a server answers with: 426 to whoever did not ask for an upgrade or speaks another version,
    /// which names the version, and 400 to the others. The connection is closed after it.
    #[must_use]
    pub fn to_response(&self) -> HttpdResponse {
        let mut response = Response::new(Bytes::from(format!("{self}\n")));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        *response.status_mut() = match self {
            Self::NoUpgrade | Self::Version => {
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("close, upgrade"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
                StatusCode::UPGRADE_REQUIRED
            }
            _ => StatusCode::BAD_REQUEST,
        };
        response.into()
    }
}

impl WebSocket {
    /// The server's side of the opening handshake: the response to a request for one, `101 Switching
    /// Protocols`. Put it, then exchange the filter, in the handler of the request, for
    /// [`WebSocket::server`]. Needs the feature `http` as well.
    ///
    /// No extension is agreed on. Of the protocols that the request offers in
    /// `Sec-WebSocket-Protocol`, add the one that you choose to the response.
    ///
    /// ```
    /// use poe_filter::{Filter, Httpd, HttpdRecord, WebSocket, WebSocketMessage};
    ///
    /// let mut httpd = Httpd::new();
    /// let request = "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    ///                Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    ///                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    /// let frame = b"\x81\x85\x01\x02\x03\x04igohn";
    /// httpd.get_one_start([request.as_bytes(), frame].concat().into())?;
    /// let Some(HttpdRecord::Request(request)) = httpd.get_one()? else { panic!("no request") };
    /// let response = WebSocket::accept(&request)?;
    /// assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// httpd.put(response.into(), &mut Vec::<u8>::new())?;
    ///
    /// let mut filter = WebSocket::server();
    /// assert_eq!(filter.get(httpd.take_pending())?, [WebSocketMessage::Text("hello".into())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the request does not ask for that as it should; [`WebSocketHandshakeError::to_response`] is for
    /// the client.
    pub fn accept(request: &HttpdRequest) -> Result<Response<Bytes>, WebSocketHandshakeError> {
        if !request.header_has(UPGRADE, "websocket") || !request.header_has(CONNECTION, "upgrade") {
            return Err(WebSocketHandshakeError::NoUpgrade);
        }
        let is_right = request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && request.header(HOST).is_some();
        if !is_right {
            return Err(WebSocketHandshakeError::Request);
        }
        if only(request, SEC_WEBSOCKET_VERSION) != Some(VERSION.as_bytes()) {
            return Err(WebSocketHandshakeError::Version);
        }
        let key = only(request, SEC_WEBSOCKET_KEY).ok_or(WebSocketHandshakeError::Key)?;
        if STANDARD.decode(key).map_or(0, |octets| octets.len()) != 16 {
            return Err(WebSocketHandshakeError::Key);
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, text(accept_key(key)));
        Ok(response)
    }
}

/// The client's side of the opening handshake.
///
/// Needs the features `websocket` and `http`.
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use poe_filter::WebSocketHandshake;
///
/// let request = Request::get("http://localhost/chat").body("")?;
/// let (request, handshake) = WebSocketHandshake::begin(request);
/// assert_eq!(request.headers()["upgrade"], "websocket");
///
/// // The request is put into an `HttpClient`, and comes back with a response.
/// let response = Response::builder().status(StatusCode::NOT_FOUND).body(())?;
/// assert!(handshake.finish(&response).is_err());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WebSocketHandshake {
    accept: String,
    protocols: HeaderMap,
}

impl WebSocketHandshake {
    /// Makes a request one for a WebSocket, with a key that nobody could guess. Protocols that you offer
    /// are in its `Sec-WebSocket-Protocol`.
    #[must_use]
    pub fn begin<B: Into<Bytes>>(request: Request<B>) -> (Request<Bytes>, Self) {
        let keys = RandomState::new();
        let octets = [keys.hash_one(1), keys.hash_one(2)].map(u64::to_ne_bytes).concat();
        Self::with_key(request, STANDARD.encode(octets))
    }

    fn with_key<B: Into<Bytes>>(request: Request<B>, key: String) -> (Request<Bytes>, Self) {
        let mut request = request.map(Into::into);
        let mut protocols = HeaderMap::new();
        for protocol in request.headers().get_all(SEC_WEBSOCKET_PROTOCOL) {
            protocols.append(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
        let accept = accept_key(key.as_bytes());
        let headers = request.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
        headers.insert(SEC_WEBSOCKET_KEY, text(key));
        (request, Self { accept, protocols })
    }

    /// Looks whether the server agrees. If it does, exchange the filter, in the handler of the response,
    /// for [`WebSocket::client`].
    ///
    /// # Errors
    ///
    /// If it does not.
    pub fn finish<B>(&self, response: &Response<B>) -> Result<(), WebSocketHandshakeError> {
        let headers = response.headers();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(WebSocketHandshakeError::Status(response.status()));
        }
        if !has(headers, UPGRADE, b"websocket") || !has(headers, CONNECTION, b"upgrade") {
            return Err(WebSocketHandshakeError::NoUpgrade);
        }
        let mut accepts = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
        let is_right = accepts.next().is_some_and(|accept| accept == self.accept.as_str());
        if !is_right || accepts.next().is_some() {
            return Err(WebSocketHandshakeError::Accept);
        }
        if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
            return Err(WebSocketHandshakeError::NotOffered("an extension"));
        }
        let mut protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        match (protocols.next(), protocols.next()) {
            (None, _) => Ok(()),
            (Some(chosen), None) if self.has_offered(chosen.as_bytes()) => Ok(()),
            _ => Err(WebSocketHandshakeError::NotOffered("a protocol")),
        }
    }

    /// Whether this is one of the protocols that were offered, whose case matters.
    fn has_offered(&self, chosen: &[u8]) -> bool {
        let offers = self.protocols.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let mut offers = offers.flat_map(|value| value.as_bytes().split(|octet| *octet == b','));
        !chosen.is_empty() && offers.any(|offered| offered.trim_ascii() == chosen)
    }
}

/// The answer to a key: a digest of it.
fn accept_key(key: &[u8]) -> String {
    let mut digest = Sha1::from(key);
    digest.update(GUID.as_bytes());
    STANDARD.encode(digest.digest().bytes())
}

/// The value of a header that is there once.
fn only(request: &HttpdRequest, name: HeaderName) -> Option<&[u8]> {
    let mut values = request.headers().filter(|(of, _)| of.eq_ignore_ascii_case(name.as_str()));
    let (_, value) = values.next()?;
    if values.next().is_some() { None } else { Some(value) }
}

fn has(headers: &HeaderMap, name: HeaderName, word: &[u8]) -> bool {
    let values = headers.get_all(name).iter();
    values
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .any(|said| said.trim_ascii().eq_ignore_ascii_case(word))
}

/// Base 64 has nothing that a header may not have.
fn text(base64: String) -> HeaderValue {
    HeaderValue::try_from(base64).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of RFC 6455, 1.3.
    #[test]
    fn a_key_and_its_answer() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        assert_eq!(accept_key(key.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let (request, handshake) =
            WebSocketHandshake::with_key(Request::new(Bytes::new()), key.to_owned());
        assert_eq!(request.headers()[SEC_WEBSOCKET_KEY], key);
        assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys_are_all_different() {
        let key = || WebSocketHandshake::begin(Request::new("")).1.accept;
        assert_ne!(key(), key());
    }
}
