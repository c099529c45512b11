//! Whatever is typed and done in whatever order, the editor stands.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Deed {
    Press(Key),
    /// What was done last.
    Again,
    /// As a function of the program may have it done.
    Call(usize, Key),
    Paste(String),
    Set(String, usize),
    AddHistory(String),
}

fn key() -> impl Strategy<Value = Key> {
    let letter =
        prop::sample::select("xNPXScdyspn0129-~/?([ é漢\u{301}İß".chars().collect::<Vec<_>>());
    let control = prop::sample::select("abcdehklnoprstuvwxy_]?".chars().collect::<Vec<_>>());
    prop_oneof![
        6 => letter.clone().prop_map(Key::char),
        3 => control.prop_map(Key::ctrl),
        2 => letter.prop_map(|letter| Key::char(letter).with_meta()),
        1 => Just(Key::ESCAPE),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let text = "[x é漢(\\]\n\u{301}👨\u{200D}]{0,6}";
    prop_oneof![
        8 => key().prop_map(Deed::Press),
        3 => Just(Deed::Again),
        8 => (0..F::ALL.len(), key()).prop_map(|(function, key)| Deed::Call(function, key)),
        1 => text.prop_map(Deed::Paste),
        1 => (text, 0..12_usize).prop_map(|(text, at)| Deed::Set(text, at)),
        1 => text.prop_map(Deed::AddHistory),
    ]
}

/// Does what is to be done, but for what concerns the screen.
fn follow(editor: &mut Editor, mut effects: Vec<Effect>) {
    while !effects.is_empty() {
        for effect in std::mem::take(&mut effects) {
            if let Effect::Complete(asked, how) = effect {
                let words = ["", "é", "x"].map(|end| format!("{}{end}", asked.word)).to_vec();
                effects.extend(editor.completed(&asked, how, words, 10));
            }
        }
        effects.extend(editor.go_on());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_keys_and_functions_brings_it_down(
        is_vi in any::<bool>(),
        deeds in prop::collection::vec(deed(), 1..200),
    ) {
        let mut editor = Editor::new("test");
        editor.history.add(["one two", "", "漢字 é", "x(y[z]) 12"].map(str::to_owned));
        if is_vi {
            editor.set("editing-mode", "vi");
        }
        editor.begin();
        let mut last = Deed::Again;
        for deed in deeds {
            if !matches!(deed, Deed::Again) {
                last = deed;
            }
            let effects = match last.clone() {
                Deed::Again => Vec::new(),
                Deed::Press(key) => editor.typed(Stroke::Key(key)),
                Deed::Call(function, key) => editor.call(F::ALL[function], key),
                Deed::Paste(text) => editor.typed(Stroke::Paste(text)),
                Deed::Set(text, cursor) => {
                    editor.set_text(&text, cursor);
                    Vec::new()
                }
                Deed::AddHistory(line) => {
                    editor.history.add([line]);
                    Vec::new()
                }
            };
            follow(&mut editor, effects);
            prop_assert!(editor.text().is_char_boundary(editor.cursor()));
            if editor.is_over {
                editor.begin();
            }
        }
    }

    #[test]
    fn keys_that_come_together_do_what_they_do_one_by_one(
        is_vi in any::<bool>(),
        keys in prop::collection::vec(prop_oneof![3 => letters(), 1 => prop::collection::vec(key(), 1..3)], 0..20),
    ) {
        let [mut one, mut other] = [(); 2].map(|()| {
            let mut editor = Editor::new("test");
            editor.history.add(["one two", "漢字 é"].map(str::to_owned));
            if is_vi {
                editor.set("editing-mode", "vi");
            }
            editor.begin();
            editor
        });
        let mut strokes: VecDeque<Stroke> = keys.concat().into_iter().map(Stroke::Key).collect();
        for stroke in strokes.clone() {
            if !one.is_over {
                let effects = one.typed(stroke);
                follow(&mut one, effects);
            }
        }
        while !other.is_over {
            other.go_on_inserting(&mut strokes);
            let Some(stroke) = strokes.pop_front() else { break };
            let effects = other.typed(stroke);
            follow(&mut other, effects);
        }
        loop {
            prop_assert_eq!(&one.text, &other.text);
            prop_assert_eq!((one.map, one.last), (other.map, other.last));
            let undone = one.undo.pop();
            prop_assert_eq!(&undone, &other.undo.pop());
            let Some(before) = undone else { break };
            (one.text, other.text) = (before.clone(), before);
        }
    }
}

fn letters() -> impl Strategy<Value = Vec<Key>> {
    "[a-z é漢\u{301}]{0,20}".prop_map(|text| text.chars().map(Key::char).collect())
}

#[test]
fn a_text_is_inserted_at_once() {
    let mut editor = Editor::new("test");
    editor.begin();
    editor.set_text(")", 0);
    let mut strokes: VecDeque<_> = "a text(".chars().map(Key::char).map(Stroke::Key).collect();
    strokes.push_back(Stroke::Key(Key::ctrl('b')));
    let first = strokes.pop_front().unwrap();
    assert!(editor.typed(first).is_empty());
    editor.go_on_inserting(&mut strokes);
    assert_eq!(strokes, [Stroke::Key(Key::ctrl('b'))]);
    assert_eq!((editor.text(), editor.cursor()), ("a text()", 7));
    // No more than there is room for.
    editor.set_text(&"x".repeat(LONGEST - 4), 0);
    let mut strokes: VecDeque<_> = "漢漢".chars().map(Key::char).map(Stroke::Key).collect();
    editor.last = F::SelfInsert;
    editor.go_on_inserting(&mut strokes);
    assert_eq!((strokes.len(), editor.cursor()), (1, 3));
    assert_eq!(editor.typed(strokes.pop_front().unwrap()), [Effect::Bell]);
}
