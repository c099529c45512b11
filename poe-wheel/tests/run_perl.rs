//! The same children, run by Perl's POE: what its wheels tell of them, and ours.

#![cfg(target_os = "linux")]

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use common::children::{Event, own, spawn, with_events};
use common::{kernel, run};
use nix::sys::signal::Signal;
use poe_filter::{Block, Line, Stream};
use poe_session::Session;
use poe_wheel::{
    CodeIn, CodeIo, Conduit, IntoExitCode, Run, RunBuilder, RunEvent, WheelError, Winsize,
};

/// A child, by the name that `perl/run.pl` has for it.
struct Child {
    name: &'static str,
    build: Build,
    /// What is done with the wheel when something has come, such as `out hello`, and noted.
    react: React,
    difference: Option<Difference>,
}

type Build = fn(&Path) -> RunBuilder;
type React = fn(&Run, &str, &mut Vec<String>);

/// What is told here instead of what POE tells, where the documentation has these words on it.
type Difference = (&'static str, &'static str, &'static str);

const CLOSE: Difference =
    ("close=never", "close=after 0", "The close event comes for a child without outputs, too.");
const EIO: Difference = ("read 5 STDOUT", "read 0 STDOUT", "instead of failing with `EIO`");
const CONDUIT: Difference =
    ("out=[pipe]", "out=[socket]", "POE takes pipes for `socketpair` and `inet`");
const ARGUMENTS: Difference =
    ("out=[a b]", "out=[]", "A shell command's arguments are its `$1` and so on");
const SHUTDOWN: Difference =
    ("out=[end]", "out=[hello|end]", "waits for output that is queued, which POE loses");

fn child(name: &'static str, build: Build) -> Child {
    Child { name, build, react: |_, _, _| {}, difference: None }
}

impl Child {
    fn on(mut self, react: React) -> Self {
        self.react = react;
        self
    }

    fn but(mut self, difference: Difference) -> Self {
        self.difference = Some(difference);
        self
    }
}

fn shell(command: &str) -> RunBuilder {
    both(Run::build_shell(command)).stdin_event("stdin")
}

fn both(child: RunBuilder) -> RunBuilder {
    child.stdout_event("out").stderr_event("err")
}

fn terminal(command: &str) -> RunBuilder {
    Run::build_shell(command).stdin_event("stdin").stdout_event("out").conduit(Conduit::Pty)
}

fn code<R: IntoExitCode + 'static>(code: fn(CodeIo) -> R) -> RunBuilder {
    both(Run::build_code(code).code_in(CodeIn::Thread)).stdin_event("stdin")
}

fn kill_when_ready(run: &Run, what: &str, _: &mut Vec<String>) {
    if what == "out ready" {
        run.kill("USR1").unwrap();
    }
}

fn queued(run: &Run) -> String {
    let (octets, messages) = (run.get_driver_out_octets(), run.get_driver_out_messages());
    format!("octets {octets} messages {messages}")
}

fn talking() -> Vec<Child> {
    vec![
        child("lines", |_| shell("echo one; echo two; echo err >&2; exit 3")),
        child("list", |_| {
            both(Run::build("printf").program_args(["[%s]\n", "a", "b c", "$HOME", ""]))
        }),
        child("arguments", |_| both(Run::build_shell("echo").program_args(["a  b", "$NONE"])))
            .but(ARGUMENTS),
        child("arguments of a list", |_| both(Run::build("echo").program_args(["a  b", "$NONE"]))),
        child("code", |_| {
            let print = |mut io: CodeIo| -> std::io::Result<()> {
                use std::io::Write;
                writeln!(io.stdout, "{} {}", io.args[0].display(), io.args[1].display())?;
                writeln!(io.stderr, "err")
            };
            code(print).program_args(["one", "two"])
        }),
        child("code that fails", |_| code(|_| Err::<(), _>("on purpose"))),
        child("code that exits", |_| code(|_| 7)),
        child("killed by itself", |_| shell("kill -9 $$")),
        child("talk", |_| both(Run::build("cat")).stdin_event("stdin")).on(
            |run, what, _| match what {
                "start" => _ = run.put("hello"),
                "out hello" => {
                    run.put("a");
                    run.put("b");
                }
                "out b" => run.kill("TERM").unwrap(),
                _ => {}
            },
        ),
        child("kill by name", |_| shell("echo ready; read line")).on(kill_when_ready),
        child("closed input", |_| shell("exec <&-; echo closed; exec sleep 1000")).on(
            |run, what, _| match what {
                "out closed" | "stdin" => _ = run.put("lost"),
                what if what.starts_with("error write") => _ = run.kill("TERM"),
                _ => {}
            },
        ),
        child("closed outputs", |_| shell("exec >&- 2>&-; read line; exit 5")).on(
            |run, what, _| {
                if what == "close" {
                    run.put("go");
                }
            },
        ),
    ]
}

