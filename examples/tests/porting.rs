//! The pairs of programs in `PORTING.md`: what we print is what Perl's POE prints, and what the document says.
//!
//! Each runs in a process of its own, this test with the pair's title as its argument. So there is no harness. Where there are
//! keys to be typed, it runs at a terminal: what is seen there at the end is what it prints.
#![allow(
    clippy::print_stdout,
    clippy::unused_trait_names,
    reason = "programs as people write them"
)]

mod common;
mod terminal;

use std::env;
use std::error::Error;
use std::io::Write;
use std::process::{Command, Stdio};

use common::is_installed;
use terminal::Terminal;

include!(concat!(env!("OUT_DIR"), "/porting.rs"));

struct Pair {
    title: &'static str,
    ours: fn() -> Result<(), Box<dyn Error>>,
    perl: &'static str,
    /// A line each: the prompt to wait for, and what is typed then.
    keys: Option<&'static str>,
    prints: &'static str,
}

/// The most seconds that a program may take.
const LIMIT: u32 = 60;

fn main() -> Result<(), Box<dyn Error>> {
    let argument = env::args().nth(1);
    if let Some(pair) = PAIRS.iter().find(|pair| Some(pair.title) == argument.as_deref()) {
        nix::unistd::alarm::set(LIMIT);
        return (pair.ours)();
    }
    assert!(PAIRS.len() > 8, "the document has lost its programs");
    let has_perl =
        output(perl(&["-MPOE", "-e", "print 1"]), "").is_ok_and(|printed| printed == "1");
    if !has_perl {
        println!("SKIPPED: perl -MPOE -e 1 fails; only our programs are run (install libpoe-perl)");
    }
    for pair in PAIRS {
        if let Some(keys) = pair.keys {
            let has_perl = has_perl
                && is_installed("perl", &["-MTerm::ReadKey", "-e1"], "libterm-readkey-perl");
            at_terminal(pair, keys, env::current_exe()?.to_str(), &[pair.title]);
            if has_perl {
                // It reads some of the names that are meant for our own loops.
                let perl = ["-u", "POE_EVENT_LOOP", "perl", "-e", pair.perl];
                at_terminal(pair, keys, Some("env"), &perl);
            }
            println!("test {} ... ok", pair.title);
            continue;
        }
        let mut ours = Command::new(env::current_exe()?);
        ours.arg(pair.title);
        assert_eq!(output(ours, "")?, pair.prints, "{}: ours", pair.title);
        if has_perl {
            let program = format!("alarm {LIMIT};\n{}", pair.perl);
            assert_eq!(output(perl(&["-"]), &program)?, pair.prints, "{}: Perl's", pair.title);
        }
        println!("test {} ... ok", pair.title);
    }
    Ok(())
}

/// Types into a program when it asks for that, and looks at the screen when it has ended.
fn at_terminal(pair: &Pair, keys: &str, program: Option<&str>, arguments: &[&str]) {
    let Some(program) = program else { panic!("a path that is no UTF-8") };
    let Some(mut terminal) = Terminal::start((80, 24), program, arguments) else { return };
    let mut rows = 0;
    for line in keys.lines() {
        let (prompt, typed) = line.split_once(' ').expect("a prompt and keys");
        terminal.until_sees(|seen| seen.lines().count() > rows && seen.ends_with(prompt));
        rows = terminal.sees().lines().count();
        terminal.types(&typed.replace("\\r", "\r").replace("^P", "\x10").replace("^D", "\x04"));
    }
    terminal.until_seen(pair.prints.trim_end());
    assert!(terminal.wait().success(), "{}: {program}", pair.title);
}

/// What a program prints.
fn output(mut command: Command, input: &str) -> std::io::Result<String> {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Perl without the variables that are meant for our own loops: it reads some of the same names.
fn perl(arguments: &[&str]) -> Command {
    let mut command = Command::new("perl");
    command.args(arguments);
    for (variable, _) in env::vars_os() {
        if variable.to_string_lossy().starts_with("POE_") {
            command.env_remove(variable);
        }
    }
    command
}
