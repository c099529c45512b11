//! Kernels in child processes. There is no harness, because it has threads, and only a process without any may fork.
#![allow(unsafe_code, clippy::print_stdout, reason = "it forks, and is its own harness")]
#![allow(clippy::zombie_processes, reason = "kernels wait for its children")]

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{self, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal as Os, kill, raise};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, alarm};
use poe_kernel::{Asserts, EventLoop, Interest, KernelBuilder, Key, LoopKind, Readiness, Wake};
use poe_session::prelude::*;

const LOOPS: [LoopKind; 3] = [LoopKind::Polling, LoopKind::Poll, LoopKind::Select];

/// Something that both processes go through, with a kernel on the loop that is chosen.
type Test = fn(KernelBuilder);

/// The most seconds that a process may take; it is ended then.
const LIMIT: u32 = 60;

fn main() {
    alarm::set(LIMIT);
    let tests: [(&str, Test); 16] = [
        ("both processes go on with all there was", both_go_on),
        ("events of any priority are queued in both processes", of_any_priority),
        ("what ends in a child goes on in its parent", ends_apart),
        ("a kernel that is dropped in a child goes on in its parent", dropped_in_child),
        ("each process has its own signals", own_signals),
        ("a parent's children are not its child's", siblings),
        ("run tells the kernel by itself", run_tells),
        ("a child has as many descriptors as its parent", same_descriptors),
        ("a shared handle keeps its mode", shared_mode),
        ("a poster wakes the kernel of its process", own_waker),
        ("a fork that nobody tells of can be a fault", untold),
        ("a child has threads of its own for blocking work", own_threads),
        ("no signal falls between two watches", between_watches),
        ("a call of a parent's thread is not the child's", call_under_way),
        ("what was done before a fork is told in both processes", done_before),
        ("a loop that cannot begin anew says so", stubborn_loop),
    ];
    for (name, test) in tests {
        for kind in LOOPS {
            let parent = process::id();
            let builder = Kernel::builder().loop_kind(kind);
            let result = catch_unwind(AssertUnwindSafe(|| test(builder)));
            if parent != process::id() {
                // A child ends here, and its parent looks at how.
                process::exit(i32::from(result.is_err()));
            }
            assert!(result.is_ok(), "{name} ({kind:?}): FAILED");
        }
        println!("test {name} ... ok");
    }
}

/// The child's pid in the parent, `None` in the child.
fn fork() -> Option<Pid> {
    // SAFETY: the process has one thread, or the other one waits and holds nothing that the child could want.
    match unsafe { nix::unistd::fork() }.unwrap() {
        ForkResult::Parent { child } => Some(child),
        ForkResult::Child => {
            alarm::set(LIMIT);
            None
        }
    }
}

fn assert_ended_well(child: Pid) {
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
}

/// Lines that a child leaves for its parent.
struct Report {
    reader: io::PipeReader,
    writer: io::PipeWriter,
}

impl Report {
    fn new() -> Self {
        let (reader, writer) = io::pipe().unwrap();
        Self { reader, writer }
    }

    fn send(mut self, lines: &[String]) {
        self.writer.write_all(lines.join("\n").as_bytes()).unwrap();
    }

