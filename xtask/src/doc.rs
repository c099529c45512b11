//! `cargo xtask doc`: the documentation.

use crate::cargo::{cargo, execute};
use crate::failure::{Result, refuse};
use crate::semantics;

/// Builds the documentation of our crates with every feature on, and denies its warnings: a link
/// that leads nowhere fails, as does a test that `SEMANTICS.md` names and that is not there. With
/// `--open` it is shown in a browser.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let open = arguments == ["--open"];
    if !open {
        refuse(arguments)?;
    }
    semantics::check()?;
    let mut command = cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    if open {
        command.arg("--open");
    }
    execute(&mut command)
}
