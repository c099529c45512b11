use super::*;
use crate::read_line::stroke;

/// An editor, and what came of the keys that it was given.
struct Typist {
    editor: Editor,
    effects: Vec<Effect>,
}

impl Typist {
    fn new() -> Self {
        let mut editor = Editor::new("test");
        editor.begin();
        Self { editor, effects: Vec::new() }
    }

    fn vi() -> Self {
        let mut typist = Self::new();
        typist.editor.set("editing-mode", "vi");
        typist.editor.begin();
        typist
    }

    fn with_history(mut self, lines: &[&str]) -> Self {
        lines.iter().for_each(|line| self.editor.history.add([(*line).to_owned()]));
        self
    }

    /// Types keys that are written as in an init file.
    fn keys(&mut self, keys: &str) -> &mut Self {
        let octets = crate::read_line::key::unquoted(keys);
        for key in stroke::keys(&octets) {
            let effects = self.editor.typed(Stroke::Key(key));
            self.effects.extend(effects);
            loop {
                let more = self.editor.go_on();
                if more.is_empty() {
                    break;
                }
                self.effects.extend(more);
            }
        }
        self
    }

    /// The line, with `|` where the cursor is.
    fn line(&self) -> String {
        let (text, at) = (self.editor.text(), self.editor.cursor());
        format!("{}|{}", &text[..at], &text[at..])
    }
}

/// What lines look like after keys, from an empty one.
fn check(typist: fn() -> Typist, cases: &[(&str, &str)]) {
    for (keys, line) in cases {
        let mut typist = typist();
        typist.keys(keys);
        assert_eq!(typist.line(), *line, "{keys}");
    }
}

// Conformance: WRL-01, WRL-02, WRL-03, WRL-04, WRL-05, WRL-06
#[test]
fn lines_are_edited_as_poe_does() {
    let cases = [
        ("this is a test", "this is a test"),
        (r"this is a test\C-h\C-h\C-h\C-hTEST\C-a\C-a\C-dT", "This is a TEST"),
        (
            r"one three five\C-a\C-b\eb\C-h\C-f\C-f\C-f two\C-e\C-e\C-f\C-d\ef\C-b\C-b\C-b\C-bfour ",
            "one two three four five",
        ),
        (r"one two three\ed\e\C-hfour\C-a\e\C-h\ed", "two four"),
        (
            r"LOWER upper other\C-a\C-f\C-f\C-f\el\ef\eb\C-f\C-f\C-f\eu\ec\C-e\el\eu\ec",
            "LOWer uppER Other",
        ),
        (r"one two 12\C-b\C-t\eb\eb\et\C-a\C-t\C-e12\C-t", "two one 2121"),
    ];
    for (keys, line) in cases {
        let mut typist = Typist::new();
        typist.keys(keys).keys(r"\C-j");
        assert_eq!(typist.editor.text(), line, "{keys}");
        assert_eq!(typist.effects.last(), Some(&Effect::Accept), "{keys}");
    }
}

#[test]
fn emacs_kills_and_yanks() {
    check(
        Typist::new,
        &[
            (r"one two\C-wx\C-y", "one xtwo|"),
            (r"one two\C-w\C-w\C-y", "one two|"),
            (r"a\C-ub\C-u\C-y", "b|"),
            (r"ab\C-b\C-k\C-u\C-y", "ab|"),
            (r"a\C-u \C-u \C-ub\C-y\ey", "b |"),
            (r"one two\C-a\e \ef\C-]\C-b\eb\C-k\C-y\C-y", "one twoone two|"),
            (r"one   two\C-b\C-b\C-b\e\\", "one|two"),
            (r"one\C-a\C-kx", "x|"),
            (r"one\C-x\C-?x", "x|"),
            (r"ab漢字\C-h\C-bx", "abx|漢"),
            (r"abc\C-a\e[2~xy", "xy|c"),
            (r"\C-v\C-a\C-v\e", "\x01\x1B|"),
            (r"x\C-y", "x|"),
            (r"a b\C-w c\ed\C-w\C-y", "a  c|"),
            (r"a b\ed\C-w\C-w\C-y", "a b|"),
            (r"abcdef\C-u\C-y\C-u\ey\ey", "|"),
        ],
    );
}

