//! `top` at a terminal: keys go in, an emulator reads the screen, and what it looks at is a program or the test.

#[macro_use]
mod common;
mod terminal;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use common::{DEADLINE, Program, is_installed, run, wait_until};
use nix::sys::signal::Signal;
use terminal::Terminal;

const TOP: &str = example!("top");
const SIZE: (u16, u16) = (80, 24);

/// What has been published, as this test makes it up.
struct Watched {
    listener: TcpListener,
    connection: Option<BufReader<TcpStream>>,
}

impl Watched {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, connection: None }
    }

    fn top(&self, size: (u16, u16)) -> Option<Terminal> {
        let address = self.listener.local_addr().unwrap().to_string();
        Terminal::start(size, TOP, ["--every", "0.02", &address])
    }

    /// Waits until it is asked, by whoever is connected or connects.
    fn is_asked(&mut self) {
        let connection = self.connection.get_or_insert_with(|| {
            let (stream, _) = wait_until("connection", || self.listener.accept().ok());
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            BufReader::new(stream)
        });
        let mut line = String::new();
        connection.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), "snapshot");
    }

    fn says(&mut self, line: &str) {
        let stream = self.connection.as_ref().unwrap().get_ref();
        { stream }.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Answers with sessions of these names until something is seen.
    fn until_sees(&mut self, terminal: &Terminal, names: &[&str], is_it: impl Fn(&str) -> bool) {
        for count in 0..500 {
            self.is_asked();
            self.says(&snapshot(names, count));
            if is_it(&terminal.sees()) {
                return;
            }
        }
        panic!("sees {:?}", terminal.sees());
    }
}

/// Sessions of these names, one of which had a hundred events more than the one before it.
fn snapshot(names: &[&str], count: u64) -> String {
    let sessions: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(name, session)| {
            serde_json::json!({
                "session": session, "parent": 0, "aliases": [name], "created": "src/main.rs:7:1",
                "holds": { "aliases": 1, "handles": 1 },
                "reasons": [
                    { "session": session, "cause": { "Alias": name }, "since": "src/main.rs:8:1" },
                    { "session": session, "since": "src/main.rs:9:1",
                      "cause": { "Handle": { "descriptor": 5, "mode": "Read", "paused": false } } },
                ],
                "events": [{ "event": "work", "meter": { "failures": 3, "handler": {
                    "count": count * 100 * session, "total": { "secs": 0, "nanos": 0 },
                    "p99": { "secs": 0, "nanos": 1_500_000 }, "max": { "secs": 2, "nanos": 0 } } } }],
            })
        })
        .collect();
    serde_json::json!({
        "id": "made-up", "event_loop": "polling", "age": { "secs": count, "nanos": 0 },
        "time": { "secs_since_epoch": 1000 + count, "nanos_since_epoch": 0 },
        "dispatched": count * 42, "sessions": sessions, "timers": [1, 2, 3],
        "queue": [{ "waiting": { "secs": 0, "nanos": 7_000_000 } }],
        "profile": { "events": [], "slowest": [{
            "took": { "secs": 0, "nanos": 15_000_000 }, "session": 2, "event": "slow one",
            "ended": { "secs_since_epoch": 1000 + count, "nanos_since_epoch": 0 },
            "sent": "src/slow.rs:1:1" }] },
    })
    .to_string()
}

#[test]
fn sessions_rates_reasons_and_slow_handlers_are_seen() {
    let mut watched = Watched::new();
    let Some(mut terminal) = watched.top(SIZE) else { return };
    watched.until_sees(&terminal, &["quiet", "busy"], |seen| {
        seen.contains(" 200 ") && seen.contains(" 100 ")
    });
    let seen = terminal.sees();
    let lines: Vec<&str> = seen.lines().collect();
    assert!(lines[0].starts_with("POE at 127.0.0.1:") && lines[0].contains("made-up on polling"));
    let totals = "2 sessions  42 ev/s  0% busy  queue 1 (7.00 ms)  lag 0  3 timers  0 handles";
    assert_eq!(lines[1], totals);
    assert!(lines[2].contains("NAME") && lines[2].contains("EV/Sv"), "{seen}");
    // The busiest first, which is selected.
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        fields(lines[3]),
        ["2", "busy", "0", "200", "0%", "2", "1.50", "ms", "2.00", "s", "3"]
    );
    assert_eq!(fields(lines[4])[..4], ["1", "quiet", "0", "100"]);
    assert!(seen.contains("why is 2 alive? (created at src/main.rs:7:1)"), "{seen}");
    assert!(seen.contains("descriptor 5 watched (Read)  src/main.rs:9:1"), "{seen}");
    assert!(seen.contains("alias \"busy\", which keeps no kernel  src/main.rs:8:1"), "{seen}");
    assert!(seen.contains("15.0 ms  \"slow one\" in session 2"), "{seen}");

    terminal.types("j");
    watched.until_sees(&terminal, &["quiet", "busy"], |seen| seen.contains("why is 1 alive?"));
    terminal.types("/bus");
    watched.until_sees(&terminal, &["quiet", "busy"], |seen| {
        seen.ends_with("\n/bus") && !seen.contains("quiet") && seen.contains("why is 2 alive?")
    });
    terminal.types("\x1B");
    watched.until_sees(&terminal, &["quiet", "busy"], |seen| seen.contains("quiet"));
    terminal.types("r");
    watched.until_sees(&terminal, &["quiet", "busy"], |seen| seen.contains("EV/S^"));
    terminal.types("?");
    watched.until_sees(&terminal, &["quiet", "busy"], |seen| seen.contains("Ctrl-Z"));
    terminal.types("xq");
    assert!(terminal.wait().success());
    assert!(terminal.is_restored());
    terminal.until_seen("");
}

