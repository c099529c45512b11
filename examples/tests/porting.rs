//! The pairs of programs in `PORTING.md`: what we print is what Perl's POE prints, and what the document says.
//!
//! Each runs in a process of its own, this test with the pair's title as its argument. So there is no harness.
#![allow(
    clippy::print_stdout,
    clippy::unused_trait_names,
    reason = "programs as people write them"
)]

use std::env;
use std::error::Error;
use std::io::Write;
use std::process::{Command, Stdio};

include!(concat!(env!("OUT_DIR"), "/porting.rs"));

struct Pair {
    title: &'static str,
    ours: fn() -> Result<(), Box<dyn Error>>,
    perl: &'static str,
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
