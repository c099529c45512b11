//! `cargo xtask layers`: crates depend downward only, and on few packages of others.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cargo::{cargo, metadata, output};
use crate::failure::{Failure, Result, refuse};

/// A crate of ours, and which others of ours it may depend on.
struct Layer {
    name: &'static str,
    may_use: &'static [&'static str],
    /// What only its tests may use besides.
    tests_may_use: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    Layer { name: "poe-kernel", may_use: &[], tests_may_use: &[] },
    Layer { name: "poe-session", may_use: &["poe-kernel"], tests_may_use: &[] },
    Layer { name: "poe-driver", may_use: &[], tests_may_use: &[] },
    Layer { name: "poe-filter", may_use: &[], tests_may_use: &[] },
    Layer {
        name: "poe-wheel",
        may_use: &["poe-kernel", "poe-driver", "poe-filter"],
        // A wheel serves any kind of session; its tests need one kind.
        tests_may_use: &["poe-session"],
    },
    Layer {
        name: "poe-component",
        may_use: &["poe-kernel", "poe-session", "poe-driver", "poe-filter", "poe-wheel"],
        tests_may_use: &[],
    },
    Layer {
        name: "examples",
        may_use: &[
            "poe-kernel",
            "poe-session",
            "poe-driver",
            "poe-filter",
            "poe-wheel",
            "poe-component",
        ],
        tests_may_use: &[],
    },
    Layer { name: "xtask", may_use: &[], tests_may_use: &[] },
];

/// How many packages of others a crate may bring into a program, with its default features.
///
/// Counted is what `cargo tree --edges normal,no-proc-macro` lists, each package once, less our own
/// crates: what the linker sees. What only runs while building (procedural macros, build scripts)
/// is not in the program and not in the count.
const BUDGETS: &[(&str, usize)] = &[("poe-kernel", 12), ("poe-component", 30)];

/// Fails on a dependency that points up or sideways, and on a budget that is exceeded.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    refuse(arguments)?;
    let wrong = wrong_arrows(&metadata()?)?;
    for arrow in &wrong {
        println!("layers: {arrow}");
    }
    if !wrong.is_empty() {
        let s = if wrong.len() == 1 { "y points" } else { "ies point" };
        return Err(Failure::new(format!("{} dependenc{s} up or sideways", wrong.len())));
    }
    println!("layers: every dependency points downward");
    check_budgets()
}

fn wrong_arrows(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .ok_or_else(|| Failure::new("`cargo metadata` lists no packages"))?;
    let names: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            wrong.push(format!("{name} is in no layer; add it to xtask/src/layers.rs"));
            continue;
        };
        let Some(dependencies) = package["dependencies"].as_array() else { continue };
        for dependency in dependencies {
            let to = dependency["name"].as_str().unwrap_or_default();
            if !names.contains(to) {
                continue;
            }
            let kind = dependency["kind"].as_str().unwrap_or("normal");
            let allowed = layer.may_use.contains(&to)
                || (kind == "dev" && (to == name || layer.tests_may_use.contains(&to)));
            if !allowed {
                wrong.push(format!("{name} must not depend on {to} ({kind} dependency)"));
            }
        }
    }
    Ok(wrong)
}

fn check_budgets() -> Result<()> {
    for &(package, budget) in BUDGETS {
        let tree = output(&mut cargo([
            "tree",
            "--package",
            package,
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]))?;
        let packages = foreign_packages(&tree);
        println!("layers: {package} brings {} packages of others, of {budget}", packages.len());
        if packages.len() > budget {
            let list: Vec<&str> = packages.into_iter().collect();
            return Err(Failure::new(format!(
                "{package} brings {} packages of others, more than {budget}: {}",
                list.len(),
                list.join(", ")
            )));
        }
    }
    Ok(())
}

/// The distinct packages of a tree that are not crates of ours.
fn foreign_packages(tree: &str) -> BTreeSet<&str> {
    tree.lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .filter(|line| !LAYERS.iter().any(|layer| line.split(' ').next() == Some(layer.name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace(from: &str, to: &str, kind: Value) -> Value {
        json!({ "packages": [
            { "name": from, "dependencies": [
                { "name": to, "kind": kind },
                { "name": "memchr", "kind": null },
            ] },
            { "name": to, "dependencies": [] },
        ] })
    }

    #[test]
    fn downward_passes() {
        let down = workspace("poe-wheel", "poe-kernel", Value::Null);
        assert_eq!(wrong_arrows(&down).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn upward_and_sideways_fail() {
        for (from, to) in [("poe-kernel", "poe-session"), ("poe-driver", "poe-filter")] {
            for kind in [Value::Null, json!("dev"), json!("build")] {
                assert_eq!(wrong_arrows(&workspace(from, to, kind)).unwrap().len(), 1);
            }
        }
    }

    #[test]
    fn tests_of_a_wheel_may_use_a_session_but_a_wheel_may_not() {
        let dev = workspace("poe-wheel", "poe-session", json!("dev"));
        assert!(wrong_arrows(&dev).unwrap().is_empty());
        let normal = workspace("poe-wheel", "poe-session", Value::Null);
        assert_eq!(wrong_arrows(&normal).unwrap().len(), 1);
    }

    #[test]
    fn a_crate_in_no_layer_is_named() {
        let wrong = wrong_arrows(&workspace("poe-new", "poe-kernel", Value::Null)).unwrap();
        assert!(wrong[0].contains("poe-new is in no layer"), "{wrong:?}");
    }

    #[test]
    fn packages_are_counted_once_and_ours_not_at_all() {
        let tree = "poe-kernel v0.1.0 (/x)\nnix v0.31.3\nlibc v0.2.1\nlibc v0.2.1 (*)\n";
        assert_eq!(foreign_packages(tree).len(), 2);
    }
}
