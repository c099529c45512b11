//! What filters allow that were not told otherwise.

use bytes::Bytes;
use poe_filter::{Block, Filter, FilterError, Line, Netstring};

/// POE's `MaxBuffer`: 512 MiB.
const MAX_BUFFER: usize = 512 << 20;

/// The longest record: 64 MiB.
const MAX_LENGTH: usize = 64 << 20;

type Named = (&'static str, Box<dyn Filter<In = Bytes, Out = Bytes>>);

fn filters() -> Vec<Named> {
    #[allow(unused_mut, reason = "without features there are no more")]
    let mut filters: Vec<Named> = vec![
        ("Line", Box::new(Line::new())),
        ("Block", Box::new(Block::new())),
        ("Block of one size", Box::new(Block::fixed(10).unwrap())),
        ("Netstring", Box::new(Netstring::new())),
    ];
    #[cfg(all(feature = "reference", feature = "json"))]
    {
        use poe_filter::Map;
        use poe_filter::reference::{Json, Reference};
        let reference = Reference::new(Json::<()>::new());
        filters.push(("Reference", Box::new(reference.then(Map::new(|()| Bytes::new(), |_| ())))));
    }
    #[cfg(feature = "http")]
    {
        use http::{Request, Response};
        use poe_filter::{HttpClient, HttpClientRequest, Httpd, HttpdResponse, Map};
        let response = |body: Bytes| HttpdResponse::from(Response::new(body));
        let request = |body: Bytes| HttpClientRequest::from(Request::new(body));
        filters.push(("Httpd", Box::new(Httpd::new().then(Map::new(|_| Bytes::new(), response)))));
        let client = HttpClient::new().then(Map::new(|_| Bytes::new(), request));
        filters.push(("HttpClient", Box::new(client)));
    }
    filters
}

/// Nothing is read meanwhile, so that all is held as it came.
#[test]
fn filters_hold_512_mib() {
    // Memory that is never touched.
    let piece = Bytes::from(vec![0; 64 << 20]);
    for (name, mut filter) in filters() {
        for _ in 0..MAX_BUFFER / piece.len() {
            filter.get_one_start(piece.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let error = filter.get_one_start("x".into()).unwrap_err();
        assert!(
            matches!(
                error,
                FilterError::BufferTooLong { held, limit: MAX_BUFFER } if held == MAX_BUFFER + 1
            ),
            "{name}: {error}"
        );
        let error = filter.get_one_start("x".into()).unwrap_err();
        assert!(matches!(error, FilterError::BufferFull { .. }), "{name}: {error}");
        assert_eq!(filter.pending_len(), MAX_BUFFER + 1, "{name}");
    }
}

#[test]
fn blocks_have_up_to_64_mib() {
    for (name, mut filter) in filters() {
        if !matches!(name, "Block" | "Reference") {
            continue;
        }
        filter.get_one_start(format!("{MAX_LENGTH}\0").into()).unwrap();
        assert!(filter.get_one().unwrap().is_none(), "{name}");
        let mut filter = filter.fresh();
        filter.get_one_start(format!("{}\0", MAX_LENGTH + 1).into()).unwrap();
        let error = filter.get_one().unwrap_err();
        assert!(
            matches!(
                error,
                FilterError::BlockTooLong { length, limit: MAX_LENGTH } if length == MAX_LENGTH as u64 + 1
            ),
            "{name}: {error}"
        );
    }
}

#[cfg(feature = "http")]
mod http_limits {
    use poe_filter::{Filter, FilterError, HttpClient, HttpProblem, Httpd, HttpdRecord};

    /// What a server says to a head with a first line and headers.
    fn asked(input: String) -> Result<(), HttpProblem> {
        match &Httpd::new().get(input.into()).unwrap()[..] {
            [HttpdRecord::Request(_)] => Ok(()),
            [HttpdRecord::Error(error)] => Err(error.problem()),
            other => panic!("{other:?}"),
        }
    }

    /// And a client.
    fn answered(input: String) -> Result<(), HttpProblem> {
        match HttpClient::builder().allow_unasked().build().unwrap().get(input.into()) {
            Ok(records) => {
                assert_eq!(records.len(), 1);
                Ok(())
            }
            Err(FilterError::Stream(error)) => Err(*error.downcast().unwrap()),
            Err(other) => panic!("{other}"),
        }
    }

    fn request(target: &str, headers: &str) -> String {
        format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
    }

    fn response(reason: &str, headers: &str) -> String {
        format!("HTTP/1.1 204 {reason}\r\n{headers}\r\n")
    }

    #[test]
    fn first_lines_have_up_to_8_kib() {
        const LIMIT: usize = 8 * 1024;
        let too_long = Err(HttpProblem::FirstLineTooLong { limit: LIMIT });
        // With its CR.
        let target = |length: usize| "/".repeat(length - "GET  HTTP/1.1\r".len());
        assert_eq!(asked(request(&target(LIMIT), "")), Ok(()));
        assert_eq!(asked(request(&target(LIMIT + 1), "")), too_long);
        let reason = |length: usize| "x".repeat(length - "HTTP/1.1 204 \r".len());
        assert_eq!(answered(response(&reason(LIMIT), "")), Ok(()));
        assert_eq!(answered(response(&reason(LIMIT + 1), "")), too_long);
        // It need not have ended.
        assert_eq!(answered(format!("HTTP/1.1 200 {}", "x".repeat(LIMIT))), too_long);
    }

    #[test]
    fn headers_have_up_to_64_kib() {
        const LIMIT: usize = 64 * 1024;
        let too_long = Err(HttpProblem::HeadersTooLong { limit: LIMIT });
        // With the empty line.
        let headers =
            |length: usize| format!("X: {}\r\n", "x".repeat(length - "X: \r\n\r\n".len()));
        let host = "Host: a\r\n".len();
        assert_eq!(asked(request("/", &headers(LIMIT - host))), Ok(()));
        assert_eq!(asked(request("/", &headers(LIMIT - host + 1))), too_long);
        assert_eq!(answered(response("OK", &headers(LIMIT))), Ok(()));
        assert_eq!(answered(response("OK", &headers(LIMIT + 1))), too_long);
        assert_eq!(answered(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(LIMIT))), too_long);
    }

    #[test]
    fn there_are_up_to_100_headers() {
        let too_many = Err(HttpProblem::TooManyHeaders { limit: 100 });
        assert_eq!(asked(request("/", &"X: y\r\n".repeat(99))), Ok(()));
        assert_eq!(asked(request("/", &"X: y\r\n".repeat(100))), too_many);
        assert_eq!(answered(response("OK", &"X: y\r\n".repeat(100))), Ok(()));
        assert_eq!(answered(response("OK", &"X: y\r\n".repeat(101))), too_many);
    }

    /// Of trailers as of headers, which come of a server that has been believed already.
    #[test]
    fn trailers_are_limited_likewise() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
        let trailers = |trailers: String| answered(format!("{chunked}{trailers}\r\n"));
        assert_eq!(trailers("X: y\r\n".repeat(100)), Ok(()));
        let too_many = HttpProblem::TooManyHeaders { limit: 100 };
        assert_eq!(trailers("X: y\r\n".repeat(101)), Err(too_many));
        let too_long = HttpProblem::HeadersTooLong { limit: 64 * 1024 };
        assert_eq!(trailers(format!("X: {}\r\n", "x".repeat(64 * 1024))), Err(too_long));
    }

    #[test]
    fn bodies_have_up_to_1_mib_of_a_client_and_64_mib_of_a_server() {
        let length = |octets: u64| format!("Content-Length: {octets}\r\n");
        let mib = 1 << 20;
        assert!(Httpd::new().get(request("/", &length(mib)).into()).unwrap().is_empty());
        let too_large = HttpProblem::ContentTooLarge { limit: mib };
        assert_eq!(asked(request("/", &length(mib + 1))), Err(too_large));
        let head = |octets| format!("HTTP/1.1 200 OK\r\n{}\r\n", length(octets));
        assert!(
            HttpClient::builder()
                .allow_unasked()
                .build()
                .unwrap()
                .get(head(64 * mib).into())
                .unwrap()
                .is_empty()
        );
        let too_large = HttpProblem::ContentTooLarge { limit: 64 * mib };
        assert_eq!(answered(head(64 * mib + 1)), Err(too_large));
    }
}