fn ending_input() -> Vec<Child> {
    fn when_gone(run: &Run, what: &str, _: &mut Vec<String>) {
        match what {
            "start" => _ = run.put("hello"),
            "stdin" => run.shutdown_stdin(),
            _ => {}
        }
    }
    vec![
        child("shutdown when all has gone", |_| shell("cat; echo end")).on(when_gone),
        child("shutdown at once", |_| both(Run::build_shell("cat; echo end")))
            .on(|run, what, _| {
                if what == "start" {
                    run.put("hello");
                    run.shutdown_stdin();
                }
            })
            .but(SHUTDOWN),
        child("queued", |_| shell("cat >/dev/null; echo end")).on(|run, what, notes| match what {
            "start" => {
                run.put("hello");
                notes.push(queued(run));
            }
            "stdin" => {
                run.shutdown_stdin();
                notes.push(queued(run));
            }
            _ => {}
        }),
        child("a line without an end", |_| shell("printf 'one\ntw'; printf thr >&2")),
        child("input for long", |_| shell("wc -c")).on(|run, what, _| match what {
            "start" => (0..5000).for_each(|_| _ = run.put("x".repeat(99))),
            "stdin" => run.shutdown_stdin(),
            _ => {}
        }),
        child("another filter", |_| {
            let bars = || Line::literal("|").unwrap();
            shell("cat; printf 'x|y|' >&2").stdio_filter(bars()).stderr_filter(bars())
        })
        .on(|run, what, _| match what {
            "start" => {
                run.put("a");
                run.put("b");
            }
            "stdin" => run.shutdown_stdin(),
            _ => {}
        }),
        child("a filter for each", |_| {
            let three = Block::builder().block_size(3).build().unwrap();
            shell("cat").stdin_filter(Block::new()).stdout_filter(three)
        })
        .on(when_gone),
        child("another filter for input", |_| shell("cat; echo")).on(|run, what, _| match what {
            "start" => {
                run.set_stdin_filter(Stream::new());
                run.put("a");
                run.put("b");
            }
            "stdin" => run.shutdown_stdin(),
            _ => {}
        }),
    ]
}

fn streams() -> Vec<Child> {
    vec![
        child("no outputs", |_| Run::build_shell("exit 4").stdin_event("stdin")).but(CLOSE),
        child("one output", |_| {
            Run::build_shell("echo out; exit 4").stdin_event("stdin").stdout_event("out")
        }),
        child("input from a file", |folder| {
            both(Run::build("cat").redirect_stdin(folder.join("in")))
        }),
        child("outputs to files", |folder| {
            let child = Run::build_shell("echo out; echo err >&2").no_stdin(true);
            child.redirect_stdout(folder.join("out")).redirect_stderr(folder.join("err"))
        })
        .but(CLOSE),
        child("both outputs to a file", |folder| {
            let child = Run::build_shell("echo out; echo err >&2").no_stdin(true);
            child.redirect_output(folder.join("both"))
        })
        .but(CLOSE),
        child("no input", |_| both(Run::build_shell("echo out")).no_stdin(true)),
        child("pipe", |_| shell("[ -p /dev/stdout ] && echo pipe").conduit(Conduit::Pipe)),
        child("socketpair", |_| shell(WHICH).conduit(Conduit::SocketPair)).but(CONDUIT),
        child("inet", |_| shell(WHICH).conduit(Conduit::Inet)).but(CONDUIT),
        child("renamed", |_| shell("echo one; read line; echo two")).on(
            |run, what, _| match what {
                "start" => {
                    // Events of the same payloads that this child has not.
                    run.event(RunEvent::Stdout, "part out").unwrap();
                    run.event(RunEvent::Close, "high").unwrap();
                }
                "other one" => {
                    run.event(RunEvent::Stdout, "out").unwrap();
                    _ = run.put("go")
                }
                _ => {}
            },
        ),
        child("paused", |_| shell("echo one; echo two >&2; read line")).on(|run, what, notes| {
            match what {
                "start" => run.pause_stdout(),
                "err two" => {
                    run.resume_stdout();
                    notes.push("resumed".to_owned());
                }
                "out one" => _ = run.put("go"),
                _ => {}
            }
        }),
        child("much output", |_| shell("seq 20000")),
    ]
}

const WHICH: &str = "[ -S /dev/stdout ] && echo socket || echo pipe";