    fn receive(self) -> Vec<String> {
        let Self { mut reader, writer } = self;
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

type Trace = Rc<RefCell<Vec<String>>>;

fn both_go_on(builder: KernelBuilder) {
    let (kernel, trace, report) = (builder.build().unwrap(), Trace::default(), Report::new());
    let id = kernel.id();
    let child = Rc::new(Cell::new(None));
    let c = child.clone();
    let log = |text: &'static str| {
        let trace = trace.clone();
        move || trace.borrow_mut().push(text.to_owned())
    };
    let (before, after, due, said) = (log("before"), log("after"), log("due"), log("said"));
    let (first, second) = UnixStream::pair().unwrap();
    let first = Rc::new(first);
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            cx.alias_set("both")?;
            cx.yield_event("before", ());
            cx.yield_event("fork", ());
            cx.yield_event("after", ());
            cx.delay("due", Duration::from_millis(5), ());
            Ok(())
        })
        .on("before", move |_, ()| before())
        .on("fork", move |cx, ()| -> HandlerResult {
            cx.select_read(&first, "said")?;
            c.set(fork());
            cx.has_forked()?;
            Ok(())
        })
        .on("after", move |cx, ()| {
            assert_eq!(cx.alias_resolve("both"), Some(cx.session()));
            after();
        })
        .on("due", move |_, ()| due())
        .on("said", move |cx, ready: Ready<UnixStream>| -> HandlerResult {
            // Only the end is for both of them to see.
            let mut octet = [0];
            match (&*ready.handle).read(&mut octet) {
                Ok(0) => cx.select_end(&ready.handle, Mode::Read),
                Ok(_) => unreachable!("nobody says anything"),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            said();
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    // It can be read once both processes have closed the other end.
    let second = RefCell::new(Some(second));
    kernel
        .run_while(|| {
            if trace.borrow().len() == 3 {
                drop(second.take());
            }
            true
        })
        .unwrap();
    let mut trace = trace.take();
    let Some(child) = child.get() else {
        assert_ne!(kernel.id(), id);
        let number = format!("-{:08x}-", process::id());
        assert!(kernel.id().as_str().contains(&number), "{:?}", kernel.id());
        return report.send(&trace);
    };
    assert_eq!(kernel.id(), id);
    assert_eq!(report.receive(), trace);
    trace.dedup();
    assert_eq!(trace, ["before", "after", "due", "said"]);
    assert_ended_well(child);
}

fn of_any_priority(builder: KernelBuilder) {
    let (kernel, trace, report) = (builder.build().unwrap(), Trace::default(), Report::new());
    let child = Rc::new(Cell::new(None));
    let (c, log) = (child.clone(), trace.clone());
    let session = Session::build(())
        .on("n", move |_, n: u32| log.borrow_mut().push(n.to_string()))
        .on("fork", move |cx, ()| {
            let post = |priority, n: u32| cx.post_with(priority, cx.session(), "n", n).unwrap();
            for n in [0, 1] {
                post(Priority::Low, 40 + n);
                post(Priority::Normal, 20 + n);
                post(Priority::High, n);
            }
            let taken = [Priority::High, Priority::Low].map(|priority| post(priority, 99));
            c.set(fork());
            cx.kernel.has_forked().unwrap();
            // Each takes back and adds its own.
            for id in taken {
                cx.kernel.post_remove(id).unwrap();
            }
            post(Priority::High, 2);
            post(Priority::Low, 42);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.post(session, "fork", ()).unwrap();
    kernel.run().unwrap();
    let trace = trace.take();
    let Some(child) = child.get() else { return report.send(&trace) };
    assert_eq!(report.receive(), trace);
    assert_eq!(trace, ["0", "1", "2", "20", "21", "40", "41", "42"]);
    assert_ended_well(child);
}

/// A session that waits for a line of the other end, and is there until it has come.
fn listener(kernel: &Kernel) -> (UnixStream, Rc<Cell<bool>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (ours, heard) = (Rc::new(ours), Rc::new(Cell::new(false)));
    let h = heard.clone();
    Session::build(())
        .on_start(move |cx| cx.select_read(&ours, "heard"))
        .on("heard", move |cx, ready: Ready<UnixStream>| -> HandlerResult {
            let mut octet = [0];
            (&*ready.handle).read_exact(&mut octet)?;
            cx.select_end(&ready.handle, Mode::Read);
            h.set(true);
            Ok(())
        })
        .spawn(kernel)
        .unwrap();
    // Its watch is in the loop from here on.
    let nothing_yet = Session::build(()).on_start(|cx| cx.yield_event("nothing", ()));
    nothing_yet.on("nothing", |_, ()| {}).spawn(kernel).unwrap();
    kernel.run_one_timeslice().unwrap();
    (theirs, heard)
}

fn ends_apart(builder: KernelBuilder) {
    let kernel = builder.build().unwrap();
    let (mut theirs, heard) = listener(&kernel);
    let Some(child) = fork() else {
        kernel.stop().unwrap();
        assert_eq!(kernel.session_count(), 0);
        return;
    };
    assert_ended_well(child);
    theirs.write_all(b"x").unwrap();
    kernel.run().unwrap();
    assert!(heard.get());
}

fn dropped_in_child(builder: KernelBuilder) {
    let kernel = builder.build().unwrap();
    let (mut theirs, heard) = listener(&kernel);
    let poster = kernel.poster();
    let Some(child) = fork() else { return drop((kernel, poster)) };
    assert_ended_well(child);
    // Its waker is there still, and so is the watch.
    std::thread::scope(|scope| {
        let waker = scope.spawn(|| poster.wake());
        kernel.run_one_timeslice().unwrap();
        waker.join().unwrap();
    });
    assert!(!heard.get());
    theirs.write_all(b"x").unwrap();
    kernel.run().unwrap();
    assert!(heard.get());
}

fn own_signals(builder: KernelBuilder) {
    let (kernel, trace, report) = (builder.build().unwrap(), Trace::default(), Report::new());
    let child = Rc::new(Cell::new(None));
    let (c, t) = (child.clone(), trace.clone());
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            for signal in ["USR1", "USR2", "URG", "WINCH"] {
                cx.sig(signal, "signal")?;
            }
            cx.yield_event("fork", ());
            Ok(())
        })
        .on("fork", move |cx, ()| -> HandlerResult {
            // The parent's, who is yet to be told.
            raise(Os::SIGUSR1)?;
            c.set(fork());
            if c.get().is_none() {
                // The child's, before it knows.
                raise(Os::SIGUSR2)?;
                raise(Os::SIGUSR2)?;
                cx.has_forked()?;
                raise(Os::SIGURG)?;
            } else {
                raise(Os::SIGWINCH)?;
            }
            cx.refcount_increment(cx.session(), "wait")?;
            Ok(())
        })
        .on("signal", move |cx, signal: Signal| -> HandlerResult {
            t.borrow_mut().push(signal.name.to_string());
            if signal.name == "URG" || signal.name == "WINCH" {
                cx.refcount_decrement(cx.session(), "wait")?;
            }
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let Some(child) = child.get() else { return report.send(&trace.take()) };
    assert_eq!(report.receive(), ["USR2", "USR2", "URG"]);
    assert_ended_well(child);
    assert_eq!(trace.take(), ["USR1", "WINCH"]);
}

fn shell(script: &str) -> process::Child {
    Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap()
}

fn siblings(builder: KernelBuilder) {
    static BY_SIGNAL: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let by_signal = BY_SIGNAL.fetch_not(std::sync::atomic::Ordering::Relaxed);
    let (kernel, trace) = (builder.use_sigchld(by_signal).build().unwrap(), Trace::default());
    let report = Report::new();
    let child = Rc::new(Cell::new(None));
    let (c, t, t2, t3) = (child.clone(), trace.clone(), trace.clone(), trace.clone());
    let told = |trace: Trace| {
        move |_: &mut Cx<'_, ()>, exit: ChildExit| {
            let code = exit.status.and_then(|status| status.code());
            trace.borrow_mut().push(format!("told {code:?}"));
        }
    };
    let mut sibling = shell("read code; exit $code");
    let (pid, stdin) = (sibling.id(), RefCell::new(sibling.stdin.take()));
    Session::build(())
        .on_start(move |cx| cx.sig_child(pid, "told", ()))
        .on("told", told(trace.clone()))
        .on_stop(move |_| t.borrow_mut().push(String::from("nothing left")))
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| cx.yield_event("fork", ()))
        .on("fork", move |cx, ()| -> HandlerResult {
            c.set(fork());
            if c.get().is_none() {
                cx.has_forked()?;
                assert!(cx.sig_child(pid, "own", ()).is_err(), "that is its sibling");
                cx.sig_child(shell("exit 7").id(), "own", ())?;
            } else if let Some(mut stdin) = stdin.take() {
                writeln!(stdin, "6")?;
            }
            Ok(())
        })
        .on("own", told(t2))
        .on_stop(move |_| t3.borrow_mut().push(String::from("stop")))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let mut trace = trace.take();
    trace.sort();
    let Some(child) = child.get() else { return report.send(&trace) };
    assert_eq!(report.receive(), ["nothing left", "stop", "told Some(7)"]);
    assert_eq!(trace, ["nothing left", "stop", "told Some(6)"]);
    assert_ended_well(child);
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    assert!(waitid(Id::All, flags).is_err(), "no child is left");
}

fn run_tells(builder: KernelBuilder) {
    let kernel = builder.build().unwrap();
    let id = kernel.id();
    let (mut theirs, heard) = listener(&kernel);
    let Some(child) = fork() else {
        // This is the child that hears it.
        kernel.run().unwrap();
        assert!(heard.get());
        assert_ne!(kernel.id(), id);
        return;
    };
    theirs.write_all(b"x").unwrap();
    assert_ended_well(child);
    theirs.write_all(b"x").unwrap();
    kernel.run().unwrap();
    assert!(heard.get());
    assert_eq!(kernel.id(), id);
}

fn same_descriptors(builder: KernelBuilder) {
    let descriptors = || fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    let kernel = builder.build().unwrap();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.sig("USR1", "signal")?;
            cx.alias_set("here")?;
            Ok(())
        })
        .on("signal", |_, _: Signal| {})
        .spawn(&kernel)
        .unwrap();
    kernel.refcount_increment(kernel.alias_resolve("here").unwrap(), "test").unwrap();
    let _listener = listener(&kernel);
    let before = descriptors();
    let Some(child) = fork() else {
        kernel.has_forked().unwrap();
        kernel.has_forked().unwrap();
        return assert_eq!(descriptors(), before);
    };
    assert_ended_well(child);
    kernel.stop().unwrap();
}

