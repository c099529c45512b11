//! Names that a program makes while it runs.

mod common;

use common::kernel;
use poe_session::prelude::*;

/// Sends one event for each of a thousand names, and takes and gives back a reference of that tag.
fn use_names(kernel: &Kernel) {
    for n in 0..1000 {
        let name = Name::from(format!("made at run time, number {n}"));
        Session::build(())
            .on_start(move |cx| -> HandlerResult {
                cx.refcount_increment(cx.session(), name)?;
                cx.yield_event(name, ());
                Ok(())
            })
            .on(name, move |cx, ()| cx.refcount_decrement(cx.session(), name).map(drop))
            .spawn(kernel)
            .unwrap();
        kernel.run().unwrap();
    }
}

// One test, as the names are those of the whole process.
#[test]
fn names_are_kept_once_each_and_counted() {
    let kernel = kernel();
    Session::build(()).spawn(&kernel).unwrap();
    kernel.run().unwrap();
    let before = kernel.inspect().memory;
    use_names(&kernel);
    let after = kernel.inspect().memory;
    let text = "made at run time, number 000".len();
    assert!(after >= before + 1000 * text, "from {before} to {after} bytes");
    use_names(&kernel);
    assert_eq!(kernel.inspect().memory, after);
}
