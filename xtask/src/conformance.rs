//! `cargo xtask conformance`: which cases of POE's own suites are cited by tests.
//!
//! `xtask/conformance.txt` lists the cases. A test that covers some says so in a comment that begins
//! with the word `Conformance` and a colon, then their numbers; where we differ on purpose, a line
//! of a document or a comment begins with `Difference` and a colon in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::cargo::root;
use crate::failure::{Failure, Result};

const LIST: &str = "xtask/conformance.txt";

/// A group of cases, such as `FLN`, the line filter.
struct Group {
    prefix: String,
    title: String,
    cases: Vec<Case>,
}

struct Case {
    id: String,
    title: String,
}

/// What a line says of the cases that it names.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    /// A test covers them.
    Conformance,
    /// We differ from the original there, and the line's document says why.
    Difference,
}

/// Where each case is named: `file:line`, by number.
#[derive(Default)]
struct Named {
    cited: BTreeMap<String, Vec<String>>,
    differences: BTreeMap<String, Vec<String>>,
}

/// Prints the table by group; with `--list` also the open cases, with `--verbose` also where each is
/// cited. Fails when a number is cited that the list does not have.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut list, mut verbose) = (false, false);
    for argument in arguments {
        match argument.as_str() {
            "--list" => list = true,
            "--verbose" => verbose = true,
            other => return Err(Failure::new(format!("unexpected argument {other:?}"))),
        }
    }
    let groups = parse_list(&read(&root().join(LIST))?)?;
    let named = scan()?;
    if verbose {
        print_where(&groups, &named);
    }
    if list {
        print_open(&groups, &named);
    }
    print_table(&groups, &named);
    refuse_unknown(&groups, &named)
}

fn refuse_unknown(groups: &[Group], named: &Named) -> Result<()> {
    let known: BTreeSet<&str> =
        groups.iter().flat_map(|group| &group.cases).map(|case| case.id.as_str()).collect();
    let mut unknown = Vec::new();
    for (id, places) in named.cited.iter().chain(&named.differences) {
        if !known.contains(id.as_str()) {
            unknown.push(format!("{id} ({})", places.join(", ")));
        }
    }
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("{LIST} has no case {}", unknown.join(", "))))
    }
}

fn print_table(groups: &[Group], named: &Named) {
    println!(
        "{:<6} {:<46} {:>5} {:>5} {:>6} {:>5}",
        "group", "", "cases", "cited", "differ", "open"
    );
    let mut totals = [0; 4];
    for group in groups {
        let counts = count(group, named);
        print_row(&group.prefix, &group.title, counts);
        for (total, count) in totals.iter_mut().zip(counts) {
            *total += count;
        }
    }
    print_row("total", "", totals);
}

fn print_row(prefix: &str, title: &str, [cases, cited, differ, open]: [usize; 4]) {
    println!("{prefix:<6} {title:<46} {cases:>5} {cited:>5} {differ:>6} {open:>5}");
}

/// Cases, cited, listed as differences and not cited, and neither.
fn count(group: &Group, named: &Named) -> [usize; 4] {
    let cases = group.cases.len();
    let cited = group.cases.iter().filter(|case| named.cited.contains_key(&case.id)).count();
    let open = group.cases.iter().filter(|case| is_open(case, named)).count();
    [cases, cited, cases - cited - open, open]
}

fn is_open(case: &Case, named: &Named) -> bool {
    !named.cited.contains_key(&case.id) && !named.differences.contains_key(&case.id)
}

fn print_open(groups: &[Group], named: &Named) {
    for case in groups.iter().flat_map(|group| &group.cases) {
        if is_open(case, named) {
            println!("{}  {}", case.id, case.title);
        }
    }
    println!();
}

fn print_where(groups: &[Group], named: &Named) {
    for case in groups.iter().flat_map(|group| &group.cases) {
        println!("{}  {}", case.id, case.title);
        for place in named.cited.get(&case.id).into_iter().flatten() {
            println!("        {place}");
        }
        for place in named.differences.get(&case.id).into_iter().flatten() {
            println!("        {place} (difference)");
        }
    }
    println!();
}

