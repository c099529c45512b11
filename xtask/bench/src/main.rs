//! The command line of the benchmarks: `poe-bench [--list] [--rounds N] [NAME...]`.

use std::io;
use std::process::ExitCode;

use poe_bench::contest::Rounds;
use poe_bench::report::Report;
use poe_bench::{
    anyevent_bench2, call, filters, follow_tail, http, idle, line_echo, log_monitor, sessions,
    spawn, storable, system, timers, udp_echo, yield_event,
};

/// A benchmark: it measures, and adds what it found to the report.
type Benchmark = fn(Rounds, &mut Report);

const BENCHMARKS: &[(&str, &str, Benchmark)] = &[
    ("yield", "an event yielded to oneself", yield_event::run),
    ("call", "a call to another session, with a reply", call::run),
    ("timers", "a million timers set, adjusted and removed", timers::run),
    ("sessions", "a million sessions created and stopped, and the memory of one", sessions::run),
    ("echo", "CPU time of a TCP line echo server, per line", line_echo::run),
    ("udp", "CPU time of a UDP echo server, per datagram", udp_echo::run),
    ("idle", "memory of an idle connection", idle::run),
    ("http", "HTTP requests parsed", http::run),
    ("bench2", "AnyEvent's bench2, large and small", anyevent_bench2::run),
    ("filters", "lines and blocks cut out of a chunk", filters::run),
    ("follow", "the lines of a file, followed from its start", follow_tail::run),
    ("log", "the lines of a log, matched with a hundred patterns", log_monitor::run),
    ("spawn", "programs run to their end", spawn::run),
    ("storable", "data in the format of Perl's Storable, read and written", storable::run),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        // The other end of `server::Server`: this program is also the peers' servers.
        Some("serve") => poe_bench::server::serve(&arguments[1..]),
        _ => measure(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("poe-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &[String]) -> io::Result<()> {
    let mut rounds = Rounds::default();
    let mut chosen = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => {
                for (name, about, _) in BENCHMARKS {
                    println!("{name:<10} {about}");
                }
                return Ok(());
            }
            "--rounds" => {
                let number = arguments.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                rounds = Rounds(number.ok_or_else(|| wrong("--rounds takes a number".to_owned()))?);
            }
            name => chosen.push(
                BENCHMARKS
                    .iter()
                    .find(|(known, ..)| *known == name)
                    .ok_or_else(|| wrong(format!("no benchmark {name:?}; --list names them")))?,
            ),
        }
    }
    if chosen.is_empty() {
        chosen.extend(BENCHMARKS);
    }

    system::raise_descriptor_limit()?;
    // Servers get the first processor, what drives them the last.
    system::pin_self_to_last_processor()?;
    let mut report = Report::default();
    for (name, about, run) in chosen {
        eprintln!("measuring {name}: {about}");
        run(rounds, &mut report);
    }
    print!("{report}");
    Ok(())
}

fn wrong(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
