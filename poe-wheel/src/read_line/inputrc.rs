//! Init files: variables and bindings, as `.inputrc` has them.

use std::fs;
use std::path::{Path, PathBuf};

use super::key::{self, Key};

/// What a line of an init file asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Set { name: String, value: String },
    Bind { keys: Vec<Key>, to: Target },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Function(String),
    Macro(Vec<u8>),
}

/// What `$if` asks about.
#[derive(Clone, Debug, Default)]
pub(super) struct About<'a> {
    pub(super) application: &'a str,
    pub(super) terminal: &'a str,
    pub(super) editing_mode: &'a str,
}

/// Files that include files that include files.
const DEPTH: usize = 10;

/// What a file asks for, and what in it is wrong.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) directives: Vec<Directive>,
    pub(super) complaints: Vec<String>,
}

/// The init file that there is if none is named (POE: `$INPUTRC`, or `.inputrc` in the home directory).
pub(super) fn default_path() -> Option<PathBuf> {
    let named = std::env::var_os("INPUTRC").filter(|name| !name.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".inputrc")))
}

/// Reads a file; one that is not there asks for nothing.
pub(super) fn read(path: &Path, about: &About<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    include(path, about, 0, &mut parsed);
    parsed
}

fn include(path: &Path, about: &About<'_>, depth: usize, parsed: &mut Parsed) {
    match fs::read(path) {
        Ok(octets) => {
            parse(&String::from_utf8_lossy(&octets), about, depth, &path.to_string_lossy(), parsed);
        }
        Err(error) if depth == 0 && error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => parsed.complaints.push(format!("{}: {error}", path.display())),
    }
}

fn parse(text: &str, about: &About<'_>, depth: usize, file: &str, parsed: &mut Parsed) {
    // For each `$if`: whether it holds.
    let mut conditions: Vec<bool> = Vec::new();
    let mut about = about.clone();
    let mode;
    // The last one to be set counts for what follows.
    let set_mode = text
        .lines()
        .find_map(|line| setting(line.trim()).filter(|(name, _)| name == "editing-mode"));
    if let Some((_, value)) = set_mode {
        mode = value;
        about.editing_mode = &mode;
    }
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let mut complain = |what: &str| {
            parsed.complaints.push(format!("{file}:{}: {what}", number + 1));
        };
        if let Some(directive) = line.strip_prefix('$') {
            let (name, rest) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
            match name {
                "if" => conditions.push(holds(rest.trim(), &about)),
                "else" => match conditions.last_mut() {
                    Some(condition) => *condition = !*condition,
                    None => complain("$else without $if"),
                },
                "endif" => {
                    if conditions.pop().is_none() {
                        complain("$endif without $if");
                    }
                }
                "include" if conditions.contains(&false) => {}
                "include" if depth == DEPTH => complain("files include each other too deeply"),
                "include" => include(&home(rest.trim()), &about, depth + 1, parsed),
                other => complain(&format!("${other} is not known")),
            }
        } else if !conditions.contains(&false) && !line.is_empty() && !line.starts_with('#') {
            match directive(line) {
                Some(directive) => parsed.directives.push(directive),
                None => complain("neither a variable nor a binding"),
            }
        }
    }
    if !conditions.is_empty() {
        parsed.complaints.push(format!("{file}: $if without $endif"));
    }
}

fn holds(condition: &str, about: &About<'_>) -> bool {
    match condition.split_once('=') {
        Some(("mode", mode)) => mode.trim() == about.editing_mode,
        Some(("term", term)) => {
            let family = about.terminal.split('-').next().unwrap_or_default();
            term.trim() == about.terminal || term.trim() == family
        }
        Some(_) => false,
        None => condition.eq_ignore_ascii_case(about.application),
    }
}

