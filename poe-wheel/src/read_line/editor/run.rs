//! Functions of the editor, by what they do.

use super::complete::How;
use super::vi::Verb;
use super::{Argument, Awaiting, Editor, Effect, Exception, F, MOST};
use crate::read_line::key::Key;
use crate::read_line::keymap::{Binding, MapName};

impl Argument {
    pub(super) fn count(self) -> usize {
        self.digits.unwrap_or(1).min(MOST)
    }
}

impl Editor {
    pub(super) fn run(&mut self, function: F, key: Key, argument: Argument) {
        let argument =
            if function == F::ViArgDigit { argument } else { self.with_operator(argument) };
        if let Some(motion) = self.motion(function, key, argument) {
            return self.go_by(motion);
        }
        match function {
            F::Abort => self.abort(),
            F::AcceptLine => self.accept(),
            F::BackwardDeleteChar => self.delete(argument, true),
            F::BackwardKillLine if argument.is_negative => self.kill_to_end(),
            F::KillLine if argument.is_negative => self.kill_back_to(0),
            F::BackwardKillLine | F::UnixLineDiscard => self.kill_back_to(0),
            F::BackwardKillWord => self.kill_words_back(argument),
            F::BeginningOfHistory => self.go_to_line(0),
            F::CapitalizeWord | F::DowncaseWord | F::UpcaseWord => {
                self.change_case(function, argument)
            }
            F::CharacterSearch => self.await_char(false, argument),
            F::CharacterSearchBackward => self.await_char(true, argument),
            F::ClearScreen => self.effects.push(Effect::Clear),
            F::Complete | F::ViComplete => self.complete(How::Extend),
            F::CopyRegionAsKill => self.copy_region(),
            F::DeleteChar => self.delete_or_end(argument),
            F::DeleteHorizontalSpace => self.delete_blanks(),
            F::DigitArgument | F::ViArgDigit => self.begin_argument(key, argument),
            F::Ding | F::TabInsert => self.ding(),
            F::DumpKey => self.awaiting = Some(Awaiting::KeyToDump),
            F::DumpMacros => self.dump(|binding| matches!(binding, Binding::Macro(_))),
            F::DumpVariables => self.dump_variables(),
            F::EmacsEditingMode => self.set("editing-mode", "emacs"),
            F::EndOfHistory => self.go_to_line(self.history.lines().len()),
            F::ForwardSearchHistory => self.search_incrementally(false),
            F::InsertComment => self.comment(),
            F::InsertCompletions => self.complete(How::Insert),
            F::InsertMacro => match self.last_macro.clone() {
                Some(keys) => self.play(keys),
                None => self.ding(),
            },
            F::Interrupt => self.end(Effect::Except(Exception::Interrupt)),
            F::IsearchAgain => self.search_again(key),
            F::KillLine => self.kill_to_end(),
            F::KillRegion => self.kill_region(),
            F::KillWholeLine => self.kill_all(),
            F::KillWord => self.kill_words(argument),
            F::NextHistory => self.go_down(argument),
            F::NonIncrementalForwardSearchHistory => self.search_whole(false, key),
            F::NonIncrementalReverseSearchHistory => self.search_whole(true, key),
            F::OverwriteMode => self.overwrite = !self.overwrite,
            F::PoeWheelDebug => self.debug(),
            F::PossibleCompletions => self.complete(How::List),
            F::PreviousHistory => self.go_up(argument),
            F::QuotedInsert => self.awaiting = Some(Awaiting::Quoted),
            F::ReReadInitFile => self.effects.push(Effect::ReadInitFile),
            F::RedrawCurrentLine => self.effects.push(Effect::Redraw),
            F::ReverseSearchHistory => self.search_incrementally(true),
            F::RevertLine => self.revert(),
            F::SearchAbort => self.abort_search(),
            F::SearchFinish | F::SearchKey | F::ViSearchKey => self.key_in_search(key),
            F::SelfInsert => self.insert_key(key, argument),
            F::SetKeymap => self.use_map(self.bound_map()),
            F::SetMark => self.mark = self.text.cursor(),
            F::Suspend => self.effects.push(Effect::Suspend),
            F::TildeExpand => _ = self.expand_tilde(),
            F::TransposeChars => self.transpose_chars(argument),
            F::TransposeWords => self.transpose_words(argument),
            F::Undo | F::ViUndo => self.undo_once(argument),
            F::UnixWordRubout => self.kill_blank_words_back(argument),
            F::Yank => self.yank(argument),
            F::YankLastArg => self.yank_last_argument(argument),
            F::YankNthArg => self.yank_nth_argument(argument),
            F::YankPop => self.yank_before(),
            F::ViAppendEol => self.insert_at(self.text.len()),
            F::ViAppendMode => self.insert_at(self.text.next(self.text.cursor())),
            F::ViChangeCase => self.swap_case(argument),
            F::ViChangeChar => {
                self.awaiting = Some(Awaiting::ViChange);
                self.argument = argument.digits.map(|_| argument);
            }
            F::ViChangeTo => self.begin_operator(Verb::Change, key, argument),
            F::ViCharSearch | F::ViGotoMark | F::ViSpecMark => {
                self.vi_awaits(function, key, argument)
            }
            F::ViDelete => self.vi_delete(key, argument),
            F::ViDeleteTo => self.begin_operator(Verb::Delete, key, argument),
            F::ViEditingMode => self.set("editing-mode", "vi"),
            F::ViEndSpec => self.end_operator_without(key),
            F::ViEofMaybe => self.end_or_ding(),
            F::ViFetchHistory => self.fetch(argument),
            F::ViInsertBeg => self.insert_at(0),
            F::ViInsertionMode => self.insert_at(self.text.cursor()),
            F::ViMatch => self.ding(),
            F::ViMovementMode => self.leave_insertion(),
            F::ViPut => self.put(key, argument),
            F::ViRedo => self.redo(argument),
            F::ViReplace => {
                self.map = MapName::ViInsert;
                self.overwrite = true;
            }
            F::ViSearch => self.search_whole(key.letter() == Some('/'), key),
            F::ViSearchAccept => self.finish_search(),
            F::ViSearchAgain => self.search_whole_again(key),
            F::ViSetMark => self.awaiting = Some(Awaiting::SetMark),
            F::ViSubst => self.substitute(key, argument),
            F::ViTildeExpand => {
                if self.expand_tilde() {
                    self.insert_at(self.text.cursor());
                }
            }
            F::ViYankArg => self.append_last_argument(argument),
            F::ViYankTo => self.begin_operator(Verb::Yank, key, argument),
            // The others are motions.
            _ => self.ding(),
        }
    }

