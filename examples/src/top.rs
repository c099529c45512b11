//! What a program does to be looked at with `top`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use poe_component::prelude::*;
use poe_filter::JsonLines;
use poe_kernel::{Inspection, KernelId};

use crate::{Address, Result, say};

/// Nobody is read from who has not taken this much of what was asked for.
const HIGH: usize = 1 << 20;
const LOW: usize = 1 << 16;

/// A line that asks is no longer, in octets.
const LONGEST: usize = 1024;

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
    let server = server::Tcp::build()
        .address(&address.host)
        .port(address.port)
        .client_input_filter(Line::builder().max_length(LONGEST).build()?)
        .client_output_filter(JsonLines::<(), Inspection>::new())
        .marks(HIGH, LOW)
        .client_connected(|cx| Lookers::come(cx.kernel))
        .client_disconnected(|cx| Lookers::go(cx.kernel))
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

/// How many look at a kernel, wherever it is shown, and whether it is for them that events are measured.
#[derive(Debug, Default)]
struct Lookers {
    count: usize,
    is_measuring: bool,
}

thread_local! {
    static LOOKERS: RefCell<HashMap<KernelId, Lookers>> = RefCell::default();
}

impl Lookers {
    fn come(kernel: &Kernel) {
        LOOKERS.with_borrow_mut(|all| {
            let lookers = all.entry(kernel.id()).or_default();
            lookers.count += 1;
            if kernel.profile().is_none() {
                kernel.set_profiling(true);
                lookers.is_measuring = true;
            }
        });
    }

    fn go(kernel: &Kernel) {
        LOOKERS.with_borrow_mut(|all| {
            let Some(lookers) = all.get_mut(&kernel.id()) else { return };
            lookers.count -= 1;
            if lookers.count == 0 {
                if lookers.is_measuring {
                    kernel.set_profiling(false);
                }
                all.remove(&kernel.id());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;
    use std::rc::Rc;

    use super::*;

    /// A kernel that is shown at so many places, and somebody who looks there.
    fn looked_at<T: Send + 'static>(
        places: usize,
        look: impl Fn(Vec<TcpStream>) -> T + Copy + Send + 'static,
    ) -> (Kernel, T) {
        let kernel = Kernel::new().unwrap();
        let address = Address { host: "127.0.0.1".to_owned(), port: 0 };
        let publish = |_| publish(&kernel, &address).unwrap().port().unwrap();
        let ports: Vec<u16> = (0..places).map(publish).collect();
        assert!(kernel.profile().is_none());
        let found = Rc::new(RefCell::new(None));
        let told = Rc::clone(&found);
        Session::build(())
            .on_start(move |cx| {
                let ports = ports.clone();
                let work = move || look(ports.iter().map(|&port| connect(port)).collect());
                cx.blocking(work, "looked").map_err(|refused| refused.without_work())
            })
            .on("looked", move |_, found: std::result::Result<T, BlockingError>| {
                told.replace(Some(found.unwrap()));
            })
            .spawn(&kernel)
            .unwrap();
        // Nothing is measured any more when those who looked have gone.
        kernel.run_while(|| found.borrow().is_none() || kernel.profile().is_some()).unwrap();
        let found = found.take().unwrap();
        (kernel, found)
    }

    fn connect(port: u16) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    fn ask(mut stream: &TcpStream, lines: &str) -> Vec<serde_json::Value> {
        stream.write_all(lines.as_bytes()).unwrap();
        let answers = BufReader::new(stream).lines().take(lines.lines().count());
        answers.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    }

    #[test]
    fn each_line_is_answered_and_who_has_gone_costs_nothing() {
        let (kernel, answers) = looked_at(1, |streams| ask(&streams[0], "\nwhatever\n\n"));
        assert_eq!(answers.len(), 3);
        for answer in answers {
            assert_eq!(answer["id"], kernel.id().to_string());
            assert_eq!(answer["active_event"], "tcp_got_input");
            assert!(answer["profile"].is_object());
        }
    }

    #[test]
    fn who_sends_a_line_without_end_is_sent_away() {
        looked_at(1, |streams| {
            (&streams[0]).write_all(&[b'x'; 1 << 16]).unwrap();
            assert_eq!((&streams[0]).read(&mut [0]).unwrap(), 0);
        });
    }

    #[test]
    fn who_goes_leaves_those_measured_who_look_elsewhere() {
        let (_, answers) = looked_at(2, |mut streams| {
            ask(&streams[1], "\n");
            let gone = streams.remove(0);
            ask(&gone, "\n");
            gone.shutdown(std::net::Shutdown::Write).unwrap();
            // It has been noticed when the other end is closed, too.
            assert_eq!((&gone).read(&mut [0]).unwrap(), 0);
            ask(&streams[0], "\n")
        });
        assert!(answers[0]["profile"].is_object());
    }
}
