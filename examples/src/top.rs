//! What a program does to be looked at with `top`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use poe_component::prelude::*;
use poe_filter::JsonLines;
use poe_kernel::Inspection;

use crate::{Address, Result, say};

/// Nobody is read from who has not taken this much of what was asked for.
const HIGH: usize = 1 << 20;
const LOW: usize = 1 << 16;

/// Who asks without end is answered this often, and what is looked at gets on meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// Shows a kernel to whoever connects: each line that comes is answered with what [`Kernel::inspect`] finds, in a line of JSON.
///
/// What events cost is measured while somebody is connected. The kernel goes on for it, until it is interrupted.
///
/// # Errors
///
/// What the user is to be told: nobody can listen there.
pub fn publish(kernel: &Kernel, address: &Address) -> Result<poe_component::prelude::Address> {
    let lookers = Rc::new(Lookers::default());
    let gone = Rc::clone(&lookers);
    let server = server::Tcp::build()
        .address(&address.host)
        .port(address.port)
        .client_input_filter(Line::new())
        .client_output_filter(JsonLines::<(), Inspection>::new())
        .marks(HIGH, LOW)
        .client_connected(move |cx| lookers.come(cx.kernel))
        .client_disconnected(move |cx| gone.go(cx.kernel))
        .client_input(|cx, _| {
            let inspection = cx.kernel.inspect();
            cx.heap.client.put(inspection);
            cx.heap.client.pause_input();
            cx.delay("go on", PAUSE, ());
        })
        .state("go on", |cx, ()| cx.heap.client.resume_input())
        .drain_on(["INT", "TERM"])
        .drain_time(Duration::from_secs(1))
        .spawn(kernel)?;
    Ok(server.local_address().clone())
}

/// Says where a program can be looked at.
pub fn published(address: &poe_component::prelude::Address) {
    say!("look at it with: cargo run --features curses --bin top {address}");
}

/// How many look, and whether it is for them that events are measured.
#[derive(Debug, Default)]
struct Lookers {
    count: Cell<usize>,
    is_measuring: Cell<bool>,
}

impl Lookers {
    fn come(&self, kernel: &Kernel) {
        self.count.set(self.count.get() + 1);
        if kernel.profile().is_none() {
            kernel.set_profiling(true);
            self.is_measuring.set(true);
        }
    }

    fn go(&self, kernel: &Kernel) {
        self.count.set(self.count.get() - 1);
        if self.count.get() == 0 && self.is_measuring.take() {
            kernel.set_profiling(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn each_line_is_answered_and_who_has_gone_costs_nothing() {
        let kernel = Kernel::new().unwrap();
        let address = Address { host: "127.0.0.1".to_owned(), port: 0 };
        let port = publish(&kernel, &address).unwrap().port().unwrap();
        let looker = std::thread::spawn(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(b"\nwhatever\n\n").unwrap();
            let lines = BufReader::new(stream).lines().take(3);
            lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
        });
        assert!(kernel.profile().is_none());
        let mut was_measured = false;
        let is_measured = || {
            was_measured |= kernel.profile().is_some();
            !was_measured || kernel.profile().is_some()
        };
        kernel.run_while(is_measured).unwrap();
        let answers: Vec<serde_json::Value> = looker.join().unwrap();
        assert_eq!(answers.len(), 3);
        for answer in answers {
            assert_eq!(answer["id"], kernel.id().to_string());
            assert_eq!(answer["active_event"], "tcp_got_input");
            assert!(answer["profile"].is_object());
        }
    }
}