fn shared_mode(builder: KernelBuilder) {
    let kernel = builder.build().unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let handle = Rc::new(ours.try_clone().unwrap());
    Session::build(())
        .on_start(move |cx| cx.select_read(&handle, "ready"))
        .on("ready", |_, _: Ready<UnixStream>| {})
        .spawn(&kernel)
        .unwrap();
    let is_nonblocking = |handle: &UnixStream| {
        let flags = fcntl(handle, FcntlArg::F_GETFL).unwrap();
        OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK)
    };
    assert!(is_nonblocking(&ours));
    let Some(child) = fork() else {
        kernel.has_forked().unwrap();
        return kernel.stop().unwrap();
    };
    assert_ended_well(child);
    assert!(is_nonblocking(&ours), "the parent watches it still");
    kernel.stop().unwrap();
    assert!(!is_nonblocking(&ours));
}

fn own_waker(builder: KernelBuilder) {
    let kernel = builder.build().unwrap();
    let session = Session::build(false)
        .on_start(|cx| cx.refcount_increment(cx.session(), "wait").map(drop))
        .on("posted", |cx, ()| -> HandlerResult {
            *cx.heap = true;
            cx.refcount_decrement(cx.session(), "wait")?;
            Ok(())
        })
        .on_stop(|cx| assert!(*cx.heap))
        .spawn(&kernel)
        .unwrap();
    let poster = kernel.poster();
    kernel
        .run_while({
            let first = Cell::new(true);
            move || first.replace(false)
        })
        .unwrap();
    let post_and_run = || {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| poster.post(session, "posted", ()).unwrap());
            kernel.run().unwrap();
            thread.join().unwrap();
        });
    };
    let Some(child) = fork() else {
        kernel.has_forked().unwrap();
        return post_and_run();
    };
    assert_ended_well(child);
    assert!(kernel.is_live(session), "the child's post was not for this one");
    post_and_run();
}

