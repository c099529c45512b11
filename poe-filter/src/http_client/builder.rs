//! The parameters of the filter.

use super::HttpClient;
use crate::httpd::body::BodyLimits;
use crate::httpd::head::HeadLimits;
use crate::{ConfigError, DEFAULT_MAX_BUFFER, DEFAULT_MAX_LENGTH};

/// The parameters of an [`HttpClient`].
///
/// ```
/// use poe_filter::{Filter, HttpClient};
///
/// let mut filter = HttpClient::builder().max_content(10).allow_unasked().build()?;
/// let error = filter.get("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n".into()).unwrap_err();
/// assert!(error.is_fatal());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct HttpClientBuilder {
    max_content: Option<u64>,
    max_buffer: usize,
    streaming: bool,
    unasked: bool,
    head: HeadLimits,
}

impl HttpClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            max_content: None,
            max_buffer: DEFAULT_MAX_BUFFER,
            streaming: false,
            unasked: false,
            head: HeadLimits::DEFAULT,
        }
    }

    /// How long a body may be, in octets. By default 64 MiB, or with
    /// [`streaming`](HttpClientBuilder::streaming) any length.
    pub fn max_content(mut self, octets: u64) -> Self {
        self.max_content = Some(octets);
        self
    }

    /// How much unparsed input may be held, in octets: 512 MiB by default.
    pub fn max_buffer(mut self, octets: usize) -> Self {
        self.max_buffer = octets;
        self
    }

    /// How long all headers of a response together may be, in octets, and likewise its trailers. By default 64 KiB.
    pub fn max_headers_length(mut self, octets: usize) -> Self {
        self.head.headers_length = octets;
        self
    }

    /// How many headers a response may have, and likewise trailers. By default 100.
    ///
    /// ```
    /// use poe_filter::{Filter, HttpClient};
    ///
    /// let mut filter = HttpClient::builder().max_headers(1).allow_unasked().build()?;
    /// assert!(filter.get("HTTP/1.1 204 No Content\r\nA: b\r\nC: d\r\n\r\n".into()).is_err());
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    pub fn max_headers(mut self, count: usize) -> Self {
        self.head.headers = count;
        self
    }

    /// Gives bodies piece by piece, as they come: [`Head`](super::HttpClientRecord::Head), any number
    /// of [`Body`](super::HttpClientRecord::Body), then [`End`](super::HttpClientRecord::End).
    pub fn streaming(mut self) -> Self {
        self.streaming = true;
        self
    }

    /// Takes responses for which this filter has put no request, each as one to GET: those that another has asked for.
    ///
    /// ```
    /// use poe_filter::{Filter, HttpClient};
    ///
    /// let recorded = "HTTP/1.1 204 No Content\r\n\r\n".repeat(3);
    /// let mut filter = HttpClient::builder().allow_unasked().build()?;
    /// assert_eq!(filter.get(recorded.clone().into())?.len(), 3);
    /// assert!(HttpClient::new().get(recorded.into()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn allow_unasked(mut self) -> Self {
        self.unasked = true;
        self
    }

    /// Makes the filter.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `max_buffer` or `max_headers_length` is 0, or if `max_buffer` can not hold the longest body.
    pub fn build(self) -> Result<HttpClient, ConfigError> {
        let max_buffer = self.max_buffer;
        for (parameter, limit) in
            [("max_buffer", max_buffer), ("max_headers_length", self.head.headers_length)]
        {
            if limit == 0 {
                return Err(ConfigError::Zero { parameter });
            }
        }
        let content = match self.max_content {
            None if !self.streaming => Some(DEFAULT_MAX_LENGTH as u64),
            given => given,
        };
        if let (Some(length), false) = (content, self.streaming) {
            let needed = usize::try_from(length).unwrap_or(usize::MAX);
            if max_buffer < needed {
                return Err(ConfigError::BufferTooSmall { max_buffer, needed });
            }
        }
        let limits = BodyLimits { head: self.head, content };
        Ok(HttpClient::with(limits, max_buffer, self.streaming, self.unasked))
    }
}
