//! The UDP echo server.

use std::cell::Cell;
use std::io;
use std::net::UdpSocket;

use poe_session::prelude::*;
use poe_wheel::Udp;
use poe_wheel::udp::Datagram;

use super::{failed, kernel};
use crate::udp_echo::{END, LONGEST};

/// Serves until the end.
pub fn serve(socket: UdpSocket) -> io::Result<()> {
    let kernel = kernel()?;
    let socket = Cell::new(Some(socket));
    Session::build(None)
        .on_start(move |cx| -> HandlerResult {
            let socket = socket.take().ok_or("started twice")?;
            let wheel = Udp::build(socket).max_datagram(LONGEST).input_event("came");
            *cx.heap = Some(wheel.spawn(cx.kernel)?);
            Ok(())
        })
        .on("came", |cx, datagram: Datagram| -> HandlerResult {
            if datagram.payload == END {
                *cx.heap = None;
            }
            if let Some(wheel) = &*cx.heap {
                wheel.put(datagram.payload, &datagram.peer)?;
            }
            Ok(())
        })
        .spawn(&kernel)
        .map_err(failed)?;
    kernel.run().map_err(failed)
}