fn terminals() -> Vec<Child> {
    let children = vec![
        child("terminal", |_| terminal("tty -s && echo terminal; echo err >&2")),
        child("terminal and pipe", |_| {
            shell("tty -s && [ ! -t 2 ] && echo terminal; echo err >&2").conduit(Conduit::PtyPipe)
        }),
        child("size of a terminal", |_| terminal("stty size").winsize(Winsize::new(85, 29))),
        child("session of a terminal", |_| {
            terminal(
                r#"ps -o pid=,sid=,pgid=,tpgid= -p $$ | xargs echo | sed "s/\b$$\b/own/g"; echo tty >/dev/tty"#,
            )
        }),
        child("modes of a terminal", |_| {
            terminal(
                "stty -a | tr ' ;' '\\n\\n' | grep -E \
                 '^-?(icanon|isig|iexten|echo|ixon|icrnl|istrip|opost|onlcr|cs8|parenb|brkint|inpck)$' | sort",
            )
        }),
        child("talk on a terminal", |_| {
            terminal("read one; echo \"$one\"; read two; echo \"$two\"")
        })
        .on(|run, what, _| match what {
            "start" => _ = run.put("hello"),
            "out hello" => _ = run.put("world"),
            _ => {}
        }),
        child("killed on a terminal", |_| terminal("echo ready; read line")).on(kill_when_ready),
    ];
    children.into_iter().map(|child| child.but(EIO)).collect()
}

fn processes() -> Vec<Child> {
    const GROUP: &str = "ps -o pgid= -p $$ | grep -qw $$ && echo own || echo parents";
    let mut children = vec![
        child("nice", |_| shell("nice").priority(3)),
        child("group", |_| shell(GROUP)),
        child("no group", |_| shell(GROUP).no_setpgrp(true)),
        child("no session", |_| {
            shell("ps -o sid= -p $$ | grep -qw $$ && echo own || echo parents")
        }),
        child("directory", |_| shell("cd /usr; pwd")),
        child("signals", |_| {
            shell(
                "grep -c '^SigIgn:.*[13579bdf]...$' /proc/$$/status; \
                 grep SigBlk /proc/$$/status | tr -dc 1-9; true",
            )
        }),
    ];
    if nix::unistd::Uid::effective().is_root() {
        children.push(child("user", |_| shell("id -u; id -g; id -G").user(65_534).group(7)));
    }
    children
}

/// What a wheel has told.
#[derive(Default)]
struct Told {
    lists: BTreeMap<&'static str, Vec<String>>,
    stdin: usize,
    ends: BTreeMap<&'static str, String>,
}

impl Told {
    /// The same in words, as `perl/run.pl` has them.
    fn line(&mut self, name: &str) -> String {
        let count = if name == "closed input" { "some".to_owned() } else { self.stdin.to_string() };
        let list = |told: &mut Self, key| told.lists.remove(key).unwrap_or_default();
        let mut out = list(self, "out");
        if name == "much output" {
            out = vec![out.len().to_string(), out.pop().unwrap_or_default()];
        }
        let (err, other, note) = (list(self, "err"), list(self, "other"), list(self, "note"));
        let mut errors = list(self, "errors");
        errors.sort();
        let end = |key| self.ends.get(key).map_or("never", String::as_str);
        let lists =
            [("out", out), ("err", err), ("other", other), ("note", note), ("errors", errors)];
        let lists: Vec<_> = lists.map(|(key, list)| format!("{key}=[{}]", list.join("|"))).into();
        format!(
            "{} stdin={count} close={} other_close={} exit={}",
            lists.join(" "),
            end("close"),
            end("other_close"),
            end("exit")
        )
    }

    fn push(&mut self, list: &'static str, line: String) {
        self.lists.entry(list).or_default().push(line);
    }
}

