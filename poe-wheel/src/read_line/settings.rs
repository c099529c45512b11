//! Variables of the editor.

use std::collections::BTreeMap;

/// The variables, by name (POE: `attribs`).
#[derive(Clone, Debug)]
pub(super) struct Settings {
    values: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        let known = [
            ("bell-style", "audible"),
            ("comment-begin", "#"),
            ("editing-mode", "emacs"),
            ("isearch-terminators", "C-[ C-J"),
            ("keymap", "emacs"),
            ("print-completions-horizontally", "off"),
            ("show-all-if-ambiguous", "off"),
        ];
        let owned = known.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { values: owned.into() }
    }
}

impl Settings {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_lowercase(), value.to_owned());
    }

    /// The value; empty when there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.values.get(&name.to_lowercase()).map_or("", String::as_str)
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name).to_lowercase().as_str(), "on" | "1" | "yes" | "true")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
