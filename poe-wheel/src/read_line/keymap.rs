//! Which keys do what.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use super::function::Function as F;
use super::key::{self, Key};

/// What a sequence of keys is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    Function(F),
    /// A function that the program has added.
    Added(Rc<str>),
    /// Keys that are taken for typed.
    Macro(Rc<[Key]>),
}

/// The key maps that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MapName {
    Emacs,
    ViCommand,
    ViInsert,
    ISearch,
    ViSearch,
    ViSpecification,
}

impl MapName {
    const ALL: [Self; 6] = [
        Self::Emacs,
        Self::ViCommand,
        Self::ViInsert,
        Self::ISearch,
        Self::ViSearch,
        Self::ViSpecification,
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "emacs" | "emacs-standard" => Self::Emacs,
            "vi" | "vi-command" | "vi-move" => Self::ViCommand,
            "vi-insert" => Self::ViInsert,
            "isearch" => Self::ISearch,
            "vi-search" => Self::ViSearch,
            "vi-specification" => Self::ViSpecification,
            _ => return None,
        })
    }

    /// What a key does that is bound to nothing.
    pub(super) fn default(self) -> F {
        match self {
            Self::Emacs | Self::ViInsert => F::SelfInsert,
            Self::ViCommand => F::Ding,
            Self::ISearch | Self::ViSearch => F::SearchFinish,
            Self::ViSpecification => F::ViEndSpec,
        }
    }

    fn bindings(self) -> &'static str {
        match self {
            Self::Emacs => EMACS,
            Self::ViCommand => VI_COMMAND,
            Self::ViInsert => VI_INSERT,
            Self::ISearch => ISEARCH,
            Self::ViSearch => VI_SEARCH,
            Self::ViSpecification => VI_SPECIFICATION,
        }
    }
}

/// What a map says about keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Binding(&'a Binding),
    /// More keys may make something bound of them.
    Beginning,
    Nothing,
}

/// All the key maps.
#[derive(Debug)]
pub(super) struct Keymaps {
    maps: [BTreeMap<Vec<Key>, Binding>; 6],
}

impl Default for Keymaps {
    fn default() -> Self {
        let mut maps = Self { maps: Default::default() };
        for name in MapName::ALL {
            for line in name.bindings().lines() {
                let (keys, function) = line.split_once(' ').unwrap_or_default();
                let function = F::named(function);
                debug_assert!(function.is_some(), "{line}");
                for keys in keys.split('\t') {
                    if let (Some(keys), Some(function)) = (key::sequence(keys), function) {
                        maps.bind(name, keys, Binding::Function(function));
                    }
                }
            }
        }
        maps
    }
}

impl Keymaps {
    pub(super) fn bind(&mut self, map: MapName, keys: Vec<Key>, binding: Binding) {
        self.maps[map as usize].insert(keys, binding);
    }

    pub(super) fn find(&self, map: MapName, keys: &[Key]) -> Found<'_> {
        let map = &self.maps[map as usize];
        if let Some(binding) = map.get(keys) {
            return Found::Binding(binding);
        }
        let after = (Bound::Excluded(keys), Bound::Unbounded);
        let begins =
            map.range::<[Key], _>(after).next().is_some_and(|(next, _)| next.starts_with(keys));
        // Escape is Meta for the key that follows.
        let escapes = || match keys {
            [head @ .., Key::ESCAPE] => map.keys().any(|next| {
                next.len() > head.len() && next.starts_with(head) && next[head.len()].meta
            }),
            _ => false,
        };
        if begins || escapes() { Found::Beginning } else { Found::Nothing }
    }

    pub(super) fn bindings(&self, map: MapName) -> impl Iterator<Item = (&[Key], &Binding)> {
        self.maps[map as usize].iter().map(|(keys, binding)| (&keys[..], binding))
    }
}

const EMACS: &str = "\
C-a beginning-of-line
C-e end-of-line
C-b backward-char
C-f forward-char
C-d delete-char
C-c interrupt
C-g abort
C-h\tC-? backward-delete-char
C-i complete
C-j\tC-m accept-line
C-k kill-line
C-l clear-screen
C-n next-history
C-p previous-history
C-q poe-wheel-debug
C-r reverse-search-history
C-s forward-search-history
C-t transpose-chars
C-u unix-line-discard
C-v quoted-insert
C-w unix-word-rubout
C-y yank
C-z suspend
C-] character-search
C-_ undo
M-C-g abort
M-C-h\tM-C-?\tM-del backward-kill-word
M-C-i tab-insert
M-C-j\tM-C-m vi-editing-mode
M-C-r\tM-r revert-line
M-C-y yank-nth-arg
M-C-[ complete
M-C-] character-search-backward
M-space\tC-@ set-mark
M-# insert-comment
M-&\tM-~ tilde-expand
M-* insert-completions
M--\tM-0\tM-1\tM-2\tM-3\tM-4\tM-5\tM-6\tM-7\tM-8\tM-9 digit-argument
M-.\tM-_ yank-last-arg
M-< beginning-of-history
M-> end-of-history
M-? possible-completions
M-b\tC-left\tM-left backward-word
M-f\tC-right\tM-right forward-word
M-c capitalize-word
M-l downcase-word
M-u upcase-word
M-d kill-word
M-n non-incremental-forward-search-history
M-p non-incremental-reverse-search-history
M-t transpose-words
M-y yank-pop
M-\\ delete-horizontal-space
C-xC-r re-read-init-file
C-xC-g abort
C-xC-u undo
C-xC-?\tC-xdel backward-kill-line
C-xm dump-macros
C-xv dump-variables
C-xk dump-key
home beginning-of-line
end end-of-line
ins overwrite-mode
del delete-char
left backward-char
right forward-char
up previous-history
down next-history";

