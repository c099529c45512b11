//! A line as a function of the program's own sees it.

use super::function::Function;
use super::key::Key;

/// The line that is being edited, for a function that was [added](crate::ReadLine::add_defun).
#[derive(Debug)]
pub struct EditedLine {
    text: String,
    cursor: usize,
    key: Key,
    functions: Vec<Function>,
}

impl EditedLine {
    pub(super) fn new(text: &str, cursor: usize, key: Key) -> Self {
        Self { text: text.to_owned(), cursor, key, functions: Vec::new() }
    }

    /// What has been typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the cursor is, in octets.
    #[must_use]
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The key that the function is bound to; of several, the last.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// Puts another text in the place of this one, and the cursor at an octet of it; at the end, if there is no such
    /// place.
    pub fn set(&mut self, text: impl Into<String>, cursor: usize) {
        self.text = text.into();
        self.cursor = if self.text.is_char_boundary(cursor) { cursor } else { self.text.len() };
    }

    /// Inserts at the cursor.
    pub fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    /// Runs a function of the editor, by its name, once this one has returned. False if there is none of that name.
    pub fn run(&mut self, function: &str) -> bool {
        let found = Function::named(function);
        self.functions.extend(found);
        found.is_some()
    }

    pub(super) fn functions(&self) -> &[Function] {
        &self.functions
    }
}