fn untold(builder: KernelBuilder) {
    let kernel = builder.asserts(Asserts::DATA).build().unwrap();
    let child = Rc::new(Cell::new(None));
    let c = child.clone();
    Session::build(())
        .on_start(|cx| cx.yield_event("fork", ()))
        .on("fork", move |cx, ()| {
            c.set(fork());
            cx.yield_event("go on", ());
        })
        .on("go on", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    let result = kernel.run();
    let Some(child) = child.get() else {
        let error = result.unwrap_err();
        return assert!(error.to_string().contains("has_forked"), "{error}");
    };
    result.unwrap();
    assert_ended_well(child);
}

fn own_threads(builder: KernelBuilder) {
    fn work(kernel: &Kernel) {
        let done = Rc::new(Cell::new(0));
        let d = done.clone();
        Session::build(())
            .on_start(|cx| cx.blocking(process::id, "done"))
            .on("done", move |_, by: Result<u32, BlockingError>| d.set(by.unwrap()))
            .spawn(kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(done.get(), process::id());
    }
    let kernel = builder.blocking_idle(Duration::from_millis(1)).build().unwrap();
    work(&kernel);
    // Only a process with one thread may fork.
    while fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        std::thread::yield_now();
    }
    let child = fork();
    kernel.has_forked().unwrap();
    work(&kernel);
    drop(kernel);
    child.into_iter().for_each(assert_ended_well);
}

fn call_under_way(builder: KernelBuilder) {
    let kernel = builder.blocking_idle(Duration::from_millis(1)).build().unwrap();
    // No channels: one that the other thread has locked when this one forks stays locked in the child.
    let (mut begin, mut begun) = UnixStream::pair().unwrap();
    let (mut end, mut ended) = UnixStream::pair().unwrap();
    let session = Session::build(()).on_start(|cx| cx.yield_event("no more", ()));
    let session = session.on("no more", |_, ()| {}).spawn(&kernel).unwrap();
    let work = move || {
        begin.write_all(b"x").unwrap();
        ended.read_exact(&mut [0]).unwrap();
        process::id()
    };
    let told = Rc::new(RefCell::new(None));
    let t = told.clone();
    let then = move |_: &Kernel, result| assert!(t.replace(Some(result)).is_none());
    kernel.call_blocking(session, work, then).unwrap();
    begun.read_exact(&mut [0]).unwrap();
    let child = fork();
    if child.is_none() {
        kernel.has_forked().unwrap();
    } else {
        end.write_all(b"x").unwrap();
    }
    kernel.run().unwrap();
    match (child, told.take().unwrap()) {
        (Some(child), Ok(by)) => {
            assert_eq!(by, process::id());
            assert_ended_well(child);
        }
        (None, Err(BlockingError::LeftToParent)) => {}
        other => panic!("{other:?}"),
    }
    drop(kernel);
    while fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        std::thread::yield_now();
    }
}

