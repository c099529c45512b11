//! The line editor: keys in; a line, and what is to be done about it, out. It knows no terminal.

mod change;
mod complete;
mod motion;
mod past;
mod run;
mod search;
mod typing;
mod undo;
mod vi;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use self::search::Search;
use self::typing::Typing;
use self::undo::Undo;
use self::vi::Operator;
use super::function::Function as F;
use super::history::History;
use super::inputrc::{About, Directive, Target};
use super::key::Key;
use super::keymap::{Binding, Found, Keymaps, MapName};
use super::kill_ring::{KillRing, Side};
use super::settings::Settings;
use super::stroke::{self, Stroke};
use super::text::Text;

pub use self::complete::Completion;

/// How a line ends without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Exception {
    /// `interrupt`, `^C` as a rule.
    #[error("interrupt")]
    Interrupt,
    /// `abort`, `^G` as a rule.
    #[error("cancel")]
    Cancel,
    /// `^D` on an empty line, or the end of input that is no terminal.
    #[error("eot")]
    Eot,
}

/// What is to be done about keys that were typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Accept,
    Except(Exception),
    Bell,
    /// The terminal is to be cleared.
    Clear,
    /// The line is to be shown anew.
    Redraw,
    /// Something to be shown above the line.
    Print(Vec<String>),
    Suspend,
    Complete(Completion, complete::How),
    Call(Rc<str>, Key),
    ReadInitFile,
}

/// Macros that end in themselves do not go on for ever.
const MACRO_KEYS: usize = 10_000;

/// No line is longer, in octets: macros and arguments could make them grow for ever.
pub(super) const LONGEST: usize = 1 << 18;

/// Nothing is repeated more often.
const MOST: usize = 99_999;

/// What the next key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaiting {
    Quoted,
    Search { backward: bool },
    ViSearch(char),
    ViChange,
    SetMark,
    GoToMark,
    KeyToDump,
}

#[derive(Clone, Copy, Debug, Default)]
struct Argument {
    digits: Option<usize>,
    is_negative: bool,
}

#[derive(Debug)]
pub(super) struct Editor {
    pub(super) history: History,
    pub(super) settings: Settings,
    pub(super) maps: Keymaps,
    application: String,
    text: Text,
    map: MapName,
    /// Keys that begin something.
    sequence: Vec<Key>,
    queue: VecDeque<Stroke>,
    macro_keys: usize,
    last_macro: Option<Rc<[Key]>>,
    argument: Option<Argument>,
    awaiting: Option<Awaiting>,
    search: Option<Search>,
    last_search: (String, bool),
    operator: Option<Operator>,
    last_vi_search: Option<(char, char)>,
    /// What the last command of vi that changed something was typed as, and what is being typed.
    repeated: Vec<Stroke>,
    typing: Typing,
    changed: bool,
    last: F,
    kills: KillRing,
    kills_in_a_row: bool,
    undo: Undo,
    yanked: Option<std::ops::Range<usize>>,
    last_argument: usize,
    /// There were several words to complete with.
    is_ambiguous: bool,
    overwrite: bool,
    mark: usize,
    marks: HashMap<char, usize>,
    effects: Vec<Effect>,
    is_over: bool,
}

impl Editor {
    pub(super) fn new(application: &str) -> Self {
        Self {
            history: History::default(),
            settings: Settings::default(),
            maps: Keymaps::default(),
            application: application.to_owned(),
            text: Text::default(),
            map: MapName::Emacs,
            sequence: Vec::new(),
            queue: VecDeque::new(),
            macro_keys: 0,
            last_macro: None,
            argument: None,
            awaiting: None,
            search: None,
            last_search: (String::new(), true),
            operator: None,
            last_vi_search: None,
            repeated: Vec::new(),
            typing: Typing::default(),
            changed: false,
            last: F::Ding,
            kills: KillRing::default(),
            kills_in_a_row: false,
            undo: Undo::default(),
            yanked: None,
            last_argument: 0,
            is_ambiguous: false,
            overwrite: false,
            mark: 0,
            marks: HashMap::new(),
            effects: Vec::new(),
            is_over: false,
        }
    }

    /// Begins a line.
    pub(super) fn begin(&mut self) {
        self.text = Text::default();
        self.history.reset();
        self.undo.clear();
        self.sequence.clear();
        (self.argument, self.awaiting, self.search, self.operator) = (None, None, None, None);
        self.typing.clear();
        self.overwrite = false;
        self.mark = 0;
        self.marks.clear();
        self.is_over = false;
        self.last = F::Ding;
        self.map = if self.is_vi() { MapName::ViInsert } else { MapName::Emacs };
        if self.is_vi() {
            // So that what is typed first can be typed again.
            self.typing.push(Stroke::Key(Key::char('i')));
        }
    }

    pub(super) fn text(&self) -> &str {
        self.text.as_str()
    }