#[test]
fn what_is_paused_is_not_asked() {
    let mut watched = Watched::new();
    let Some(mut terminal) = watched.top(SIZE) else { return };
    watched.until_sees(&terminal, &["one"], |seen| seen.contains("one"));
    watched.is_asked();
    terminal.types("p");
    terminal.until_sees(|seen| seen.contains("PAUSED"));
    watched.says(&snapshot(&["another"], 1));
    terminal.until_sees(|seen| seen.contains("another"));
    let connection = watched.connection.as_ref().unwrap();
    connection.get_ref().set_nonblocking(true).unwrap();
    // In that time it would have asked several times.
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(watched.connection.as_mut().unwrap().read_line(&mut String::new()).is_err());
    watched.connection.as_ref().unwrap().get_ref().set_nonblocking(false).unwrap();
    terminal.types(" ");
    watched
        .until_sees(&terminal, &["two"], |seen| seen.contains("two") && !seen.contains("PAUSED"));
    terminal.types("\x03");
    assert!(terminal.wait().success());
}

#[test]
fn bad_data_is_a_message_and_not_the_end() {
    let mut watched = Watched::new();
    let Some(mut terminal) = watched.top(SIZE) else { return };
    for line in ["garbage", "{}", "[1, 2]", r#"{"id": 7}"#, &"[".repeat(1000), "\x1B[2J\u{FFFD}"] {
        watched.is_asked();
        watched.says(line);
        terminal.until_sees(|seen| seen.contains("what it sends is no snapshot: "));
        watched.until_sees(&terminal, &["fine"], |seen| {
            seen.contains("fine") && !seen.contains("no snapshot")
        });
    }
    // What it shows is not for the terminal to obey.
    watched.until_sees(&terminal, &["\x1B[2J\x1B[31mred\u{9B}5A\x07\r\n"], |seen| {
        seen.contains("[2J[31mred5A") && seen.contains("why is 1 alive?")
    });
    terminal.types("q");
    assert!(terminal.wait().success() && terminal.is_restored());
}

#[test]
fn who_talks_without_being_asked_is_asked_all_the_same() {
    let mut watched = Watched::new();
    let Some(mut terminal) = watched.top(SIZE) else { return };
    watched.is_asked();
    let mut stream = watched.connection.as_ref().unwrap().get_ref().try_clone().unwrap();
    let talker = std::thread::spawn(move || while stream.write_all(b"garbage\n").is_ok() {});
    for _ in 0..5 {
        watched.is_asked();
    }
    terminal.until_sees(|seen| seen.contains("what it sends is no snapshot: "));
    terminal.types("q");
    assert!(terminal.wait().success() && terminal.is_restored());
    drop(watched);
    talker.join().unwrap();
}

#[test]
fn it_connects_again() {
    let mut watched = Watched::new();
    let Some(mut terminal) = watched.top(SIZE) else { return };
    watched.until_sees(&terminal, &["first"], |seen| seen.contains("first"));
    watched.connection = None;
    terminal.until_sees(|seen| seen.contains("it has gone (read: ") && seen.contains("first"));
    watched.until_sees(&terminal, &["second"], |seen| {
        seen.contains("second") && !seen.contains("it has gone")
    });
    // One that says nothing is told of, and waited for.
    watched.is_asked();
    terminal.until_sees(|seen| seen.contains("no answer for 3 s"));
    watched.says(&snapshot(&["third"], 1));
    terminal.until_sees(|seen| seen.contains("third") && !seen.contains("no answer"));
    terminal.signal(Signal::SIGTERM);
    assert!(terminal.wait().success() && terminal.is_restored());
}

#[test]
fn nobody_there_is_a_message() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for signal in [None, Some(Signal::SIGHUP), Some(Signal::SIGQUIT)] {
        let Some(mut terminal) = Terminal::start(SIZE, TOP, [&address]) else { return };
        terminal.until_sees(|seen| seen.contains("cannot connect: connect: Connection refused"));
        match signal {
            Some(signal) => terminal.signal(signal),
            None => terminal.types("q"),
        }
        assert!(terminal.wait().success() && terminal.is_restored(), "{signal:?}");
    }
}

