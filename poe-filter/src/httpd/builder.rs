//! The parameters of the filter.

use super::Httpd;
use super::body::BodyLimits;
use super::head::HeadLimits;
use crate::{ConfigError, DEFAULT_MAX_BUFFER};

/// POE's default: 1 MiB.
const DEFAULT_MAX_CONTENT: u64 = 1024 * 1024;

/// The parameters of an [`Httpd`].
///
/// ```
/// use http::StatusCode;
/// use poe_filter::{Filter, Httpd, HttpdRecord};
///
/// let mut filter = Httpd::builder().max_content(10).max_request_line(20).build()?;
/// let records = filter.get("GET /a/rather/long/path HTTP/1.1\r\nHost: a\r\n\r\n".into())?;
/// let [HttpdRecord::Error(error)] = &records[..] else { panic!("{records:?}") };
/// assert_eq!(error.status(), StatusCode::URI_TOO_LONG);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct HttpdBuilder {
    max_content: Option<u64>,
    max_buffer: usize,
    streaming: bool,
    head: HeadLimits,
}

impl HttpdBuilder {
    pub(super) fn new() -> Self {
        Self {
            max_content: None,
            max_buffer: DEFAULT_MAX_BUFFER,
            streaming: false,
            head: HeadLimits::DEFAULT,
        }
    }

    /// How long a body may be, in octets; beyond it is 413. By default 1 MiB, or with
    /// [`streaming`](HttpdBuilder::streaming) any length.
    pub fn max_content(mut self, octets: u64) -> Self {
        self.max_content = Some(octets);
        self
    }

    /// How much unparsed input may be held, in octets: 512 MiB by default.
    pub fn max_buffer(mut self, octets: usize) -> Self {
        self.max_buffer = octets;
        self
    }

    /// How long a request line may be, in octets; beyond it is 414. By default 8 KiB.
    pub fn max_request_line(mut self, octets: usize) -> Self {
        self.head.first_line = octets;
        self
    }

    /// How long all headers of a request together may be, in octets, and likewise its trailers; beyond
    /// it is 431. By default 64 KiB.
    pub fn max_headers_length(mut self, octets: usize) -> Self {
        self.head.headers_length = octets;
        self
    }

    /// How many headers a request may have, and likewise trailers; beyond it is 431. By default 100.
    pub fn max_headers(mut self, count: usize) -> Self {
        self.head.headers = count;
        self
    }

    /// Lets requests of HTTP/1.1 pass that have no `Host`, as POE's filter does. RFC 9112 has a server answer
    /// them with 400, as this filter does by default: who passes them on, or serves several hosts, could
    /// be had to take them for another host's.
    ///
    /// ```
    /// use poe_filter::{Filter, Httpd, HttpdRecord};
    ///
    /// let mut filter = Httpd::builder().host_optional().build()?;
    /// let records = filter.get("GET / HTTP/1.1\r\n\r\n".into())?;
    /// assert!(matches!(&records[..], [HttpdRecord::Request(_)]), "{records:?}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn host_optional(mut self) -> Self {
        self.head.host = false;
        self
    }

    /// Gives bodies piece by piece, as they come: [`Head`](super::HttpdRecord::Head), any number of
    /// [`Body`](super::HttpdRecord::Body), then [`End`](super::HttpdRecord::End). POE's `Streaming`.
    ///
    /// ```
    /// use poe_filter::{Filter, Httpd, HttpdRecord};
    ///
    /// let mut filter = Httpd::builder().streaming().build()?;
    /// let input = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    /// let records = filter.get(input.into())?;
    /// let [HttpdRecord::Head(_), HttpdRecord::Body(body), HttpdRecord::End(_)] = &records[..] else {
    ///     panic!("{records:?}");
    /// };
    /// assert_eq!(body, "abc");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn streaming(mut self) -> Self {
        self.streaming = true;
        self
    }

    /// Makes the filter.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a limit is 0 where nothing would pass, or if `max_buffer` can not hold the
    /// longest body with its length.
    pub fn build(self) -> Result<Httpd, ConfigError> {
        for (parameter, limit) in [
            ("max_buffer", self.max_buffer),
            ("max_request_line", self.head.first_line),
            ("max_headers_length", self.head.headers_length),
        ] {
            if limit == 0 {
                return Err(ConfigError::Zero { parameter });
            }
        }
        let max_content = match self.max_content {
            None if !self.streaming => Some(DEFAULT_MAX_CONTENT),
            given => given,
        };
        if let (Some(length), false) = (max_content, self.streaming) {
            let digits = length.checked_ilog10().unwrap_or(0) as usize + 1;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let needed = length.saturating_add(digits + 1);
            if self.max_buffer < needed {
                return Err(ConfigError::BufferTooSmall { max_buffer: self.max_buffer, needed });
            }
        }
        let limits = BodyLimits { head: self.head, content: max_content };
        Ok(Httpd::with(limits, self.max_buffer, self.streaming))
    }
}