/// The list: a group is `[FLN] Title`, a case below it `FLN-02 title`; `#` begins a comment.
fn parse_list(text: &str) -> Result<Vec<Group>> {
    let wrong = |number: usize, why: &str| Failure::new(format!("{LIST}:{}: {why}", number + 1));
    let mut groups: Vec<Group> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((prefix, title)) = line.strip_prefix('[').and_then(|l| l.split_once(']')) {
            let title = title.trim().to_owned();
            groups.push(Group { prefix: prefix.to_owned(), title, cases: Vec::new() });
            continue;
        }
        let (id, title) = line.split_once(' ').unwrap_or((line, ""));
        let group = groups.last_mut().ok_or_else(|| wrong(number, "a case before any group"))?;
        if !is_id(id) || !id.starts_with(&group.prefix) {
            return Err(wrong(number, "not a case of its group"));
        }
        if group.cases.iter().any(|case| case.id == id) {
            return Err(wrong(number, "a case that is there already"));
        }
        group.cases.push(Case { id: id.to_owned(), title: title.trim().to_owned() });
    }
    Ok(groups)
}

/// Reads every source file and document that may name a case.
fn scan() -> Result<Named> {
    let mut named = Named::default();
    for path in files()? {
        let text = read(&path)?;
        let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        collect(&text, &shown, is_source, &mut named)?;
    }
    Ok(named)
}

fn collect(text: &str, file: &str, is_source: bool, named: &mut Named) -> Result<()> {
    // The mark of the line before, when that ended in a comma.
    let mut continued = None;
    for (number, line) in text.lines().enumerate() {
        let Some(remark) = remark(line, is_source) else {
            continued = None;
            continue;
        };
        let (mark, list) = match marked(remark) {
            Some((Mark::Conformance, _)) if !is_source => continue,
            Some(found) => found,
            None => match continued.take() {
                Some(mark) => (mark, remark),
                None => continue,
            },
        };
        let (ids, rest) = ids(list);
        let wrong = |why: &str| Failure::new(format!("{file}:{}: {why}", number + 1));
        if ids.is_empty() {
            return Err(wrong("names no case"));
        }
        // Such as a range, or a number of one digit: it would be lost in silence.
        if mark == Mark::Conformance && rest.iter().any(|word| resembles_id(word)) {
            return Err(wrong("cases are written first and in full, as in FLN-02, FLN-03"));
        }
        let by_id = match mark {
            Mark::Conformance => &mut named.cited,
            Mark::Difference => &mut named.differences,
        };
        for id in ids {
            by_id.entry(id.to_owned()).or_default().push(format!("{file}:{}", number + 1));
        }
        continued = list.trim_end().ends_with(',').then_some(mark);
    }
    Ok(())
}

/// The words of a comment, or of a line of a document without what marks it as a list or a quote.
fn remark(line: &str, is_source: bool) -> Option<&str> {
    let line = line.trim();
    if is_source {
        let comment = line.strip_prefix("//")?;
        Some(comment.trim_start_matches(['/', '!']).trim_start_matches([' ', '-', '*']))
    } else {
        Some(line.trim_start_matches([' ', '-', '*', '>']))
    }
}

fn marked(remark: &str) -> Option<(Mark, &str)> {
    let (word, list) = remark.split_once(':')?;
    let mark = match word {
        "Conformance" => Mark::Conformance,
        "Difference" => Mark::Difference,
        _ => return None,
    };
    Some((mark, list.trim_start_matches(['*', ' '])))
}

/// The numbers at the head of a list, and the words after them.
fn ids(list: &str) -> (Vec<&str>, Vec<&str>) {
    let words: Vec<&str> = list
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| !word.is_empty())
        .collect();
    let count = words.iter().take_while(|word| is_id(word)).count();
    let rest = words[count..].to_vec();
    (words[..count].to_vec(), rest)
}

