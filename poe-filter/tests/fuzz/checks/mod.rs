//! What has to hold for any input: one check for each parser. The first octets of an input choose
//! among the modes of the parser and divide the stream, which is the rest.

mod block;
mod handshake;
mod http;
mod input;
mod json;
mod line;
mod reference;
mod stack;
mod storable;
mod stream;
mod websocket;

/// Panics if the parser does with this input what it must not.
pub(crate) type Check = fn(&[u8]);

/// The names of the targets of `cargo xtask fuzz`, and what they do.
pub(crate) const TARGETS: &[(&str, Check)] = &[
    ("block", block::block),
    ("chunked", http::chunked),
    ("handshake", handshake::handshake),
    ("http_client", http::client),
    ("httpd", http::server),
    ("json_lines", json::json_lines),
    ("line", line::line),
    ("line_regexp", line::line_regexp),
    ("netstring", block::netstring),
    ("reference", reference::reference),
    ("stack", stack::stack),
    ("storable", storable::storable),
    ("websocket", websocket::websocket),
];
