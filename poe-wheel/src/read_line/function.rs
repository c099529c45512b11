//! What keys can do.

use std::fmt;

macro_rules! functions {
    ($($variant:ident = $name:literal,)*) => {
        /// A function of the line editor, by POE's name for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Function {
            $($variant,)*
        }

        impl Function {
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)*];

            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

functions! {
    Abort = "abort",
    AcceptLine = "accept-line",
    BackwardChar = "backward-char",
    BackwardDeleteChar = "backward-delete-char",
    BackwardKillLine = "backward-kill-line",
    BackwardKillWord = "backward-kill-word",
    BackwardWord = "backward-word",
    BeginningOfHistory = "beginning-of-history",
    BeginningOfLine = "beginning-of-line",
    CapitalizeWord = "capitalize-word",
    CharacterSearch = "character-search",
    CharacterSearchBackward = "character-search-backward",
    ClearScreen = "clear-screen",
    Complete = "complete",
    CopyRegionAsKill = "copy-region-as-kill",
    DeleteChar = "delete-char",
    DeleteHorizontalSpace = "delete-horizontal-space",
    DigitArgument = "digit-argument",
    Ding = "ding",
    DowncaseWord = "downcase-word",
    DumpKey = "dump-key",
    DumpMacros = "dump-macros",
    DumpVariables = "dump-variables",
    EmacsEditingMode = "emacs-editing-mode",
    EndOfHistory = "end-of-history",
    EndOfLine = "end-of-line",
    ForwardChar = "forward-char",
    ForwardSearchHistory = "forward-search-history",
    ForwardWord = "forward-word",
    InsertComment = "insert-comment",
    InsertCompletions = "insert-completions",
    InsertMacro = "insert-macro",
    Interrupt = "interrupt",
    IsearchAgain = "isearch-again",
    KillLine = "kill-line",
    KillRegion = "kill-region",
    KillWholeLine = "kill-whole-line",
    KillWord = "kill-word",
    NextHistory = "next-history",
    NonIncrementalForwardSearchHistory = "non-incremental-forward-search-history",
    NonIncrementalReverseSearchHistory = "non-incremental-reverse-search-history",
    OverwriteMode = "overwrite-mode",
    PoeWheelDebug = "poe-wheel-debug",
    PossibleCompletions = "possible-completions",
    PreviousHistory = "previous-history",
    QuotedInsert = "quoted-insert",
    ReReadInitFile = "re-read-init-file",
    RedrawCurrentLine = "redraw-current-line",
    ReverseSearchHistory = "reverse-search-history",
    RevertLine = "revert-line",
    SearchAbort = "search-abort",
    SearchFinish = "search-finish",
    SearchKey = "search-key",
    SelfInsert = "self-insert",
    SetKeymap = "set-keymap",
    SetMark = "set-mark",
    Suspend = "suspend",
    TabInsert = "tab-insert",
    TildeExpand = "tilde-expand",
    TransposeChars = "transpose-chars",
    TransposeWords = "transpose-words",
    Undo = "undo",
    UnixLineDiscard = "unix-line-discard",
    UnixWordRubout = "unix-word-rubout",
    UpcaseWord = "upcase-word",
    ViAppendEol = "vi-append-eol",
    ViAppendMode = "vi-append-mode",
    ViArgDigit = "vi-arg-digit",
    ViChangeCase = "vi-change-case",
    ViChangeChar = "vi-change-char",
    ViChangeTo = "vi-change-to",
    ViCharSearch = "vi-char-search",
    ViColumn = "vi-column",
    ViComplete = "vi-complete",
    ViDelete = "vi-delete",
    ViDeleteTo = "vi-delete-to",
    ViEditingMode = "vi-editing-mode",
    ViEndSpec = "vi-end-spec",
    ViEndWord = "vi-end-word",
    ViEofMaybe = "vi-eof-maybe",
    ViFetchHistory = "vi-fetch-history",
    ViFirstPrint = "vi-first-print",
    ViGotoMark = "vi-goto-mark",
    ViInsertBeg = "vi-insert-beg",
    ViInsertionMode = "vi-insertion-mode",
    ViMatch = "vi-match",
    ViMovementMode = "vi-movement-mode",
    ViNextWord = "vi-next-word",
    ViPrevWord = "vi-prev-word",
    ViPut = "vi-put",
    ViRedo = "vi-redo",
    ViReplace = "vi-replace",
    ViSearch = "vi-search",
    ViSearchAccept = "vi-search-accept",
    ViSearchAgain = "vi-search-again",
    ViSearchKey = "vi-search-key",
    ViSetMark = "vi-set-mark",
    ViSpecBeginningOfLine = "vi-spec-beginning-of-line",
    ViSpecEndOfLine = "vi-spec-end-of-line",
    ViSpecFirstPrint = "vi-spec-first-print",
    ViSpecForwardChar = "vi-spec-forward-char",
    ViSpecMark = "vi-spec-mark",
    ViSpecWord = "vi-spec-word",
    ViSubst = "vi-subst",
    ViTildeExpand = "vi-tilde-expand",
    ViUndo = "vi-undo",
    ViYankArg = "vi-yank-arg",
    ViYankTo = "vi-yank-to",
    Yank = "yank",
    YankLastArg = "yank-last-arg",
    YankNthArg = "yank-nth-arg",
    YankPop = "yank-pop",
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name() == name)
    }

    pub(super) fn completes(self) -> bool {
        matches!(self, Self::Complete | Self::ViComplete)
    }

    pub(super) fn yanks(self) -> bool {
        matches!(self, Self::Yank | Self::YankPop | Self::YankLastArg | Self::ViYankArg)
    }

    pub(super) fn kills(self) -> bool {
        matches!(
            self,
            Self::BackwardKillLine
                | Self::BackwardKillWord
                | Self::KillLine
                | Self::KillRegion
                | Self::KillWholeLine
                | Self::KillWord
                | Self::UnixLineDiscard
                | Self::UnixWordRubout
        )
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
