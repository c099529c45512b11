//! A kernel that has much to do, to look at.

use std::net::Ipv4Addr;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use examples::Address;
use poe_component::prelude::*;

const WORKERS: u64 = 4;

/// Starts it, and says where it can be looked at. It ends with the process.
pub(crate) fn start() -> examples::Result<Address> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || run(&tell));
    let address: Result<Address, String> = told.recv()?;
    Ok(address.map_err(std::io::Error::other)?)
}

fn run(tell: &Sender<Result<Address, String>>) {
    let begun = begin().map(|(kernel, address)| {
        let _ = tell.send(Ok(address));
        kernel.run()
    });
    if let Err(error) = begun {
        let _ = tell.send(Err(format!("{error:?}")));
    }
}

fn begin() -> examples::Result<(Kernel, Address)> {
    let kernel = Kernel::new()?;
    let anywhere = Address { host: Ipv4Addr::LOCALHOST.to_string(), port: 0 };
    let port = examples::top::publish(&kernel, &anywhere)?.port().unwrap_or_default();
    for number in 1..=WORKERS {
        worker(number).spawn(&kernel)?;
    }
    ticker().spawn(&kernel)?;
    sluggish().spawn(&kernel)?;
    sleeper().spawn(&kernel)?;
    Ok((kernel, Address { port, ..anywhere }))
}

/// Has all workers work, a hundred times a second; and every second a helper, that lives for five.
fn ticker() -> Session<u64> {
    Session::build(0_u64)
        .on_start(|cx| -> HandlerResult {
            cx.kernel.alias_set("ticker")?;
            cx.yield_event("tick", ());
            Ok(())
        })
        .on("tick", |cx, ()| -> HandlerResult {
            *cx.heap += 1;
            if cx.heap.is_multiple_of(100) {
                Session::build(Helper)
                    .on_start(|cx| cx.delay("end", Duration::from_secs(5), ()))
                    .on("end", |_, ()| ())
                    .spawn(&mut *cx)?;
            }
            for number in 1..=WORKERS {
                cx.post(format!("worker {number}"), "work", number * number)?;
            }
            cx.delay("tick", Duration::from_millis(10), ());
            Ok(())
        })
}

struct Helper;

/// Is busy for as many times ten microseconds as it is told.
fn worker(number: u64) -> Session<()> {
    Session::build(()).on_start(move |cx| cx.kernel.alias_set(format!("worker {number}"))).on(
        "work",
        |cx, times: u64| {
            let end = Instant::now() + Duration::from_micros(10);
            while Instant::now() < end {}
            if times > 1 {
                cx.yield_event("work", times - 1);
            }
        },
    )
}

/// Does what no handler should do: it holds all the others up.
fn sluggish() -> Session<()> {
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.kernel.alias_set("sluggish")?;
            cx.yield_event("wait", ());
            Ok(())
        })
        .on("wait", |cx, ()| {
            thread::sleep(Duration::from_millis(15));
            cx.delay("wait", Duration::from_millis(700), ());
        })
}

/// Does nothing for now, and has reasons to be there all the same.
fn sleeper() -> Session<()> {
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.kernel.alias_set("sleeper")?;
            cx.delay("wake up", Duration::from_secs(3600), ());
            cx.kernel.refcount_increment(cx.session(), "a download")?;
            Ok(())
        })
        .on("wake up", |_, ()| ())
}
