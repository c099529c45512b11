//! A descriptor that is closed and used again within a batch of ready handles. By itself, because it needs the number of the
//! descriptor it has closed, which another test in the process could take.

mod common;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use common::{kernel, never, seconds};
use poe_session::prelude::*;

type Socket = Ready<UnixStream>;

fn pair() -> (Rc<UnixStream>, Rc<UnixStream>) {
    let (left, right) = UnixStream::pair().unwrap();
    (Rc::new(left), Rc::new(right))
}

fn pair_with_byte() -> (Rc<UnixStream>, Rc<UnixStream>) {
    let (left, right) = pair();
    (&*right).write_all(b"x").unwrap();
    (left, right)
}
#[test]
fn a_descriptor_used_again_in_the_same_batch_is_not_taken_for_the_old_one() {
    let kernel = kernel();
    let (one, theirs1) = pair_with_byte();
    let (two, theirs2) = pair_with_byte();
    let slots = Rc::new(RefCell::new([Some(one), Some(two)]));
    let fresh: Rc<RefCell<Vec<Rc<UnixStream>>>> = Rc::default();
    let (s, f) = (slots.clone(), fresh.clone());
    let calls = Rc::new(Cell::new(0));
    let c = calls.clone();
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            for handle in s.borrow().iter().flatten() {
                cx.select_read(handle, "read")?;
            }
            cx.delay("end", seconds(1), ());
            Ok(())
        })
        .on("read", move |cx, ready: Socket| {
            c.set(c.get() + 1);
            let mine = ready.handle.as_raw_fd();
            let mut slots = slots.borrow_mut();
            let place =
                slots.iter().position(|h| h.as_ref().is_some_and(|h| h.as_raw_fd() != mine));
            let other = slots[place.unwrap()].take().unwrap();
            let number = other.as_raw_fd();
            cx.select_end(&other, Mode::Read);
            cx.select_end(&ready.handle, Mode::Read);
            drop(other);
            let (left, right) = pair();
            assert!([left.as_raw_fd(), right.as_raw_fd()].contains(&number));
            cx.select_read(&left, "fresh").unwrap();
            cx.select_read(&right, "fresh").unwrap();
            f.borrow_mut().extend([left, right]);
        })
        .on("fresh", never::<_, Socket>)
        .on("end", move |cx, ()| {
            fresh.borrow().iter().for_each(|handle| cx.select_end(handle, Mode::Read));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(calls.get(), 1);
    drop((theirs1, theirs2));
}
