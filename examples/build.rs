//! Takes the programs out of `PORTING.md`, so that a test can run them.

use std::path::Path;
use std::{env, fs, io};

const DOCUMENT: &str = "../PORTING.md";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={DOCUMENT}");
    let text = fs::read_to_string(DOCUMENT)?;
    let (mut list, mut modules) = (String::new(), String::new());
    for (number, section) in text.split("\n### ").skip(1).enumerate() {
        let title = section.lines().next().unwrap_or_default();
        let [perl, rust, keys, prints] =
            ["perl", "rust", "keys", "text"].map(|language| block(section, language));
        let (Some(perl), Some(rust), Some(prints)) = (perl, rust, prints) else { continue };
        let rust = rust.replacen("fn main()", "pub(super) fn main()", 1);
        list += &format!(
            "Pair {{ title: {title:?}, ours: pair_{number}::main, perl: {perl:?}, keys: {keys:?}, prints: {prints:?} }},\n"
        );
        modules += &format!("mod pair_{number} {{\n{rust}}}\n");
    }
    let source = format!("const PAIRS: &[Pair] = &[\n{list}];\n{modules}");
    let folder = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&folder).join("porting.rs"), source)
}

/// The first block of a language in a section.
fn block<'a>(section: &'a str, language: &str) -> Option<&'a str> {
    let (_, rest) = section.split_once(&format!("\n```{language}\n"))?;
    Some(rest.split_once("```\n")?.0)
}