/// Runs a child here.
fn ours(child: &Child, folder: &Path) -> String {
    let kernel = kernel();
    let told = Rc::new(RefCell::new(Told::default()));
    let (t, react) = (Rc::clone(&told), child.react);
    spawn(&kernel, with_events((child.build)(folder)), move |cx, event| {
        let text = |record: &[u8]| String::from_utf8_lossy(record).into_owned();
        let mut told = t.borrow_mut();
        let errors = told.lists.get("errors").map_or(0, Vec::len);
        let (list, line) = match event {
            Event::Stdout(record) => ("out", text(&record)),
            Event::Stderr(record) => ("err", text(&record)),
            Event::StdoutPartial(record) => ("other", text(&record)),
            Event::Error(error) => {
                let stream = error.stream.unwrap();
                ("errors", format!("{} {} {stream}", error.operation, error.errno()))
            }
            Event::Close => {
                told.ends.insert("close", format!("after {errors}"));
                ("close", String::new())
            }
            Event::High => {
                told.ends.insert("other_close", format!("after {errors}"));
                return;
            }
            Event::Exit(exit) => {
                told.ends.insert("exit", exit.status.unwrap().into_raw().to_string());
                return;
            }
            Event::Stdin => {
                told.stdin += 1;
                ("stdin", String::new())
            }
            _ => ("start", String::new()),
        };
        let what = match list {
            "errors" => format!("error {line}"),
            list => format!("{list} {line}").trim_end().to_owned(),
        };
        if ["out", "err", "other", "errors"].contains(&list) {
            told.push(list, line);
        }
        drop(told);
        let mut notes = Vec::new();
        react(own(cx), &what, &mut notes);
        notes.into_iter().for_each(|note| t.borrow_mut().push("note", note));
    });
    run(&kernel);
    let line = told.borrow_mut().line(child.name);
    line.replace('\n', "\\n").replace('\r', "\\r")
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("poe-run-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("in"), "from a file\n").unwrap();
        let program = path.join("nonsense");
        std::fs::write(&program, "echo nonsense\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    /// What was written to the files of children.
    fn written(&self) -> Vec<String> {
        let read = |name| std::fs::read_to_string(self.0.join(name)).unwrap();
        ["out", "err", "both"].map(read).into()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What Perl's POE tells of these, or why it does not.
fn theirs(folder: &Path, names: &[&str]) -> Result<BTreeMap<String, String>, &'static str> {
    let perl = || {
        let mut perl = Command::new("perl");
        perl.env_remove("POE_EVENT_LOOP");
        perl
    };
    if !perl().args(["-MPOE", "-e", "1"]).output().is_ok_and(|output| output.status.success()) {
        return Err("Perl's POE is not installed (libpoe-perl)");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/perl/run.pl");
    let tell = || perl().arg(script).arg(folder).args(names).output().unwrap();
    let mut output = tell();
    if output.status.signal() == Some(Signal::SIGALRM as i32) {
        // Seldom it waits for a child for ever, and its alarm ends it.
        output = tell();
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    Ok(lines.map(|(name, told)| (name.to_owned(), told.to_owned())).collect())
}

/// The documentation, in one line.
fn documentation() -> String {
    let lines = include_str!("../src/lib.rs").lines();
    let words = lines.flat_map(|line| line.trim_start_matches("//!").split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

// Conformance: WRN-02, WRN-03, WRN-04, WRN-05, WRN-08, WRN-11, WRN-16
#[test]
fn perls_poe_tells_the_same_of_children() {
    let children: Vec<Child> = [talking(), ending_input(), streams(), terminals(), processes()]
        .into_iter()
        .flatten()
        .collect();
    let (one, other) = (Folder::new("theirs"), Folder::new("ours"));
    let names: Vec<&str> = children.iter().map(|child| child.name).collect();
    let theirs = match theirs(&one.0, &names) {
        Ok(theirs) => theirs,
        Err(why) => return common::skipped(why),
    };
    let documentation = documentation();
    let mut without_pty = 0;
    for child in children {
        let mut expected = theirs[child.name].clone();
        let told = ours(&child, &other.0);
        if expected == "no IO::Pty" {
            without_pty += 1;
            continue;
        }
        if let Some((instead_of, this, words)) = child.difference {
            assert!(expected.contains(instead_of), "{}: no {instead_of} in {expected}", child.name);
            expected = expected.replacen(instead_of, this, 1);
            assert!(documentation.contains(words), "{words}");
        }
        assert_eq!(told, expected, "{}", child.name);
    }
    assert_eq!(one.written(), other.written());
    if without_pty > 0 {
        common::skipped(
            "Perl's IO::Pty is not installed (libio-pty-perl): no terminals to compare",
        );
    }
}

/// What cannot be started is a child that complains there, and an error here.
// Conformance: WRN-15
#[test]
fn perls_poe_has_a_child_tell_what_is_no_program() {
    let folder = Folder::new("none");
    let theirs = match theirs(&folder.0, &["missing", "no program"]) {
        Ok(theirs) => theirs,
        Err(why) => return common::skipped(why),
    };
    assert!(theirs["missing"].contains("err=[can't exec (/no/such/program)"), "{theirs:?}");
    assert!(theirs["missing"].ends_with("exit=512"), "{theirs:?}");
    assert!(theirs["no program"].starts_with("out=[nonsense]"), "{theirs:?}");

    let programs = [PathBuf::from("/no/such/program"), folder.0.join("nonsense")];
    let kernel = kernel();
    Session::build(())
        .on_start(move |cx| {
            let errnos = programs.each_ref().map(|program| {
                let error = both(Run::build(program)).spawn(cx.kernel).unwrap_err();
                let WheelError::Run { operation: "start", source, .. } = error else {
                    panic!("{error}")
                };
                source.raw_os_error()
            });
            assert_eq!(errnos, [Some(2), Some(nix::errno::Errno::ENOEXEC as i32)]);
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let documentation = documentation();
    for words in [
        "complains on its standard error and ends with the error's number",
        "POE has the shell read it.",
    ] {
        assert!(documentation.contains(words), "{words}");
    }
}
