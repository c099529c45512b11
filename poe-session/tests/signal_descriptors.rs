//! What watching signals costs in descriptors. Alone in its process, because it counts them.

use std::fs;
use std::io::Write;

use poe_session::prelude::*;

#[test]
fn signals_take_one_pipe_however_many_are_watched_and_give_it_back() {
    if fs::read_dir("/proc/self/fd").is_err() {
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no list of descriptors here");
        return;
    }
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    const SIGNALS: [&str; 5] = ["USR1", "USR2", "WINCH", "CHLD", "URG"];
    let kernel = Kernel::new().unwrap();
    let before = descriptors();
    let spawn = |signals: &'static [&'static str]| {
        Session::build(())
            .on_start(move |cx| -> HandlerResult {
                cx.alias_set("watcher")?;
                signals.iter().try_for_each(|&signal| cx.sig(signal, "signal"))?;
                Ok(())
            })
            .on("signal", |_, _: Signal| {})
            .on("ignore", |cx, signal: &'static str| cx.sig_ignore(signal))
            .spawn(&kernel)
            .unwrap()
    };
    let watcher = spawn(&["made up", "UIDESTROY"]);
    assert_eq!(descriptors(), before, "those are not the system's");
    kernel.signal(watcher, "TERM", ()).unwrap();
    kernel.run().unwrap();
    let watcher = spawn(&SIGNALS);
    assert_eq!(descriptors(), before + 2);
    for signal in &SIGNALS[1..] {
        kernel.call::<(), _>(watcher, "ignore", *signal).unwrap();
    }
    assert_eq!(descriptors(), before + 2, "one is watched still");
    kernel.call::<(), _>(watcher, "ignore", SIGNALS[0]).unwrap();
    assert_eq!(descriptors(), before);
    kernel.stop().unwrap();
    spawn(&["USR1"]);
    kernel.stop().unwrap();
    assert_eq!(descriptors(), before, "a session that stops watches nothing");
    spawn(&["USR1"]);
    drop(kernel);
    assert!(descriptors() < before);
}