    /// The key that something waits for has come.
    pub(super) fn give(&mut self, awaiting: Awaiting, key: Key) {
        let argument = self.argument.take().unwrap_or_default();
        match awaiting {
            Awaiting::Quoted => {
                let before = self.text.clone();
                if self.insert(&key.typed()) {
                    self.undo.push(before);
                    (self.changed, self.last) = (true, F::QuotedInsert);
                }
            }
            Awaiting::Search { backward } => self.go_to_char(key, backward, argument),
            Awaiting::ViSearch(kind) => self.vi_search(kind, key, argument),
            Awaiting::ViChange => self.replace_chars(key, argument),
            Awaiting::SetMark => match key.printable() {
                Some(mark) => _ = self.marks.insert(mark, self.text.cursor()),
                None => self.ding(),
            },
            Awaiting::GoToMark => self.go_to_mark(key),
            Awaiting::KeyToDump => {
                let bound = self.maps.bindings(self.map).find(|(keys, _)| *keys == [key]);
                let line = match bound {
                    Some((keys, binding)) => shown(keys, binding),
                    None => format!("{key}: {}", self.map.default()),
                };
                self.effects.push(Effect::Print(vec![line]));
            }
        }
    }

    fn abort(&mut self) {
        self.drop_operator();
        self.end(Effect::Except(Exception::Cancel));
    }

    pub(super) fn accept(&mut self) {
        self.finish_search();
        self.end(Effect::Accept);
    }

    fn delete_or_end(&mut self, argument: Argument) {
        // Something typed before it that is gone by now, as `x ^H ^D`, does not matter.
        if self.text.is_empty() && self.last != F::DeleteChar {
            self.end(Effect::Except(Exception::Eot));
        } else {
            self.delete(argument, false);
        }
    }

    fn end_or_ding(&mut self) {
        if self.text.is_empty() { self.end(Effect::Except(Exception::Eot)) } else { self.ding() }
    }

    fn begin_argument(&mut self, key: Key, argument: Argument) {
        self.argument = Some(argument);
        if !self.digit(key) {
            self.argument = Some(Argument { is_negative: !argument.is_negative, ..argument });
        }
    }

    /// Adds a digit to the argument, if the key is one.
    pub(super) fn digit(&mut self, key: Key) -> bool {
        let Some(digit) = key.letter().and_then(|char| char.to_digit(10)) else { return false };
        if key.ctrl {
            return false;
        }
        let argument = self.argument.get_or_insert_default();
        let digits = argument.digits.unwrap_or(0).saturating_mul(10) + digit as usize;
        argument.digits = Some(digits.min(MOST));
        true
    }

    fn dump(&mut self, wanted: impl Fn(&Binding) -> bool) {
        let bindings = self.maps.bindings(self.map).filter(|(_, binding)| wanted(binding));
        let lines = bindings.map(|(keys, binding)| shown(keys, binding)).collect();
        self.effects.push(Effect::Print(lines));
    }

    fn dump_variables(&mut self) {
        let lines = self.settings.iter().map(|(name, value)| format!("{name} is set to {value:?}"));
        self.effects.push(Effect::Print(lines.collect()));
    }

    fn debug(&mut self) {
        let line =
            format!("{:?} at {}, keys of {:?}", self.text.as_str(), self.text.cursor(), self.map);
        self.effects.push(Effect::Print(vec![line]));
    }
}

fn shown(keys: &[Key], binding: &Binding) -> String {
    let written = |keys: &[Key]| keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ");
    match binding {
        Binding::Function(function) => format!("{}: {function}", written(keys)),
        Binding::Added(name) => format!("{}: {name}", written(keys)),
        Binding::Macro(played) => format!("{}: \"{}\"", written(keys), written(played)),
    }
}
