//! Init files: variables and bindings, as `.inputrc` has them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::function::Function;
use super::key::{self, Key};

/// Which init file is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum InitFile {
    /// None, neither at first nor when it is asked for again.
    No,
    #[default]
    Usual,
    Named(PathBuf),
}

impl InitFile {
    /// Where it is (POE: `$INPUTRC`, or `.inputrc` in the home directory).
    pub(super) fn path(&self) -> Option<PathBuf> {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        match self {
            Self::No => None,
            Self::Usual => var("INPUTRC")
                .map(PathBuf::from)
                .or_else(|| Some(PathBuf::from(var("HOME")?).join(".inputrc"))),
            Self::Named(path) => Some(path.clone()),
        }
    }
}

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

/// Files that include themselves twice do so at each depth.
const FILES: usize = 100;

/// No file is read further, in octets: it may be a device that never ends.
const LENGTH: u64 = 1 << 20;

/// What a file asks for, and what in it is wrong.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) directives: Vec<Directive>,
    pub(super) complaints: Vec<String>,
}

/// Reads a file; one that is not there asks for nothing. Keys are bound to functions that everybody has, or this program.
pub(super) fn read(path: &Path, about: &About<'_>, is_added: &dyn Fn(&str) -> bool) -> Parsed {
    let mut parser = Parser::new(about, is_added);
    parser.include(path, 0);
    parser.parsed
}

struct Parser<'a> {
    about: &'a About<'a>,
    is_added: &'a dyn Fn(&str) -> bool,
    /// What it is set to so far.
    editing_mode: String,
    files: usize,
    parsed: Parsed,
}

impl<'a> Parser<'a> {
    fn new(about: &'a About<'a>, is_added: &'a dyn Fn(&str) -> bool) -> Self {
        let editing_mode = about.editing_mode.to_owned();
        Self { about, is_added, editing_mode, files: 0, parsed: Parsed::default() }
    }

    fn include(&mut self, path: &Path, depth: usize) {
        self.files += 1;
        match read_some(path) {
            Ok(octets) => {
                self.parse(&String::from_utf8_lossy(&octets), depth, &path.to_string_lossy());
            }
            Err(error) if depth == 0 && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.parsed.complaints.push(format!("{}: {error}", path.display())),
        }
    }

    fn parse(&mut self, text: &str, depth: usize, file: &str) {
        // For each `$if`: whether it holds.
        let mut conditions: Vec<bool> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let is_on = !conditions.contains(&false);
            let complaint = if let Some(name) = line.strip_prefix('$') {
                let (name, rest) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
                match (name, conditions.last_mut()) {
                    ("if", _) => {
                        conditions.push(self.holds(rest.trim()));
                        None
                    }
                    ("else", Some(condition)) => {
                        *condition = !*condition;
                        None
                    }
                    ("endif", Some(_)) => {
                        conditions.pop();
                        None
                    }
                    ("else" | "endif", None) => Some(format!("${name} without $if")),
                    ("include", _) if !is_on => None,
                    ("include", _) if depth == DEPTH || self.files == FILES => {
                        Some("files include each other too deeply, or too many".to_owned())
                    }
                    ("include", _) => {
                        self.include(&home(rest.trim()), depth + 1);
                        None
                    }
                    _ => Some(format!("${name} is not known")),
                }
            } else if !is_on || line.is_empty() || line.starts_with('#') {
                None
            } else {
                self.take(line)
            };
            if let Some(what) = complaint {
                self.parsed.complaints.push(format!("{file}:{}: {what}", number + 1));
            }
        }
        if !conditions.is_empty() {
            self.parsed.complaints.push(format!("{file}: $if without $endif"));
        }
    }

    /// A variable or a binding; what is wrong if it is neither.
    fn take(&mut self, line: &str) -> Option<String> {
        let Some(directive) = directive(line) else {
            return Some("neither a variable nor a binding".to_owned());
        };
        match &directive {
            Directive::Set { name, value } if name == "editing-mode" => {
                self.editing_mode.clone_from(value);
            }
            Directive::Bind { to: Target::Function(name), .. }
                if Function::named(name).is_none() && !(self.is_added)(name) =>
            {
                return Some(format!("no function is called {name}"));
            }
            _ => {}
        }
        self.parsed.directives.push(directive);
        None
    }

    fn holds(&self, condition: &str) -> bool {
        match condition.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some(("mode", mode)) => mode == self.editing_mode,
            Some(("term", term)) => {
                let terminal = self.about.terminal;
                term == terminal || Some(term) == terminal.split('-').next()
            }
            Some(_) => false,
            None => condition.eq_ignore_ascii_case(self.about.application),
        }
    }
}

