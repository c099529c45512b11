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
}