const VI_COMMAND: &str = "\
h\tleft\tC-h\tC-? backward-char
l\tright\tspace forward-char
w\tW vi-next-word
b\tB vi-prev-word
e\tE vi-end-word
$\tend end-of-line
home beginning-of-line
^ vi-first-print
| vi-column
% vi-match
f\tF\tt\tT\t;\t, vi-char-search
` vi-goto-mark
0\t1\t2\t3\t4\t5\t6\t7\t8\t9 vi-arg-digit
C-c interrupt
C-d vi-eof-maybe
C-e emacs-editing-mode
C-g abort
C-j\tC-m accept-line
C-k kill-line
C-l clear-screen
C-n\tj\t+\tdown next-history
C-p\tk\t-\tup previous-history
C-r reverse-search-history
C-s forward-search-history
C-t transpose-chars
C-u unix-line-discard
C-q\tC-v quoted-insert
C-w unix-word-rubout
C-y yank
C-z suspend
C-_\tu vi-undo
U revert-line
# insert-comment
& vi-tilde-expand
* insert-completions
. vi-redo
/\t? vi-search
= possible-completions
\\ vi-complete
_ vi-yank-arg
~ vi-change-case
A vi-append-eol
a vi-append-mode
C\tc vi-change-to
D\td vi-delete-to
Y\ty vi-yank-to
G vi-fetch-history
I vi-insert-beg
i\tins vi-insertion-mode
m vi-set-mark
n\tN vi-search-again
p\tP vi-put
R vi-replace
r vi-change-char
S\ts vi-subst
x\tX\tdel vi-delete";

const VI_INSERT: &str = "\
C-d vi-eof-maybe
C-c interrupt
C-h\tC-? backward-delete-char
C-i complete
C-j\tC-m accept-line
C-r reverse-search-history
C-s forward-search-history
C-t transpose-chars
C-u unix-line-discard
C-v quoted-insert
C-w unix-word-rubout
C-y yank
C-z suspend
C-[ vi-movement-mode
C-_ undo
home beginning-of-line
end end-of-line
ins overwrite-mode
del delete-char
left backward-char
right forward-char
up previous-history
down next-history";

const VI_SPECIFICATION: &str = "\
h\tleft\tC-h\tC-? backward-char
l\tright\tspace vi-spec-forward-char
w\tW vi-spec-word
b\tB vi-prev-word
e\tE vi-end-word
$\tend vi-spec-end-of-line
home vi-spec-beginning-of-line
^ vi-spec-first-print
| vi-column
% vi-match
f\tF\tt\tT\t;\t, vi-char-search
` vi-spec-mark
0\t1\t2\t3\t4\t5\t6\t7\t8\t9 vi-arg-digit";

const ISEARCH: &str = "\
C-r\tC-s isearch-again
C-g\tC-c\tC-[ search-abort
C-h\tC-? search-key
C-j\tC-m accept-line";

const VI_SEARCH: &str = "\
C-j\tC-m vi-search-accept
C-g\tC-c\tC-[ search-abort
C-h\tC-? vi-search-key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_binding_is_of_keys_and_a_function_that_there_are() {
        for name in MapName::ALL {
            for line in name.bindings().lines() {
                let (keys, function) = line.split_once(' ').unwrap();
                assert!(F::named(function).is_some(), "{line}");
                assert!(keys.split('\t').all(|keys| key::sequence(keys).is_some()), "{line}");
            }
        }
    }

    #[test]
    fn what_begins_something_is_waited_with() {
        let maps = Keymaps::default();
        let find = |map, keys: &str| match maps.find(map, &key::sequence(keys).unwrap()) {
            Found::Binding(Binding::Function(function)) => function.name(),
            Found::Beginning => "beginning",
            other => {
                if other == Found::Nothing {
                    "nothing"
                } else {
                    "other"
                }
            }
        };
        assert_eq!(find(MapName::Emacs, "C-a"), "beginning-of-line");
        assert_eq!(find(MapName::Emacs, "C-x"), "beginning");
        assert_eq!(find(MapName::Emacs, "C-xC-r"), "re-read-init-file");
        assert_eq!(find(MapName::Emacs, "esc"), "beginning");
        assert_eq!(find(MapName::ViInsert, "esc"), "vi-movement-mode");
        assert_eq!(find(MapName::ViInsert, "M-b"), "nothing");
        assert_eq!(find(MapName::ViCommand, "D"), "vi-delete-to");
    }
}
