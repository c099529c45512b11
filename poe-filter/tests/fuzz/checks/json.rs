//! JSON, one value a line.

use poe_filter::{Filter, JsonLines};
use serde_json::Value;

use super::input::Input;
use super::stream::{Subject, Told};

pub(super) fn json_lines(octets: &[u8]) {
    let mut input = Input::new(octets);
    let sizes = input.sizes();
    let stream = input.stream();
    let make = || -> Box<dyn Filter<In = Value, Out = Value>> { Box::new(JsonLines::new()) };
    let subject = Subject::new(&make, |value, all| all.push(Told::debug(value)));
    subject.check(stream, sizes);
    subject.check_again(stream, |value| value, &mut *make(), false);
}
