//! The usual keys of emacs and vi, by what the screen shows after each.

use crate::person::Program;

/// Types keys, and waits after each for the line and the cursor that come of them, `|` in it.
#[track_caller]
fn shows(program: &Program, cases: &[(&str, &str)]) {
    for (keys, line) in cases {
        program.person.types(keys);
        let column = 2 + line.find('|').unwrap();
        // Blanks at the end are not seen.
        let wanted = format!("> {}", line.replace('|', ""));
        program.until(|| {
            let seen = program.person.sees();
            seen.lines().last() == Some(wanted.trim_end())
                && usize::from(program.person.cursor().1) == column
        });
    }
}

#[test]
fn the_screen_follows_the_keys_of_emacs() {
    let words = |_: &_| ["banana", "bandana"].map(str::to_owned).to_vec();
    let program = Program::new(move |builder| builder.completion(words));
    program.act(|wheel| {
        for line in ["first one", "second two", "third one"] {
            wheel.add_history(line);
        }
    });
    shows(
        &program,
        &[
            ("one two three", "one two three|"),
            ("\x17", "one two |"),
            ("\x01", "|one two"),
            ("\x19", "three|one two"),
            ("\x1F", "|one two"),
            ("\x1B2\x06", "on|e two"),
            ("\x0B", "on|"),
            ("\x15", "|"),
            ("\x19", "one two |"),
            ("\x1By", "three|"),
            ("\x1B3!", "three!!!|"),
            ("\x10", "third one|"),
            ("\x1B<", "first one|"),
            ("\x1B>", "three!!!|"),
            ("\x1Bb", "|three!!!"),
            ("\x1Bu", "THREE|!!!"),
            ("\x1B\x08", "|!!!"),
            ("\x1Bf", "!!!|"),
            ("\x15b", "b|"),
            ("\t", "ban|"),
        ],
    );
    program.person.types("\t");
    program.until_seen("banana\nbandana\n> ban");
    program.person.types("\x12sec");
    program.until_seen("banana\nbandana\n(reverse-i-search)`sec': second two");
    shows(&program, &[("\x1Bf", "second| two"), ("\x05!", "second two!|")]);
    program.person.types("\r\x04");
    assert_eq!(program.end(), ["line second two!", "eot"]);
}

#[test]
fn the_screen_follows_the_keys_of_vi() {
    let program = Program::new(|builder| builder);
    program.act(|wheel| {
        wheel.set_option("editing-mode", "vi");
        wheel.add_history("before");
    });
    shows(
        &program,
        &[
            ("one two three", "one two three|"),
            ("\x1B0", "|one two three"),
            ("dw", "|two three"),
            ("p", "tone| wo three"),
            ("u", "|two three"),
            ("w", "two |three"),
            ("cwx", "two x|"),
            ("\x1B0", "|two x"),
            ("$", "two |x"),
            ("A yz", "two x yz|"),
            ("\x1B0fx", "two |x yz"),
            ("ty", "two x| yz"),
            ("Fw", "t|wo x yz"),
            ("x", "t|o x yz"),
            (".", "t| x yz"),
            ("Ia", "a|t x yz"),
            ("\x1BP", "|oat x yz"),
            ("~", "O|at x yz"),
            ("k", "befor|e"),
            ("j", "Oat x y|z"),
        ],
    );
    program.person.types("A!\r\x04");
    assert_eq!(program.end(), ["line Oat x yz!", "eot"]);
}