fn done_before(builder: KernelBuilder) {
    let kernel = builder.blocking_idle(Duration::from_millis(1)).build().unwrap();
    let done = Rc::new(Cell::new(0));
    let d = done.clone();
    Session::build(())
        .on_start(|cx| cx.blocking(|| 7, "done"))
        .on("done", move |_, n: Result<i32, BlockingError>| d.set(d.get() + n.unwrap()))
        .spawn(&kernel)
        .unwrap();
    while fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        std::thread::yield_now();
    }
    let child = fork();
    kernel.has_forked().unwrap();
    kernel.run().unwrap();
    assert_eq!(done.get(), 7);
    drop(kernel);
    child.into_iter().for_each(assert_ended_well);
}

fn between_watches(_: KernelBuilder) {
    for _ in 0..150 {
        let ((sent, mut send), (mut ready, be_ready)) =
            (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let Some(child) = fork() else {
            sent.set_nonblocking(true).unwrap();
            be_ready.set_nonblocking(true).unwrap();
            process::exit(watches_until(be_ready, sent));
        };
        ready.read_exact(&mut [0]).unwrap();
        kill(child, Os::SIGTERM).unwrap();
        send.write_all(b"x").unwrap();
        let ended = waitpid(child, None).unwrap();
        let is_told = ended == WaitStatus::Exited(child, 0);
        let has_acted = ended == WaitStatus::Signaled(child, Os::SIGTERM, false);
        assert!(is_told || has_acted, "{ended:?}");
    }
}

/// Watches `TERM` over and over until it is told of one; 1 if one that was sent is neither told nor ends the process.
fn watches_until(ready: UnixStream, sent: UnixStream) -> i32 {
    let (kernel, code) = (Kernel::new().unwrap(), Rc::new(Cell::new(2)));
    let c = code.clone();
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            let before = cx.kernel.get_event_count();
            c.set(loop {
                let is_sent = (&sent).read(&mut [0]).is_ok();
                cx.sig("TERM", "told")?;
                cx.sig_ignore("TERM");
                if cx.kernel.get_event_count() > before {
                    break 0;
                }
                if is_sent {
                    break 1;
                }
                let _ = (&ready).write(b"x");
            });
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    code.get()
}

/// A loop that never has anything.
#[derive(Debug)]
struct Stubborn;

impl Wake for Stubborn {
    fn wake(&self) {}
}

impl EventLoop for Stubborn {
    fn name(&self) -> &'static str {
        "stubborn"
    }

    fn add(&mut self, _: Rc<dyn AsFd>, _: Key, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn modify(&mut self, _: Key, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn delete(&mut self, _: Key) -> io::Result<()> {
        Ok(())
    }

    fn wait(&mut self, _: &mut Vec<Readiness>, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(Self)
    }
}

fn stubborn_loop(builder: KernelBuilder) {
    let kernel = builder.event_loop(Box::new(Stubborn)).build().unwrap();
    let Some(child) = fork() else {
        for error in [kernel.has_forked().unwrap_err(), kernel.run().unwrap_err()] {
            let KernelError::EventLoop { source, .. } = &error else { panic!("{error}") };
            assert_eq!(source.kind(), io::ErrorKind::Unsupported);
            assert!(error.to_string().contains("fork"), "{error}");
        }
        return;
    };
    assert_ended_well(child);
    kernel.has_forked().unwrap();
    kernel.run().unwrap();
}