/// Three capitals, a hyphen, two digits.
fn is_id(word: &str) -> bool {
    word.len() == 6 && resembles_id(word)
}

/// Three capitals, a hyphen, digits.
fn resembles_id(word: &str) -> bool {
    let Some((group, number)) = word.split_once('-') else { return false };
    group.len() == 3
        && group.bytes().all(|byte| byte.is_ascii_uppercase())
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The sources of our crates and the documents, sorted.
fn files() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in entries(&root())? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_file() && name.ends_with(".md") {
            files.push(entry);
        } else if entry.is_dir()
            && (name.starts_with("poe-") || ["examples", "docs", "xtask"].contains(&&*name))
        {
            walk(&entry, &mut files)?;
        }
    }
    files.sort();
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in entries(folder)? {
        if entry.is_dir() {
            if entry.file_name().is_some_and(|name| name != "target") {
                walk(&entry, files)?;
            }
        } else if entry.extension().is_some_and(|extension| extension == "rs" || extension == "md")
        {
            files.push(entry);
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |error| Failure::new(format!("cannot read {}: {error}", folder.display()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        paths.push(entry.map_err(wrong)?.path());
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(text: &str, is_source: bool) -> (Vec<String>, Vec<String>) {
        let mut named = Named::default();
        collect(text, "file", is_source, &mut named).unwrap();
        (named.cited.into_keys().collect(), named.differences.into_keys().collect())
    }

    #[test]
    fn the_list_in_the_repository_is_well_formed() {
        let groups = parse_list(&read(&root().join(LIST)).unwrap()).unwrap();
        assert!(groups.iter().all(|group| !group.cases.is_empty()));
        for case in groups.iter().flat_map(|group| &group.cases) {
            assert!((1..=80).contains(&case.title.len()), "{}: {:?}", case.id, case.title);
        }
    }

    #[test]
    fn comments_cite_cases() {
        let source = "    // Conformance: FLN-02, FLN-03 (in one read)\n/// Conformance: QUE-01\n";
        assert_eq!(collected(source, true).0, ["FLN-02", "FLN-03", "QUE-01"]);
    }

    #[test]
    fn a_list_goes_on_after_a_comma() {
        let source = "// Conformance: FLN-02,\n// FLN-03\n// FLN-04 is another matter\n";
        assert_eq!(collected(source, true).0, ["FLN-02", "FLN-03"]);
    }

    #[test]
    fn code_and_prose_cite_nothing() {
        let source = "let s = \"Conformance: FLN-02\";\n// See Conformance: FLN-02\n";
        assert!(collected(source, true).0.is_empty());
        assert!(collected("Conformance: FLN-02\n", false).0.is_empty());
    }

    #[test]
    fn documents_list_differences() {
        let (cited, differences) = collected("- Difference: FLN-17: nothing stays\n", false);
        assert!(cited.is_empty());
        assert_eq!(differences, ["FLN-17"]);
    }

    #[test]
    fn a_citation_of_nothing_is_an_error() {
        let mut named = Named::default();
        assert!(collect("// Conformance: none", "file", true, &mut named).is_err());
    }

    #[test]
    fn a_number_that_would_be_lost_is_an_error() {
        for list in ["FLN-02 to FLN-05", "FLN-02, FLN-3", "FLN-02 (as FLN-04)"] {
            let mut named = Named::default();
            let comment = format!("// Conformance: {list}");
            assert!(collect(&comment, "file", true, &mut named).is_err(), "{list}");
        }
    }

    #[test]
    fn an_unknown_number_is_an_error() {
        let groups = parse_list("[FLN] Line\nFLN-02 default mode\n").unwrap();
        let mut named = Named::default();
        collect("// Conformance: FLN-02, FLN-99", "file", true, &mut named).unwrap();
        let failure = refuse_unknown(&groups, &named).unwrap_err().to_string();
        assert!(failure.contains("no case FLN-99 (file:1)"), "{failure}");
    }
}
