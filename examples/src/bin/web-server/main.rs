//! The files of a folder, by HTTP; and `/status`, what the kernel is doing.
//!
//! A file that is long is sent piece by piece, the next when the last has gone, so that it takes no memory. What a client
//! sends meanwhile waits, and so does the file when the server closes.

mod site;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use poe_component::prelude::*;
use poe_filter::{Httpd, HttpdError, HttpdRecord, HttpdRequest, HttpdResponse};
use serde_json::json;

use site::{Found, Sending, Site};

/// How long a client has for a request, and for taking what is sent before the next piece.
const PATIENCE: Duration = Duration::from_secs(5);
/// A client that does not take its answers is not read from while more than this waits for it.
const MOST_OUTPUT: usize = 256 * 1024;

struct Visit {
    site: Rc<Site>,
    /// The rest of a file.
    sending: Option<Sending>,
    /// No request is taken after this one.
    is_last: bool,
}

type Client<'a> = Cx<'a, server::Connection<Visit, HttpdRecord, HttpdResponse>>;

fn main() -> examples::Result {
    let purpose = "Serves the files of a folder by HTTP, and at /status what its kernel is doing.";
    let (address, folder) = examples::address_and_folder(purpose)?;
    let site = Rc::new(Site::new(folder)?);
    let kernel = Kernel::new()?;
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        .client_filter(Httpd::new())
        .client_state(move || Visit { site: Rc::clone(&site), sending: None, is_last: false })
        .client_pre_connect(|_, socket| socket.set_nodelay(true).map(|()| socket))
        .client_connected(|cx| cx.delay("late", PATIENCE, ()))
        .client_input(hear)
        .client_flushed(go_on)
        // A client that has had enough just goes, which is worth no word.
        .client_error(|_, _| ())
        .client_disconnected(|cx| drop(cx.alarm_clear("late")))
        .state("late", lose_patience)
        .state(server::SHUTDOWN, leave)
        .drain_on(["INT", "TERM"])
        .drain_time(2 * PATIENCE)
        .spawn(&kernel)?;
    examples::serving(server.local_address());
    Ok(kernel.run()?)
}

fn hear(cx: &mut Client<'_>, record: HttpdRecord) {
    match record {
        HttpdRecord::Request(request) => answer(cx, &request),
        HttpdRecord::Expect(request) => {
            // It asks before it sends a body, which nothing here takes.
            cx.heap.user.is_last = true;
            answer(cx, &request);
        }
        HttpdRecord::Error(error) => {
            cx.heap.client.put(error.to_response());
            end(cx);
        }
        _ => {}
    }
}

fn answer(cx: &mut Client<'_>, request: &HttpdRequest) {
    let Found { mut response, file } = match request.path() {
        "/status" if Site::refuse(request).is_none() => Found { response: status(cx), file: None },
        _ => cx.heap.user.site.find(request),
    };
    let heap = &mut *cx.heap;
    heap.user.is_last |= !request.keep_alive();
    if heap.user.is_last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let (Some(file), true) = (file, request.method() != Method::HEAD) {
        heap.client.put(HttpdResponse::begin(request, response.map(drop)));
        heap.client.pause_input();
        heap.user.sending = Some(file);
        return send_more(cx);
    }
    heap.client.put(HttpdResponse::answer(request, response));
    if heap.user.is_last {
        end(cx);
    } else if heap.client.get_driver_out_octets() > MOST_OUTPUT {
        heap.client.pause_input();
    }
}

fn status(cx: &Client<'_>) -> Response<Bytes> {
    let kernel = cx.kernel.inspect();
    let status = json!({
        "age": kernel.age.as_secs_f64(),
        "event_loop": kernel.event_loop,
        "turns": kernel.turns,
        "dispatched": kernel.dispatched,
        "memory": kernel.memory,
        "sessions": kernel.sessions.len(),
        "timers": kernel.timers.len(),
        "watches": kernel.watches.len(),
    });
    let mut response = Response::new(format!("{status:#}\n").into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// All that was put has gone.
fn go_on(cx: &mut Client<'_>) {
    if cx.heap.shutdown {
        return;
    }
    cx.delay("late", PATIENCE, ());
    if cx.heap.user.sending.is_some() {
        send_more(cx);
    } else {
        cx.heap.client.resume_input();
    }
}

fn send_more(cx: &mut Client<'_>) {
    let heap = &mut *cx.heap;
    let Some(sending) = &mut heap.user.sending else { return };
    let Some(piece) = sending.next() else {
        // It is shorter than was promised. That the client learns by being cut off.
        return cx.yield_event(server::CUT, ());
    };
    heap.client.put(HttpdResponse::Body(piece));
    if sending.is_over() {
        heap.user.sending = None;
        heap.client.put(HttpdResponse::End(Default::default()));
        if heap.user.is_last {
            end(cx);
        }
    }
}

fn lose_patience(cx: &mut Client<'_>, (): ()) {
    let is_asking = cx.heap.client.wheel().is_some_and(|wheel| !wheel.get_pending().is_empty());
    if cx.heap.client.get_driver_out_octets() > 0 {
        cx.yield_event(server::CUT, ());
    } else {
        if is_asking {
            cx.heap.client.put(HttpdError::timeout().to_response());
        }
        end(cx);
    }
}

/// The server closes, or the client sends no more, or has gone. A file goes on to its end, if there is anybody.
fn leave(cx: &mut Client<'_>, (): ()) {
    cx.heap.user.is_last = true;
    if cx.heap.user.sending.is_none() || cx.heap.got_an_error {
        end(cx);
    }
}

/// Ends the connection when all that was put has gone.
fn end(cx: &mut Client<'_>) {
    cx.heap.shutdown = true;
    if cx.heap.client.get_driver_out_octets() == 0 {
        cx.yield_event(server::CUT, ());
    }
}
