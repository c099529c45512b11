//! `cargo xtask miri`: the tests of the kernel's structures, of sessions, and of how filters look for octets, on Miri.

use crate::cargo::{execute, output, root};
use crate::failure::{Result, refuse};

/// The tests of sessions that wait for nothing and take no more than a minute each; their kernels wait with a loop of the
/// tests' own, as Miri has none of the calls that wait.
const SESSION_TESTS: [&str; 7] =
    ["aliases", "calls", "detach", "drops", "postbacks", "references", "takers"];

/// Runs them where the nightly toolchain has Miri, which no stable one has.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    refuse(arguments)?;
    if output(&mut miri(["--version"])).is_err() {
        println!("SKIPPED: Miri is not installed (rustup component add --toolchain nightly miri)");
        return Ok(());
    }
    execute(&mut miri(["test", "--package", "poe-kernel", "--lib"]))?;
    execute(&mut miri(["test", "--package", "poe-filter", "--lib", "--", "sys::", "ends::"]))?;
    let tests = SESSION_TESTS.iter().flat_map(|test| ["--test", test]);
    execute(miri(["test", "--package", "poe-session"]).args(tests))
}

fn miri<const N: usize>(arguments: [&str; N]) -> std::process::Command {
    // The cargo that runs this is that of one toolchain; the program of that name chooses by its first argument.
    let mut command = std::process::Command::new("cargo");
    command.args(["+nightly", "miri"]).args(arguments);
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
    command.env("MIRIFLAGS", "-Zmiri-disable-isolation").current_dir(root());
    command
}
