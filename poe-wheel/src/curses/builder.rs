//! How a `Curses` wheel is to be.

use std::fmt;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use poe_kernel::{EventFor, Kernel, Name};
use ratatui::layout::Size;

use super::Curses;
use super::events::TerminalInput;
use super::modes::Modes;
use super::wheel::Wheel;
use crate::{Input, IoError, WheelError};

/// All that a wheel begins with.
pub(super) struct Plan {
    pub(super) input: Rc<dyn AsFd>,
    pub(super) output: Rc<dyn AsFd>,
    pub(super) input_event: Option<Name>,
    pub(super) error_event: Option<Name>,
    pub(super) size: Option<Size>,
    pub(super) escape_time: Duration,
    pub(super) modes: Modes,
}

/// Builds a [`Curses`] wheel (POE: the parameters of `POE::Wheel::Curses->new`).
#[must_use = "a wheel begins when it is spawned"]
pub struct CursesBuilder {
    plan: Plan,
}

impl CursesBuilder {
    pub(super) fn new(input: Rc<dyn AsFd>, output: Rc<dyn AsFd>) -> Self {
        let plan = Plan {
            input,
            output,
            input_event: None,
            error_event: None,
            size: None,
            escape_time: Duration::from_millis(100),
            modes: Modes::default(),
        };
        Self { plan }
    }

    /// The event for what is typed, clicked and pasted, and for another size (POE: `InputEvent`).
    pub fn input_event(mut self, event: impl EventFor<Input<TerminalInput>>) -> Self {
        self.plan.input_event = Some(event.name());
        self
    }

    /// The event for failures of the terminal, and for its being gone.
    pub fn error_event(mut self, event: impl EventFor<IoError>) -> Self {
        self.plan.error_event = Some(event.name());
        self
    }

    /// Columns and rows, instead of those that the terminal says it has; for what is no terminal, 80 and 24 if not given.
    pub fn size(mut self, columns: u16, rows: u16) -> Self {
        self.plan.size = Some(Size::new(columns, rows));
        self
    }

    /// How long after Escape the rest of another key's sequence may come; a tenth of a second if not given.
    pub fn escape_time(mut self, time: Duration) -> Self {
        self.plan.escape_time = time;
        self
    }

    /// Whether the mouse is told of, with all its motions; not if not given. The terminal then selects no text by itself.
    pub fn mouse(mut self, is_told: bool) -> Self {
        self.plan.modes.mouse = is_told;
        self
    }

    /// Whether it is told that the terminal gets and loses the focus; not if not given.
    pub fn focus(mut self, is_told: bool) -> Self {
        self.plan.modes.focus = is_told;
        self
    }

    /// Whether what is pasted comes as one; it does if not given. Else it comes as if it were typed.
    pub fn bracketed_paste(mut self, is_one: bool) -> Self {
        self.plan.modes.bracketed_paste = is_one;
        self
    }

    /// Whether the wheel draws on a screen of its own, behind which what the terminal showed comes back; it does if not given.
    /// Else the last frame stays, and what comes next is below it.
    pub fn alternate_screen(mut self, is_own: bool) -> Self {
        self.plan.modes.alternate_screen = is_own;
        self
    }

    /// Takes the terminal; the wheel belongs to the session that is active.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler; [`WheelError::Terminal`] when the terminal does not let itself be
    /// taken, as while another wheel has it.
    #[track_caller]
    pub fn spawn(self, kernel: &Kernel) -> Result<Curses, WheelError> {
        Ok(Curses { wheel: Wheel::begin(kernel, self.plan)? })
    }
}

impl fmt::Debug for CursesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CursesBuilder")
            .field("input_event", &self.plan.input_event)
            .field("error_event", &self.plan.error_event)
            .field("size", &self.plan.size)
            .field("escape_time", &self.plan.escape_time)
            .field("modes", &self.plan.modes)
            .finish_non_exhaustive()
    }
}