fn directive(line: &str) -> Option<Directive> {
    if let Some((name, value)) = setting(line) {
        return Some(Directive::Set { name, value });
    }
    let (keys, target) = split_binding(line)?;
    let keys = key::sequence(keys)?;
    let target = target.trim();
    let to = match target.chars().next()? {
        quote @ ('"' | '\'') => {
            let body = &target[1..];
            Target::Macro(key::unquoted(body.strip_suffix(quote).unwrap_or(body)))
        }
        _ => Target::Function(target.split_whitespace().next()?.to_ascii_lowercase()),
    };
    Some(Directive::Bind { keys, to })
}

fn setting(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("set")?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim();
    let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Some((name.to_ascii_lowercase(), value.trim().to_owned()))
}

/// The keys and what they are bound to: parted by the first colon that is not within quotes.
fn split_binding(line: &str) -> Option<(&str, &str)> {
    let (mut quoted, mut escaped) = (false, false);
    // A colon may be the key itself.
    for (at, char) in line.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ':' if !quoted && at > 0 => return Some((line[..at].trim(), &line[at + 1..])),
            _ => {}
        }
    }
    None
}

/// A path, of which `~/` is the home directory.
pub(super) fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        let about =
            About { application: "client", terminal: "xterm-256color", editing_mode: "emacs" };
        let mut parsed = Parsed::default();
        parse(text, &about, 0, "f", &mut parsed);
        parsed
    }

    fn names(text: &str) -> Vec<String> {
        let names = parsed(text).directives.into_iter().map(|directive| match directive {
            Directive::Set { name, .. } => name,
            Directive::Bind { to: Target::Function(name), .. } => name,
            Directive::Bind { to: Target::Macro(keys), .. } => String::from_utf8(keys).unwrap(),
        });
        names.collect()
    }

    #[test]
    fn lines_set_variables_and_bind_keys() {
        let parsed = parsed(
            "# nothing\n\nset Bell-Style none\n\"\\C-x:\": undo\nMeta-Rubout: kill-word # so\nC-o: \"a\\C-mb\"\n",
        );
        assert!(parsed.complaints.is_empty(), "{:?}", parsed.complaints);
        let bind = |keys: &str, to| Directive::Bind { keys: key::sequence(keys).unwrap(), to };
        assert_eq!(
            parsed.directives,
            [
                Directive::Set { name: "bell-style".into(), value: "none".into() },
                bind("C-x:", Target::Function("undo".into())),
                bind("M-rubout", Target::Function("kill-word".into())),
                bind("C-o", Target::Macro(b"a\rb".to_vec())),
            ]
        );
    }

    #[test]
    fn conditions_hold_or_not() {
        let text = "$if mode=vi\nset a 1\n$else\nset b 1\n$if term=xterm\nset c 1\n$endif\n$endif\n\
                    $if Client\nset d 1\n$endif\n$if other\nset e 1\n$if mode=emacs\nset f 1\n$endif\n$endif";
        assert_eq!(names(text), ["b", "c", "d"]);
        assert_eq!(
            names("set editing-mode vi\n$if mode=vi\nset a 1\n$endif"),
            ["editing-mode", "a"]
        );
    }

    #[test]
    fn what_is_wrong_is_said_and_the_rest_counts() {
        let parsed = parsed("nonsense\n$fi\nC-a: undo\n$endif\n$if x\n");
        assert_eq!(parsed.directives.len(), 1);
        let said = parsed.complaints.join("\n");
        for part in ["f:1: neither", "f:2: $fi", "f:4: $endif", "$if without $endif"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn files_include_files_but_not_for_ever() {
        let path = std::env::temp_dir().join(format!("poe-inputrc-{}", std::process::id()));
        fs::write(&path, format!("set a 1\n$include {}\n", path.display())).unwrap();
        let parsed = read(&path, &About::default());
        fs::remove_file(&path).unwrap();
        assert_eq!(parsed.directives.len(), DEPTH + 1);
        assert_eq!(parsed.complaints.len(), 1, "{:?}", parsed.complaints);
        assert!(read(&path, &About::default()).complaints.is_empty());
    }
}
