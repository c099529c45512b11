//! Keys, lines and what the screen shows of them.

use std::cell::Cell;
use std::time::Duration;

use poe_wheel::ReadLineEvent;

use crate::person::Program;

// Conformance: WRL-01, WRL-02, WRL-03, WRL-04, WRL-05, WRL-06
#[test]
fn keys_make_lines() {
    let program = Program::new(|builder| builder);
    let keys = [
        "this is a test\n",
        "this is a test\x08\x08\x08\x08TEST\x01\x01\x04T\n",
        "one three five\x01\x02\x1Bb\x08\x06\x06\x06 two\x05\x05\x06\x04\x1Bf\x02\x02\x02\x02four \n",
        "one two three\x1Bd\x1B\x08four\x01\x1B\x08\x1Bd\n",
        "LOWER upper other\x01\x06\x06\x06\x1Bl\x1Bf\x1Bb\x06\x06\x06\x1Bu\x1Bc\x05\x1Bl\x1Bu\x1Bc\n",
        "one two 12\x02\x14\x1Bb\x1Bb\x1Bt\x01\x14\x0512\x14\n",
    ];
    // Asking twice does no harm.
    program.act(|wheel| wheel.get("> "));
    for keys in keys {
        program.person.types(keys);
    }
    program.person.types("\x04");
    assert_eq!(
        program.end(),
        [
            "line this is a test",
            "line This is a TEST",
            "line one two three four five",
            "line two four",
            "line LOWer uppER Other",
            "line two one 2121",
            "eot"
        ]
    );
}

#[test]
fn the_screen_shows_what_is_typed() {
    let program = Program::sized(10, 5, |builder| builder);
    program.until_seen(">");
    assert!(program.is_raw());
    program.person.types("abc漢字def");
    program.until_seen("> abc漢字d\nef");
    assert_eq!(program.person.cursor(), (1, 2));
    program.person.types("\x02\x02\x02\x02");
    program.person.types("\x08");
    program.until_seen("> abc字def");
    program.person.types("\x01\x1B[C\x1B[3~");
    program.until_seen("> ac字def");
    assert_eq!(program.person.cursor(), (0, 3));
    program.person.types("\r");
    program.until_seen("> ac字def\n>");
    program.person.types("xy\x03");
    assert_eq!(program.end(), ["line ac字def", "interrupt"]);
}

#[test]
fn the_terminal_changes_its_size() {
    let program = Program::sized(20, 5, |builder| builder);
    program.person.types("0123456789abcdef");
    program.until_seen("> 0123456789abcdef");
    program.person.resize(10, 5);
    program.act(|wheel| {
        assert_eq!(wheel.terminal_size(), (10, 5));
        wheel.refresh();
    });
    program.until_seen("> 01234567\n89abcdef");
    program.person.types("\x03");
    assert_eq!(program.end(), ["interrupt"]);
}

#[test]
fn a_lone_escape_is_known_in_time() {
    let program = Program::new(|builder| builder.escape_time(Duration::from_millis(5)));
    program.act(|wheel| wheel.set_option("editing-mode", "vi"));
    program.person.types("abc");
    program.until_seen("> abc");
    program.person.types("\x1B");
    program.until(|| {
        program.person.sees();
        program.person.cursor() == (0, 4)
    });
    program.person.types("rx\r");
    program.person.types("\x04");
    assert_eq!(program.end(), ["line abx", "eot"]);
}

#[test]
fn pastes_and_functions_and_completions() {
    let program =
        Program::new(|builder| builder.completion(|asked| vec![format!("{}ana", asked.word)]));
    program.act(|wheel| {
        wheel.add_defun("shout", |line| {
            let text = line.text().to_uppercase();
            line.set(text, 0);
            assert!(line.run("end-of-line") && !line.run("nothing"));
        });
        wheel.bind_key("C-o", "shout").unwrap();
        assert!(wheel.bind_key("C-o", "whisper").is_err());
        assert!(wheel.bind_key("", "shout").is_err());
        assert!(wheel.bind_key_in("nowhere", "C-o", "shout").is_err());
    });
    program.person.types("\x1B[200~two\rlines\x1B[201~ ban\t");
    program.until_seen("> two^Jlines banana");
    program.person.types("\x0F!\r\x04");
    assert_eq!(program.end(), ["line TWO\nLINES BANANA!", "eot"]);
}

#[test]
fn names_of_events_change() {
    let program = Program::new(|builder| builder);
    program.act(|wheel| {
        assert!(wheel.is_reading());
        wheel.event(ReadLineEvent::Input, "renamed");
    });
    program.until_seen(">");
    program.person.types("line\r");
    assert_eq!(program.end(), ["renamed Ok(\"line\")"]);
}

#[test]
fn a_long_text_is_pasted_into_a_line() {
    let text = "0123456789".repeat(10_000);
    for (before, behind) in [("", ""), ("\x1B[200~", "\x1B[201~")] {
        let program = Program::sized(80, 24, |builder| builder);
        let keys = format!("()\x02{before}{text}{behind}\x05|");
        let rest = Cell::new(keys.as_bytes());
        program.until(|| {
            rest.set(&rest.get()[program.person.types_some(rest.get())..]);
            rest.get().is_empty() && program.person.sees().ends_with("789)|")
        });
        let rows = program.person.sees();
        assert!(rows.lines().take(23).all(|row| row.len() == 80 && row.ends_with('6')), "{rows}");
        assert_eq!(program.person.cursor(), (23, 5), "{rows}");
        program.person.types("\r");
        program.person.types("\x04");
        assert_eq!(program.end(), [format!("line ({text})|"), "eot".to_owned()]);
    }
}
