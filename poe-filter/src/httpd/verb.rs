//! The method of a request, in one octet.

use http::Method;

/// A method, unless it is an unusual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Head,
    Put,
    Delete,
    Options,
    Patch,
    /// A `Method` that is kept apart.
    Other,
}

impl Verb {
    /// The method of this name.
    pub(super) fn new(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "HEAD" => Self::Head,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    #[inline]
    pub(super) fn as_method(self) -> Option<&'static Method> {
        Some(match self {
            Self::Get => &Method::GET,
            Self::Post => &Method::POST,
            Self::Head => &Method::HEAD,
            Self::Put => &Method::PUT,
            Self::Delete => &Method::DELETE,
            Self::Options => &Method::OPTIONS,
            Self::Patch => &Method::PATCH,
            Self::Other => return None,
        })
    }
}
