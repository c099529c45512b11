//! The original, where it is installed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::trace::folder;

/// Plays a scenario in Perl, and returns its trace; `None` without Perl's POE.
pub(crate) fn play(section: &str, name: &str) -> Option<Vec<String>> {
    if !is_installed() {
        return None;
    }
    let output = perl()
        .arg(folder().join(section).with_extension("pl"))
        .arg(name)
        .output()
        .expect("perl does not start");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{section}.pl {name}: {}\n{errors}", output.status);
    let trace = String::from_utf8(output.stdout).expect("a trace is not text");
    Some(trace.lines().map(str::to_owned).collect())
}

/// The scenarios that a section's Perl program has.
pub(crate) fn scenarios(section: &str) -> BTreeSet<String> {
    let program = fs::read_to_string(folder().join(section).with_extension("pl")).expect("no twin");
    let lines = program.lines().filter_map(|line| line.strip_prefix("scenario "));
    lines.filter_map(|line| line.split_once(" => ")).map(|(name, _)| name.to_owned()).collect()
}

fn is_installed() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let mut command = perl();
        command.args(["-MPOE", "-e", "1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let installed = command.status().is_ok_and(|status| status.success());
        if !installed {
            let why = "perl -MPOE -e 1 fails; scenarios are compared with recorded traces alone";
            let _ = writeln!(std::io::stderr(), "SKIPPED: {why} (install libpoe-perl)");
        }
        installed
    })
}

/// Perl without the variables that are meant for our own loops: it reads some of the same names.
fn perl() -> Command {
    let mut command = Command::new("perl");
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("POE_") {
            command.env_remove(variable);
        }
    }
    command
}