/// With keys for functions that no key is bound to.
fn bound() -> Typist {
    let mut typist = Typist::new();
    let keys = |text: &str| crate::read_line::key::sequence(text).unwrap();
    for (name, function) in [
        ("C-o", F::KillRegion),
        ("M-w", F::CopyRegionAsKill),
        ("M-o", F::InsertMacro),
        ("M-m", F::SetKeymap),
        ("M-v", F::KillWholeLine),
    ] {
        typist.editor.maps.bind(MapName::Emacs, keys(name), Binding::Function(function));
    }
    let again = Binding::Macro(keys(r#""ab\C-b""#).into());
    typist.editor.maps.bind(MapName::Emacs, keys("C-t"), again);
    typist
}

#[test]
fn regions_are_killed_and_copied() {
    check(
        bound,
        &[
            (r"one two\e \eb\C-o", "one |"),
            (r"one two\e \eb\C-o\C-a\C-y", "two|one "),
            (r"\e one \C-o\C-y\C-y", "one one |"),
            (r"one two\e \eb\ew", "one |two"),
            (r"one two\e \eb\ew\C-a\C-y", "two|one two"),
            (r"abc\e \C-h\C-h\C-o", "a|"),
            (r"one two\e \eb\C-o\C-_", "one |two"),
            (r"one two\e \eb\C-o\C-w\C-y", "one two|"),
            (r"one two\eb\evx", "x|"),
        ],
    );
}

#[test]
fn the_last_macro_is_played_again() {
    check(bound, &[(r"\C-t\eo", "aa|bb"), (r"\C-t\C-e\eo\C-ex", "ababx|")]);
    assert_eq!(bound().keys(r"\eo").effects, [Effect::Bell]);
}

#[test]
fn another_key_map_is_gone_over_to() {
    let mut typist = bound();
    typist.editor.set("keymap", "vi-command");
    // What was overwritten is inserted before again, when the keys are those of vi.
    typist.keys(r"abc\C-a\e[2~\em$xi12");
    assert_eq!(typist.line(), "a12|b");
}

#[test]
fn what_the_wheel_has_to_do_is_told_to_it() {
    assert_eq!(Typist::new().keys(r"ab\C-x\C-r").effects, [Effect::ReadInitFile]);
    let mut typist = Typist::new();
    assert_eq!(typist.editor.call(F::RedrawCurrentLine, Key::char('x')), [Effect::Redraw]);
    // As POE's, which has no tabs in lines.
    typist.keys(r"ab\e\C-i");
    assert_eq!((typist.line().as_str(), &typist.effects[..]), ("ab|", &[Effect::Bell][..]));
}

#[test]
fn arguments_are_counts() {
    check(
        Typist::new,
        &[
            (r"\e5x", "xxxxx|"),
            (r"\e12x", "xxxxxxxxxxxx|"),
            (r"abcdef\e3\C-b", "abc|def"),
            (r"abcdef\e-\e2\C-f", "abcd|ef"),
            (r"one two three\C-a\e2\ed", "|three"),
            (r"abcdef\C-a\e-\C-f", "|abcdef"),
            (r"axbxc\C-a\e2\C-]x", "axb|xc"),
            (r"axbxc\e\C-]x", "axb|xc"),
            (r"one two three\e2\C-w", "one |"),
            (r"abcdef\C-a\C-f\e3\C-t", "bcda|ef"),
            (r"abcdef\e2\C-b\e-\C-t", "abd|cef"),
            (r"abcdef\e2\C-b\e0\C-t", "abcd|ef"),
            (r"abcdef\e3\C-t", "abcdfe|"),
            (r"abcdef\C-a\C-f\e9\C-t", "bcdefa|"),
            (r"a b c d\C-a\C-f\e2\et", "c b a| d"),
            (r"a b c d\C-a\C-f\e-\et", "a| b c d"),
            (r"ab \C-w\e3\C-y", "ab ab ab |"),
            (r"x\C-wab\C-w\e3\C-y\ey", "x|"),
            (r"one two\eb\e-\C-k", "|two"),
            (r"one two\eb\e-\C-k\C-y", "one |two"),
            (r"one two\eb\e-\C-x\C-?", "one |"),
            (r"x\e-5y", "x|"),
        ],
    );
    check(
        Typist::vi,
        &[
            (r"one two three\e2\C-w", "one |e"),
            (r"one two\e02x3.", "|wo"),
            (r"one two\e02x.", "|two"),
            (r"one two\e0x12.", "|"),
            (r"a b c d e f\e0d2w3.", "|f"),
            (r"a b c d e f\e0dw2.", "|d e f"),
            (r"abc def ghi\ebd0$2.", "|i"),
        ],
    );
}

#[test]
fn changes_are_taken_back() {
    check(
        Typist::new,
        &[
            (r"one two\C-w\C-_", "one two|"),
            (r"one two\C-w\C-_\C-_", "|"),
            (r"one\C-a\C-kx\er", "|"),
            (r"abc\C-h\C-h\e2\C-_", "abc|"),
            (r"abc\C-a\C-d\C-ex\C-_", "bc|"),
        ],
    );
    let mut typist = Typist::new();
    typist.keys(r"\C-_");
    assert_eq!(typist.effects, [Effect::Bell]);
}

#[test]
fn lines_end_in_other_ways() {
    let end = |keys: &str| Typist::new().keys(keys).effects.clone();
    assert_eq!(end(r"ab\C-c"), [Effect::Except(Exception::Interrupt)]);
    assert_eq!(end(r"ab\C-g"), [Effect::Except(Exception::Cancel)]);
    assert_eq!(end(r"\C-d"), [Effect::Except(Exception::Eot)]);
    assert_eq!(end(r"a\C-a\C-d\C-d"), [Effect::Bell], "a key that repeats does not end it");
    let mut typist = Typist::new();
    typist.keys(r"x\e#");
    assert_eq!((typist.editor.text(), &typist.effects[..]), ("#x", &[Effect::Accept][..]));
    assert_eq!(Typist::vi().keys(r"\C-d").effects, [Effect::Except(Exception::Eot)]);
    assert_eq!(Typist::new().keys(r"\C-z\C-l").effects, [Effect::Suspend, Effect::Clear]);
}

fn with_past() -> Typist {
    Typist::new().with_history(&["first one", "second two", "third one"])
}

#[test]
fn the_past_comes_back() {
    check(
        with_past,
        &[
            (r"unfin\C-p", "third one|"),
            (r"unfin\C-p\C-p\C-n\C-n", "unfin|"),
            (r"unfin\e[A\eOA\e<", "first one|"),
            (r"unfin\e<\e>", "unfin|"),
            (r"\e2\C-p", "second two|"),
            (r"x \e.", "x one|"),
            (r"x \e.\e.", "x two|"),
            (r"x \e0\e.", "x third|"),
            (r"x \e\C-y", "x one|"),
        ],
    );
}

#[test]
fn the_past_is_searched() {
    check(
        with_past,
        &[
            (r"\C-rone", "third |one"),
            (r"\C-rone\C-r", "first |one"),
            (r"\C-rone\C-r\C-s", "third |one"),
            (r"x\C-rone\C-g", "x|"),
            (r"\C-rtwo\C-ax", "x|second two"),
            (r"\C-rtwo\e", "second |two"),
            (r"\C-rtwx\C-h", "second |two"),
            (r"\C-rone\C-rz\efx", "first onex|"),
            (r"\epsec\C-m", "|second two"),
            (r"x\epnone\C-m", "x|"),
            (r"x\ep\C-g", "x|"),
            (r"\C-p\C-p\C-p\enthird\C-m", "|third one"),
        ],
    );
    let mut typist = with_past();
    typist.keys(r"\C-rtw");
    assert_eq!(typist.editor.prompt().as_deref(), Some("(reverse-i-search)`tw': "));
    typist.keys("z");
    assert_eq!(typist.editor.prompt().as_deref(), Some("(failed reverse-i-search)`twz': "));
    typist.keys(r"\C-m");
    assert_eq!(
        (typist.editor.text(), typist.effects.last()),
        ("second two", Some(&Effect::Accept))
    );
}

#[test]
fn vi_moves_and_operates() {
    check(
        Typist::vi,
        &[
            (r"one two\e", "one tw|o"),
            (r"one two\e0", "|one two"),
            (r"one two\ebx", "one |wo"),
            (r"one two\e0dw", "|two"),
            (r"one two three\e02dw", "|three"),
            (r"one two three\e0d2w", "|three"),
            (r"a b c d e f g\e02d3w", "|g"),
            (r"one two\e0cwx", "x| two"),
            (r"one two\e0de", "| two"),
            (r"one two\edd", "|"),
            (r"one two\ebD", "one| "),
            (r"one two\e0ywP", "one| one two"),
            (r"one\eyyp", "oneon|e"),
            (r"one two\e0ftx", "one |wo"),
            (r"axbxc\e0fx;r-", "axb|-c"),
            (r"axbxc\e0fx;,r-", "a|-bxc"),
            (r"axbxc\e0dtx", "|xbxc"),
            (r"axbxc\eFxx", "axb|c"),
            (r"abc\e03r-", "--|-"),
            (r"abc\e03~", "AB|C"),
            (r"f(a)x\e0%x", "f(a|x"),
            (r"f(a)x\e0ld%", "f|x"),
            (r"abcdef\e3|x", "ab|def"),
            (r"  ab\e^x", "  |b"),
            (r"abcdef\e0mall`ax", "|bcdef"),
            (r"abcdef\e0ma$d`a", "|f"),
            (r"abc\eIx\e", "|xabc"),
            (r"abc\e0Ax", "abcx|"),
            (r"abc\e0ax", "ax|bc"),
            (r"abc\e0sx", "x|bc"),
            (r"abc\eSx", "x|"),
            (r"abc\e0Rxy\e", "x|yc"),
            (r"abc\e0R\e", "|abc"),
            (r"abc\eX", "a|c"),
            (r"one two\e0cfox", "x|"),
            (r"abc\eda", "ab|c"),
        ],
    );
}

#[test]
fn vi_operates_as_far_as_motions_go() {
    check(
        Typist::vi,
        &[
            (r"axbc\eTxr-", "ax|-c"),
            (r"axbcd\edTx", "ax|d"),
            (r"axbcxd\eTx;r-", "ax|-cxd"),
            (r"axbcxd\e2Txr-", "ax|-cxd"),
            (r"one two\ebCx\e", "one |x"),
            (r"one two\ebc$x\e", "one |x"),
            (r"one two\e0wd$", "one| "),
            (r"one two\e0wd\e[F", "one| "),
            (r"one two\ebd\e[H", "|two"),
            (r"  one two\ebd^", "  |two"),
            (r"  one\e0d^", "|one"),
            (r"abc\e0dl", "|bc"),
            (r"abc\e0d ", "|bc"),
            (r"abc\e0d\e[C", "|bc"),
            (r"abcd\e0d2l", "|cd"),
            (r"abc\edh", "a|c"),
            (r"abc\e0clx\e", "|xbc"),
            (r"abc\e0ylP", "|aabc"),
            (r"abcdef\ed3|", "ab|f"),
            (r"one two\e0wYP", "one tw|otwo"),
            (r"abc\exxU", "|"),
            (r"one two\e0wdwu", "one |two"),
        ],
    );
    let mut typist = Typist::vi();
    typist.keys(r"abc\e#");
    assert_eq!((typist.editor.text(), &typist.effects[..]), ("#abc", &[Effect::Accept][..]));
    let mut typist = Typist::vi();
    typist.keys(r"~root/x\e0&y\e");
    let text = typist.editor.text();
    assert!(text.starts_with('/') && text.ends_with("/xy"), "{text}");
}

fn vi_with_past() -> Typist {
    Typist::vi().with_history(&["fix one", "two", "fix two", "fix three"])
}

#[test]
fn vi_has_a_past() {
    check(
        vi_with_past,
        &[
            (r"\e/fix\C-m", "|fix three"),
            (r"\e/fix\C-mn", "|fix two"),
            (r"\e/fix\C-mnn", "|fix one"),
            (r"\e/fix\C-mnnN", "|fix two"),
            (r"\e/fix\C-mnnnN", "|fix two"),
            (r"\e1G?fix\C-m", "|fix two"),
            (r"\e1G?fix\C-mnN", "|fix two"),
            (r"\e/twx\C-h\C-m", "|fix two"),
            (r"\e/twx\C-?o\C-m", "|fix two"),
            (r"ab\e/x\C-h\C-hx", "|a"),
            (r"ab\e/x\C-g", "a|b"),
            (r"a\e_b", "athreeb|"),
            (r"ab \e0_\ex", "athre|b "),
            (r"ab\e0_\eu", "|ab"),
            (r"ab\e9_x", "|a"),
        ],
    );
}

#[test]
fn vi_completes_the_word_that_the_cursor_is_on() {
    let words = ["banana", "bandana", "cherry"].map(str::to_owned);
    let complete = |keys: &str, then: &str| {
        let mut typist = Typist::vi();
        typist.keys(keys);
        let Some(Effect::Complete(asked, how)) = typist.effects.pop() else { panic!("{keys}") };
        let effects = typist.editor.completed(&asked, how, words.to_vec(), 20);
        typist.keys(then);
        (typist.line(), effects)
    };
    assert_eq!(complete(r"a ch b\eb\\", "!").0, "a cherry!| b");
    assert_eq!(complete(r"a b\e0w\\", "!"), ("a ban!|".to_owned(), vec![Effect::Bell]));
    assert_eq!(complete(r"ban\e0*", "!").0, "banana bandana!|");
    let listed = Effect::Print(vec!["banana".into(), "bandana".into()]);
    assert_eq!(complete(r"ban\e0=", "x"), ("|an".to_owned(), vec![listed]));
    assert_eq!(complete(r"c\e\\", r"!\e").0, "cherry|!");
}

#[test]
fn vi_does_things_again() {
    check(
        Typist::vi,
        &[
            (r"abcdef\e0x.", "|cdef"),
            (r"one two three\e0dw.", "|three"),
            (r"one two\e0cwx\ew.", "x |x"),
            (r"ab\e.", "aa|bb"),
            (r"abc\e0xu", "|abc"),
            (r"abcdef\e03x.u", "|def"),
        ],
    );
    let mut typist = Typist::vi().with_history(&["first", "second"]);
    typist.keys(r"x\ek");
    assert_eq!(typist.line(), "secon|d");
    typist.keys("1G");
    assert_eq!(typist.line(), "firs|t");
    typist.keys(r"G/sec\C-m");
    assert_eq!(typist.editor.text(), "first", "nothing is before the first");
    typist.keys("j");
    assert_eq!(typist.editor.text(), "second");
    typist.keys(r"/fir\C-m");
    assert_eq!(typist.line(), "|first");
}

#[test]
fn modes_change_by_keys() {
    let mut typist = Typist::new();
    typist.keys(r"ab\e\C-j");
    assert_eq!(typist.editor.settings.get("editing-mode"), "vi");
    typist.keys(r"\e0x\C-e\C-dc");
    assert_eq!(typist.line(), "c|");
}

#[test]
fn keys_play_macros_but_not_for_ever() {
    let mut typist = Typist::new();
    let keys = |text: &str| crate::read_line::key::sequence(text).unwrap();
    let play = |text: &str| Binding::Macro(keys(text).into());
    typist.editor.maps.bind(MapName::Emacs, keys("C-o"), play(r#""a\C-bb""#));
    typist.editor.maps.bind(MapName::Emacs, keys("C-\\"), play(r#""\C-\\""#));
    typist.keys(r"\C-o\C-o");
    assert_eq!(typist.line(), "bb|aa");
    typist.keys(r"\C-\");
    assert_eq!(typist.effects, [Effect::Bell]);
    assert!(typist.editor.call(F::InsertMacro, Key::ESCAPE).contains(&Effect::Bell));
}

#[test]
fn words_are_completed() {
    let words = ["banana", "bandana", "cherry"].map(str::to_owned);
    let complete = |typist: &mut Typist, keys: &str| {
        typist.effects.clear();
        typist.keys(keys);
        let Some(Effect::Complete(asked, how)) = typist.effects.pop() else { panic!("{keys}") };
        let effects = typist.editor.completed(&asked, how, words.to_vec(), 20);
        (asked, effects)
    };
    let mut typist = Typist::new();
    let (asked, effects) = complete(&mut typist, r"x b rest\C-a\ef\ef\C-i");
    assert_eq!((asked.word.as_str(), asked.start, asked.cursor), ("b", 2, 3));
    assert_eq!((typist.line().as_str(), &effects[..]), ("x ban| rest", &[Effect::Bell][..]));
    let (_, effects) = complete(&mut typist, r"\C-i");
    assert_eq!(effects, [Effect::Print(vec!["banana".into(), "bandana".into()])]);
    typist.editor.set("print-completions-horizontally", "on");
    let (_, effects) = complete(&mut typist, r"\e?");
    assert_eq!(effects, [Effect::Print(vec!["banana   bandana".into()])]);
    complete(&mut typist, r"d\C-i");
    assert_eq!(typist.line(), "x bandana| rest");
    let (_, effects) = complete(&mut typist, r"q\C-i");
    assert_eq!(effects, [Effect::Bell]);
    complete(&mut typist, r"\C-e c\e*");
    assert_eq!(typist.editor.text(), "x bandanaq rest cherry");
}

#[test]
fn what_there_is_is_told() {
    let mut typist = Typist::new();
    typist.keys(r"\C-xk\C-a\C-xv\C-xm\C-q");
    let printed: Vec<String> = typist
        .effects
        .iter()
        .flat_map(
            |effect| if let Effect::Print(lines) = effect { lines.clone() } else { Vec::new() },
        )
        .collect();
    assert_eq!(printed[0], "C-a: beginning-of-line");
    assert!(printed.contains(&"editing-mode is set to \"emacs\"".to_owned()), "{printed:?}");
    assert!(printed.last().unwrap().starts_with("\"\" at 0"), "{printed:?}");
}

#[test]
fn home_directories_have_names() {
    let home = std::env::var("HOME").unwrap();
    let mut typist = Typist::new();
    typist.keys(r"cd ~/x\e~");
    assert_eq!(typist.editor.text(), format!("cd {home}/x"));
    let mut typist = Typist::new();
    typist.keys(r"~root\e&");
    assert!(typist.editor.text().starts_with('/'), "{}", typist.editor.text());
}

#[test]
fn init_files_bind_keys() {
    let mut editor = Editor::new("test");
    let bind = |keys: &str, name: &str| Directive::Bind {
        keys: crate::read_line::key::sequence(keys).unwrap(),
        to: Target::Function(name.to_owned()),
    };
    let set = |name: &str, value: &str| Directive::Set { name: name.into(), value: value.into() };
    let directives = vec![
        bind("C-o", "kill-whole-line"),
        set("keymap", "vi-command"),
        bind("Z", "beginning-of-line"),
    ];
    editor.apply(directives);
    editor.begin();
    let mut typist = Typist { editor, effects: Vec::new() };
    assert_eq!(typist.keys(r"abc\C-od").line(), "d|");
    typist.editor.set("editing-mode", "vi");
    assert_eq!(typist.keys(r"ef\eZ").line(), "|def");
}

#[test]
fn a_paste_is_nobodys_command() {
    let mut typist = Typist::new();
    typist.keys("ab");
    typist.editor.typed(Stroke::Paste("x\x01\ny".to_owned()));
    assert_eq!(typist.line(), "abx\x01\ny|");
    typist.keys(r"\C-_");
    assert_eq!(typist.line(), "ab|");
}

#[test]
fn macros_go_on_in_the_next_line() {
    let mut typist = Typist::new();
    let keys = |text: &str| crate::read_line::key::sequence(text).unwrap();
    let bind = |typist: &mut Typist, name: &str, text: &str| {
        typist.editor.maps.bind(MapName::Emacs, keys(name), Binding::Macro(keys(text).into()));
    };
    bind(&mut typist, "C-o", r#""one\C-mtwo""#);
    typist.keys(r"\C-o");
    assert_eq!((typist.line().as_str(), &typist.effects[..]), ("one|", &[Effect::Accept][..]));
    typist.editor.begin();
    assert_eq!(typist.editor.go_on(), []);
    assert_eq!(typist.line(), "two|");
    // But not when the line was given up.
    bind(&mut typist, "C-o", r#""\C-gthree""#);
    typist.keys(r"\C-o");
    typist.editor.begin();
    assert_eq!(typist.editor.go_on(), []);
    assert_eq!(typist.line(), "|");
}

#[test]
fn lines_do_not_grow_for_ever() {
    let mut typist = Typist::vi();
    typist.keys(r"x\e");
    for _ in 0..10 {
        typist.keys("dd99999p");
    }
    assert!(typist.editor.text().len() <= LONGEST && typist.effects.contains(&Effect::Bell));
    let mut typist = Typist::new();
    let keys = |text: &str| crate::read_line::key::sequence(text).unwrap();
    let doubles = Binding::Macro(keys(r#""x\C-a\C-k\C-y\C-y""#).into());
    typist.editor.maps.bind(MapName::Emacs, keys("C-o"), doubles);
    typist.keys(&r"\C-o".repeat(30));
    assert!(typist.editor.text().len() <= LONGEST && typist.effects.contains(&Effect::Bell));
    typist.editor.typed(Stroke::Paste("x".repeat(LONGEST + 1)));
    assert!(typist.editor.text().len() <= LONGEST);
    // Nor does what is looked for. Were it to be looked for by each character, this would not end soon.
    let mut typist = Typist::new().with_history(&["x".repeat(LONGEST - 1).as_str(), "other"]);
    typist.keys(r"\C-r");
    (0..9).for_each(|_| drop(typist.editor.typed(Stroke::Paste("x".repeat(LONGEST / 4)))));
    assert!(typist.editor.prompt().unwrap().len() < LONGEST + 99);
    assert_eq!(typist.keys(r"\C-m").editor.text().len(), LONGEST - 1);
}

#[test]
fn no_function_hangs_for_any_argument() {
    for argument in
        [r"\e-\e9\e9\e9\e9\e9\e9\e9\e9\e9", r"\e9\e9\e9\e9\e9\e9\e9\e9\e9", r"\e0", r"\e-"]
    {
        for function in F::ALL {
            let mut typist = Typist::new().with_history(&["one two", "", "three"]);
            typist.keys(r"one (two) é漢 three\eb\eb\C-w\C-y");
            typist.keys(argument);
            typist.editor.call(*function, Key::char('x'));
            typist.keys(r"x\C-m");
            assert!(typist.editor.text().len() <= LONGEST, "{function}");
        }
    }
}

#[test]
fn what_is_added_to_the_past_does_not_disturb_who_is_there() {
    let mut typist = Typist::new().with_history(&["one", "two"]);
    typist.keys(r"unfinished\C-p");
    typist.editor.history.add(["three".to_owned()]);
    typist.keys(r"\C-n");
    assert_eq!(typist.line(), "three|");
    typist.keys(r"\C-n");
    assert_eq!(typist.line(), "unfinished|");
    typist.editor.history.add(["four".to_owned()]);
    typist.keys(r"\C-p");
    assert_eq!(typist.line(), "four|");
}

#[test]
fn lines_without_words_are_passed_over() {
    let typist = || Typist::new().with_history(&["a b", "", " ", "c"]);
    check(typist, &[(r"\e.", "c|"), (r"\e.\e.", "b|"), (r"\e.\e.\e.", "b|"), (r"\e9\e.", "|")]);
}

#[test]
fn keys_are_quoted_as_the_terminal_sends_them() {
    check(
        Typist::new,
        &[
            (r"\C-v\e[A\C-v\e[3~\C-v\eOP", "\x1B[A\x1B[3~\x1BOP|"),
            (r"ab\C-v\eb", "ab\x1Bb|"),
            (r"\C-v\C-?", "\x7F|"),
        ],
    );
}

#[test]
fn keys_typed_soon_after_escape_are_keys() {
    check(Typist::vi, &[(r"abc\e0f\ex", "|bc"), (r"abc\e0r\ex", "|bc"), (r"abc\e0d\ex", "|bc")]);
}

#[test]
fn searches_ask_as_they_are_asked_for() {
    let mut typist = Typist::vi().with_history(&["one"]);
    typist.keys(r"\e/");
    assert_eq!(typist.editor.prompt().as_deref(), Some("/"));
    typist.keys(r"\e?");
    assert_eq!(typist.editor.prompt().as_deref(), Some("?"));
    let mut typist = Typist::new().with_history(&["one"]);
    typist.keys(r"x\ep");
    assert_eq!(typist.editor.prompt().as_deref(), Some(":"));
    typist.editor.set("isearch-terminators", "");
    typist.keys(r"\C-g\C-rone\e");
    typist.editor.go_on();
    typist.keys("y");
    assert_eq!(typist.line(), "xy|");
    for terminators in [r#""\033\C-x""#, "C-[ C-x", "ESC Control-x"] {
        for key in [r"\C-[", r"\C-x"] {
            let mut typist = Typist::new().with_history(&["one"]);
            typist.editor.set("isearch-terminators", terminators);
            typist.keys(&format!(r"\C-ron{key}")).keys("y");
            assert_eq!(typist.line(), "y|one", "{terminators} {key}");
        }
    }
}

#[test]
fn what_is_listed_does_nothing_to_the_terminal() {
    let mut typist = Typist::new();
    typist.keys(r"\e?");
    let Some(Effect::Complete(asked, how)) = typist.effects.pop() else { panic!("no completion") };
    let words = vec!["a\x1B[2J".to_owned(), "b\n".to_owned()];
    let effects = typist.editor.completed(&asked, how, words, 20);
    assert_eq!(effects, [Effect::Print(vec!["a\u{FFFD}[2J".into(), "b\u{FFFD}".into()])]);
}