fn read_some(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    // One that waits for a writer is not waited for.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    file.take(LENGTH).read_to_end(&mut octets)?;
    Ok(octets)
}

fn directive(line: &str) -> Option<Directive> {
    if let Some((name, value)) = setting(line) {
        return Some(Directive::Set { name, value });
    }
    let (keys, target) = split_binding(line)?;
    let keys = key::sequence(keys)?;
    let target = target.trim();
    let to = match target.chars().next()? {
        quote @ ('"' | '\'') => Target::Macro(key::unquoted(quoted(&target[1..], quote))),
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

/// What there is before the quote that ends it.
fn quoted(text: &str, quote: char) -> &str {
    let mut escaped = false;
    let end = text.find(|char| {
        let ends = char == quote && !escaped;
        escaped = char == '\\' && !escaped;
        ends
    });
    &text[..end.unwrap_or(text.len())]
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
    use std::fs;

    use super::*;

    fn parsed(text: &str) -> Parsed {
        let about =
            About { application: "client", terminal: "xterm-256color", editing_mode: "emacs" };
        let mut parser = Parser::new(&about, &|name| name == "added");
        parser.parse(text, 0, "f");
        parser.parsed
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
            names(
                "$if mode=vi\nset x 1\n$endif\nset editing-mode vi\n$if mode = vi\nset a 1\n$endif"
            ),
            ["editing-mode", "a"]
        );
        assert_eq!(
            names("$if other\nset editing-mode vi\n$endif\n$if mode=emacs\nset a 1\n$endif"),
            ["a"]
        );
    }

    #[test]
    fn what_is_wrong_is_said_and_the_rest_counts() {
        let parsed =
            parsed("nonsense\n$fi\nC-a: undo\n$endif\nC-b: no-such-thing\nC-c: added\n$if x\n");
        assert_eq!(parsed.directives.len(), 2);
        let said = parsed.complaints.join("\n");
        for part in [
            "f:1: neither",
            "f:2: $fi",
            "f:4: $endif",
            "f:5: no function is called no-such-thing",
            "$if without $endif",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn macros_end_with_their_quote() {
        assert_eq!(
            names("C-o: \"a\\\"b\" # \"\nC-p: 'it' # x\nC-q: \"open"),
            ["a\"b", "it", "open"]
        );
    }

    /// A file that is removed at the end.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str, text: impl Fn(&Path) -> String) -> Self {
            let path = std::env::temp_dir().join(format!("poe-{name}-{}", std::process::id()));
            fs::write(&path, text(&path)).unwrap();
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn files_include_files_but_not_for_ever() {
        let once = |path: &Path| format!("set a 1\n$include {}\n", path.display());
        let file = Temporary::new("inputrc-once", once);
        let parsed = read(&file.0, &About::default(), &|_| false);
        assert_eq!(parsed.directives.len(), DEPTH + 1);
        assert_eq!(parsed.complaints.len(), 1, "{:?}", parsed.complaints);
        let path = file.0.clone();
        drop(file);
        assert!(read(&path, &About::default(), &|_| false).complaints.is_empty());

        let often = |path: &Path| format!("$include {}\n", path.display()).repeat(20);
        let file = Temporary::new("inputrc-often", often);
        let parsed = read(&file.0, &About::default(), &|_| false);
        assert!((1..20 * FILES).contains(&parsed.complaints.len()), "{}", parsed.complaints.len());
    }

    #[test]
    fn what_is_no_file_is_not_read_for_ever() {
        let parsed = read(Path::new("/dev/zero"), &About::default(), &|_| false);
        assert_eq!(parsed.complaints.len(), 1);
        let parsed = read(Path::new("/"), &About::default(), &|_| false);
        assert!(parsed.complaints[0].starts_with("/: "), "{:?}", parsed.complaints);
    }
}
