//! What a component makes is shown at the line that made the component.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::{kernel, run, watchdog};
use poe_component::prelude::*;
use poe_kernel::ReasonCause;

/// Where all that a session is and has comes from, but for events that are on their way.
fn lines(kernel: &Kernel, session: SessionId) -> Vec<u32> {
    let reasons = kernel.why_alive(session);
    let lasting = reasons.iter().filter(|reason| {
        !matches!(reason.cause, ReasonCause::EventTo { .. } | ReasonCause::EventFrom { .. })
    });
    let watched = kernel.signals_watched_by(session);
    let all = lasting.map(|reason| reason.since).chain(watched.iter().map(|(_, place)| *place));
    let all = all.chain(kernel.created_at(session));
    all.map(|place| {
        assert_eq!(place.file(), file!(), "{reasons:?}");
        place.line()
    })
    .collect()
}

#[test]
fn servers_clients_and_their_connections_are_shown_at_the_lines_that_made_them() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server_line = Rc::new(Cell::new(0));
    let client_line = Rc::new(Cell::new(0));
    let looked = Rc::new(Cell::new(0));
    let (s, c, l) = (server_line.clone(), client_line.clone(), looked.clone());
    let builder = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .drain_on(["USR1"])
        .client_input(move |cx, line| {
            let listener = cx.kernel.alias_resolve("server").unwrap();
            let client = cx.kernel.alias_resolve("client").unwrap();
            // An alias, a signal, a socket, a child, and itself; both ways, and itself.
            for (session, line, least) in
                [(listener, s.get(), 5), (cx.session(), s.get(), 3), (client, c.get(), 5)]
            {
                let lines = lines(cx.kernel, session);
                assert!(lines.len() >= least, "{lines:?} of {session}");
                assert!(lines.iter().all(|it| *it == line), "{lines:?} of {session}, not {line}");
            }
            l.set(l.get() + 1);
            cx.heap.client.put(line);
        });
    let server = builder.spawn(&kernel).unwrap();
    server_line.set(line!() - 1);
    let builder = client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(server.local_address().port().unwrap())
        .alias("client")
        .drain_on(["USR2"])
        .client_state(0)
        .connected(|cx| cx.heap.server.put("hello"))
        .server_input(|cx, _| {
            cx.heap.user += 1;
            // Once more, on a connection that the client makes by itself.
            let next = if cx.heap.user == 1 { client::RECONNECT } else { client::SHUTDOWN };
            cx.yield_event(next, ());
        })
        .disconnected(|cx| {
            if cx.heap.user == 2 {
                cx.post("server", server::SHUTDOWN, ()).unwrap();
            }
        });
    builder.spawn(&kernel).unwrap();
    client_line.set(line!() - 1);
    run(&kernel);
    assert_eq!(looked.get(), 2);
}