#[test]
fn any_size_will_do() {
    let mut watched = Watched::new();
    let Some(mut terminal) = watched.top((1, 1)) else { return };
    let names: Vec<String> = (0..300).map(|number| format!("session {number} of many")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let keys = ["j", "\x1B[6~", "G", "k", "\x1B[5~", "g", "?", "x", "/of", "\x7F\x7F\r", "s"];
    for (columns, rows) in [(1, 1), (2, 3), (10, 4), (25, 13), (132, 50), (300, 100), (80, 24)] {
        terminal.resize(columns, rows);
        for key in keys {
            terminal.types(key);
            watched.is_asked();
            watched.says(&snapshot(&names, 1));
        }
    }
    watched.until_sees(&terminal, &names, |seen| {
        seen.contains("300 sessions") && seen.contains("slowest handlers")
    });
    terminal.types("/session 299\r");
    watched.until_sees(&terminal, &names, |seen| seen.contains("why is 300 alive?"));
    terminal.types("q");
    assert!(terminal.wait().success());
}

#[test]
fn a_program_that_publishes_is_looked_at() {
    let mut command = Command::new(example!("inspect"));
    let (mut server, _) = Program::listening(command.args(["--top", "127.0.0.1:0", "127.0.0.1:0"]));
    let line = server.wait_for_line("address", |line| line.starts_with("look at it with"));
    let address = line.rsplit(' ').next().unwrap();
    // As a person may do it, and more than one at a time.
    let mut stream = common::connect(address.parse().unwrap());
    stream.write_all(b"\n\n").unwrap();
    let mut reader = BufReader::new(stream);
    for _ in 0..2 {
        let json: serde_json::Value =
            serde_json::from_str(&common::read_line(&mut reader)).unwrap();
        assert!(json["profile"].is_object(), "what events cost is measured");
    }
    let Some(mut terminal) = Terminal::start(SIZE, TOP, ["--every", "0.05", address]) else {
        return;
    };
    terminal.until_sees(|seen| seen.contains(" inspector ") && seen.contains(" echo "));
    terminal.types("/inspector\r");
    terminal.until_sees(|seen| seen.contains("alias \"inspector\"") && !seen.contains(" echo "));
    drop(reader);
    server.interrupt().well();
    terminal.until_sees(|seen| seen.contains("trying again"));
    terminal.types("q");
    assert!(terminal.wait().success());
}

#[test]
fn there_is_a_demonstration() {
    let Some(mut terminal) = Terminal::start((140, 40), TOP, ["--demo", "--every", "0.1"]) else {
        return;
    };
    let expected = ["ticker", "worker 4", "sluggish", "\"wait\" in session", "ev/s"];
    terminal.until_sees(|seen| expected.iter().all(|text| seen.contains(text)));
    terminal.types("/sleep\r");
    terminal.until_sees(|seen| {
        seen.contains("1 references tagged \"a download\"")
            && seen.contains("timer \"wake up\" due in 60.0 min")
            && seen.contains("demo.rs:")
    });
    terminal.types("q");
    assert!(terminal.wait().success() && terminal.is_restored());
}

#[test]
fn it_is_stopped_and_goes_on() {
    if !is_installed("bash", &["--version"], "bash") {
        return;
    }
    let mut watched = Watched::new();
    let address = watched.listener.local_addr().unwrap();
    let arguments = ["--norc", "--noprofile", "--noediting", "-i"];
    let Some(terminal) = Terminal::start(SIZE, "bash", arguments) else { return };
    terminal.types("PS1='$ '; clear\n");
    terminal.until_seen("$");
    terminal.types(&format!("{TOP} --every 0.02 {address}; echo ended\n"));
    watched.until_sees(&terminal, &["one"], |seen| seen.contains("one"));
    watched.is_asked();
    terminal.types("\x1A");
    terminal.until_sees(|seen| seen.contains("Stopped") && seen.ends_with('$'));
    assert!(terminal.is_restored());
    terminal.types("fg >/dev/null; echo over\n");
    terminal.until_sees(|seen| seen.contains("NAME") && seen.contains("one"));
    watched.says(&snapshot(&["two"], 2));
    watched.until_sees(&terminal, &["two"], |seen| seen.contains("two"));
    terminal.types("q");
    terminal.until_sees(|seen| seen.contains("over") && seen.ends_with('$'));
    assert!(terminal.is_restored());
    terminal.types("exit\n");
}

#[test]
fn it_says_what_is_wrong_with_its_arguments() {
    let help = run(Command::new(TOP).arg("--help"), "");
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("\nUsage: top [ADDRESS:PORT]") && text.contains("--demo"), "{text}");
    let cases: [(&[&str], &str); 6] = [
        (&["127.0.0.1:1", "extra"], "unexpected argument \"extra\"; see --help"),
        (&["--demo", "127.0.0.1:1"], "unexpected argument \"127.0.0.1:1\"; see --help"),
        (&["nonsense"], "\"nonsense\" is no address; write it as 127.0.0.1:12345 or [::1]:12345"),
        (&["--every"], "--every takes a value; see --help"),
        (&["--every", "0"], "\"0\" is no number of seconds from 0.01 on"),
        (&["127.0.0.1:1"], "there is no terminal to draw on"),
    ];
    for (arguments, message) in cases {
        let error = Program::start(Command::new(TOP).args(arguments)).wait().badly();
        assert_eq!(error, format!("Error: {message}"));
    }
}
