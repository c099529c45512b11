//! Requests and responses of HTTP, case by case.

#![cfg(feature = "http")]

mod limits;
mod refusals;
mod requests;
mod responses;

use bytes::Bytes;
use http::Request;
use poe_filter::{
    Filter, FilterError, HttpPutError, Httpd, HttpdError, HttpdRecord, HttpdResponse,
};

pub(crate) fn get(filter: &mut Httpd, input: impl Into<Bytes>) -> Vec<HttpdRecord> {
    filter.get(input.into()).unwrap()
}

pub(crate) fn one(input: impl Into<Bytes>) -> HttpdRecord {
    let mut records = get(&mut Httpd::new(), input);
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

pub(crate) fn request(input: impl Into<Bytes>) -> Request<Bytes> {
    expect_request(one(input))
}

pub(crate) fn expect_request(record: HttpdRecord) -> Request<Bytes> {
    match record {
        HttpdRecord::Request(request) => request.to_http().unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn expect_error(record: HttpdRecord) -> HttpdError {
    match record {
        HttpdRecord::Error(error) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn put(record: impl Into<HttpdResponse>) -> String {
    let mut out = Vec::<u8>::new();
    Httpd::new().put(record.into(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

pub(crate) fn put_error(filter: &mut Httpd, record: HttpdResponse) -> HttpPutError {
    let mut out = Vec::<u8>::new();
    match filter.put(record, &mut out) {
        Err(FilterError::Record(error)) => {
            assert!(out.is_empty());
            *error.downcast().unwrap()
        }
        other => panic!("{other:?}"),
    }
}