    pub(super) fn cursor(&self) -> usize {
        self.text.cursor()
    }

    /// Puts another line in the place of this one.
    pub(super) fn set_text(&mut self, text: &str, cursor: usize) {
        if text != self.text.as_str() {
            self.remember();
            // What was done to the other one is not gone on with.
            self.last = F::Ding;
        }
        self.text = Text::new(text);
        self.text.go(cursor);
        if !text.is_char_boundary(self.text.cursor()) {
            self.text.go(text.len());
        }
    }

    /// The prompt of a search, in the place of the usual one.
    pub(super) fn prompt(&self) -> Option<String> {
        self.search.as_ref().map(Search::prompt)
    }

    /// Takes what was typed; what follows of it is to be done before the next.
    pub(super) fn typed(&mut self, stroke: Stroke) -> Vec<Effect> {
        self.macro_keys = 0;
        self.queue.push_back(stroke);
        self.go_on()
    }

    /// Takes keys that go on with inserting themselves, all at once: one by one, each would move what is behind the cursor.
    pub(super) fn go_on_inserting(&mut self, strokes: &mut VecDeque<Stroke>) {
        let mut text = String::new();
        while let Some(&Stroke::Key(key)) = strokes.front()
            && let Some(char) = self.inserted(key)
            && self.text.len() + text.len() + char.len_utf8() <= LONGEST
        {
            text.push(char);
            self.typing.push(Stroke::Key(key));
            strokes.pop_front();
        }
        self.text.insert(&text);
    }

    /// What a key inserts, if it does nothing else, and the one before did nothing else.
    fn inserted(&self, key: Key) -> Option<char> {
        let goes_on = self.last == F::SelfInsert
            && matches!(self.map, MapName::Emacs | MapName::ViInsert)
            && self.is_at_rest()
            && self.queue.is_empty()
            && !self.overwrite
            && !self.is_over;
        let is_bound = || match self.maps.find(self.map, &[key]) {
            Found::Binding(binding) => *binding != Binding::Function(F::SelfInsert),
            Found::Beginning => true,
            Found::Nothing => false,
        };
        key.printable().filter(|_| goes_on && !is_bound())
    }

    /// Takes what is left of a macro.
    pub(super) fn go_on(&mut self) -> Vec<Effect> {
        while self.effects.is_empty()
            && !self.is_over
            && let Some(stroke) = self.queue.pop_front()
        {
            self.take(stroke);
        }
        std::mem::take(&mut self.effects)
    }

    /// Runs a function as if a key were bound to it.
    pub(super) fn call(&mut self, function: F, key: Key) -> Vec<Effect> {
        self.perform(function, key);
        std::mem::take(&mut self.effects)
    }

    fn take(&mut self, stroke: Stroke) {
        if self.map == MapName::ViCommand && self.is_at_rest() {
            self.typing.clear();
            self.changed = false;
        }
        self.typing.push(stroke.clone());
        match stroke {
            Stroke::Paste(text) => self.paste(&text),
            Stroke::Key(key) => self.press(key),
        }
        if self.map == MapName::ViCommand && self.is_at_rest() {
            if std::mem::take(&mut self.changed) {
                self.repeated = self.typing.take();
            }
            self.typing.clear();
            self.keep_on_character();
        }
    }

    /// Whether the next key begins a command.
    fn is_at_rest(&self) -> bool {
        self.sequence.is_empty()
            && self.awaiting.is_none()
            && self.operator.is_none()
            && self.search.is_none()
            && self.argument.is_none()
    }

    fn paste(&mut self, text: &str) {
        self.sequence.clear();
        if self.search.is_some() {
            self.search_for_more(text);
        } else if self.awaiting.take().is_none() {
            let before = self.text.clone();
            if self.insert(text) {
                self.undo.push(before);
                (self.changed, self.last) = (true, F::QuotedInsert);
            }
        }
    }

    fn press(&mut self, key: Key) {
        if let Some(awaiting) = self.awaiting {
            if key.meta && (self.is_split() || awaiting == Awaiting::Quoted) {
                return self.split(key);
            }
            self.awaiting = None;
            return self.give(awaiting, key);
        }
        if self.ends_search(key) {
            return self.finish_search();
        }
        match self.sequence.last() {
            Some(&Key::ESCAPE) if !key.meta => {
                self.sequence.pop();
                self.sequence.push(key.with_meta());
            }
            _ => self.sequence.push(key),
        }
        let bound = match self.maps.find(self.map, &self.sequence) {
            Found::Beginning => return,
            Found::Binding(binding) => Some(binding.clone()),
            Found::Nothing => None,
        };
        let keys = std::mem::take(&mut self.sequence);
        let binding = match bound {
            Some(binding) => binding,
            None if keys.len() > 1 => Binding::Function(F::Ding),
            None if keys[0].meta && self.is_split() => {
                return self.split(keys[0]);
            }
            None if self.argument.is_some() && self.digit(key) => return,
            None => Binding::Function(self.map.default()),
        };
        match binding {
            Binding::Function(function) => self.perform(function, key),
            Binding::Added(name) => self.effects.push(Effect::Call(name, key)),
            Binding::Macro(keys) => self.play(keys),
        }
    }

