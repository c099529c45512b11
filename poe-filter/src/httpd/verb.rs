//! The method of a request, in few octets.

use http::Method;

/// A method. The usual ones are moved about as an address; a `Method`, which may have a name in it, is
/// dearer.
#[derive(Debug, Clone)]
pub(super) enum Verb {
    Usual(&'static Method),
    Other(Box<Method>),
}

impl Verb {
    /// The method of this name; `None` if it is no word.
    #[inline(always)]
    pub(super) fn new(name: &str) -> Option<Self> {
        Some(Self::Usual(match name {
            "GET" => &Method::GET,
            "POST" => &Method::POST,
            "HEAD" => &Method::HEAD,
            "PUT" => &Method::PUT,
            "DELETE" => &Method::DELETE,
            "OPTIONS" => &Method::OPTIONS,
            "PATCH" => &Method::PATCH,
            _ => return Method::from_bytes(name.as_bytes()).ok().map(Self::from),
        }))
    }

    #[inline]
    pub(super) fn as_method(&self) -> &Method {
        match self {
            Self::Usual(method) => method,
            Self::Other(method) => method,
        }
    }
}

impl From<Method> for Verb {
    fn from(method: Method) -> Self {
        Self::Other(Box::new(method))
    }
}