    /// Takes a key with Meta for Escape and a key typed soon after it.
    fn split(&mut self, key: Key) {
        self.typing.pop();
        self.queue.push_front(Stroke::Key(key.without_meta()));
        self.queue.push_front(Stroke::Key(Key::ESCAPE));
    }

    /// Whether a key with Meta that is bound to nothing is Escape and that key.
    fn is_split(&self) -> bool {
        !matches!(self.map, MapName::Emacs | MapName::ISearch)
    }

    fn play(&mut self, keys: Rc<[Key]>) {
        self.macro_keys += keys.len();
        if self.macro_keys > MACRO_KEYS {
            return self.ding();
        }
        for key in keys.iter().rev() {
            self.queue.push_front(Stroke::Key(*key));
        }
        self.last_macro = Some(keys);
    }

    /// Runs a function, so that it can be undone.
    fn perform(&mut self, function: F, key: Key) {
        if !self.last.yanks() {
            // It may be elsewhere by now, or gone.
            self.yanked = None;
        }
        let goes_on = function == F::SelfInsert && self.last == F::SelfInsert;
        let before = (!goes_on).then(|| self.text.clone());
        let line = self.history.at();
        let is_searching = self.search.is_some();
        let argument = self.argument.take();
        self.run(function, key, argument.unwrap_or_default());
        if let Some(before) = before
            && before.as_str() != self.text.as_str()
            && line == self.history.at()
            && !is_searching
            && self.search.is_none()
            && !matches!(function, F::Undo | F::ViUndo | F::RevertLine)
        {
            self.undo.push(before);
            self.changed = true;
        }
        if !matches!(function, F::DigitArgument | F::ViArgDigit) {
            self.last = function;
        }
    }

    fn remember(&mut self) {
        self.undo.push(self.text.clone());
        self.changed = true;
    }

    /// Inserts at the cursor, unless the line would be too long.
    fn insert(&mut self, text: &str) -> bool {
        let fits = self.text.len() + text.len() <= LONGEST;
        if fits {
            self.text.insert(text);
        } else {
            self.ding();
        }
        fits
    }

    fn ding(&mut self) {
        self.effects.push(Effect::Bell);
    }

    /// What is left of a macro is for the next line, if this one was accepted.
    fn end(&mut self, effect: Effect) {
        if effect != Effect::Accept {
            self.queue.clear();
        }
        self.search = None;
        self.is_over = true;
        self.effects.push(effect);
    }

    fn kill(&mut self, range: std::ops::Range<usize>, side: Side) {
        // What killed nothing, joins nothing to what was killed long ago.
        self.kills_in_a_row &= self.last.kills();
        let joins = self.kills_in_a_row.then_some(side);
        let killed = self.text.cut(range);
        self.kills_in_a_row |= !killed.is_empty();
        self.kills.kill(&killed, joins);
    }

    fn is_vi(&self) -> bool {
        self.settings.get("editing-mode") == "vi"
    }

    /// Sets a variable; those that say which keys are in force do so at once.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.settings.set(name, value);
        if name.eq_ignore_ascii_case("editing-mode") {
            self.map = if self.is_vi() { MapName::ViInsert } else { MapName::Emacs };
            self.settings.set("keymap", if self.is_vi() { "vi-insert" } else { "emacs" });
        }
    }

    /// The map that bindings go to when none is named.
    pub(super) fn bound_map(&self) -> MapName {
        MapName::named(self.settings.get("keymap")).unwrap_or(MapName::Emacs)
    }

    pub(super) fn use_map(&mut self, map: MapName) {
        self.map = map;
        self.overwrite = false;
    }

    pub(super) fn about<'a>(&'a self, terminal: &'a str) -> About<'a> {
        let editing_mode = self.settings.get("editing-mode");
        About { application: &self.application, terminal, editing_mode }
    }

    /// Does what an init file asks for.
    pub(super) fn apply(&mut self, directives: Vec<Directive>) {
        for directive in directives {
            match directive {
                Directive::Set { name, value } => self.set(&name, &value),
                Directive::Bind { keys, to } => {
                    let binding = match to {
                        Target::Macro(octets) => Binding::Macro(stroke::keys(&octets).into()),
                        Target::Function(name) => match F::named(&name) {
                            Some(function) => Binding::Function(function),
                            None => Binding::Added(name.into()),
                        },
                    };
                    self.maps.bind(self.bound_map(), keys, binding);
                }
            }
        }
    }
}

#[cfg(test)]
mod at_random;
#[cfg(test)]
mod tests;
