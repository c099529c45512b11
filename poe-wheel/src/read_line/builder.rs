//! How a `ReadLine` wheel is to be.

use std::collections::HashMap;
use std::fmt;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use poe_kernel::{EventFor, Kernel};

use super::ReadLine;
use super::edited::EditedLine;
use super::editor::{Completion, Exception};
use super::events::PutMode;
use super::inputrc::InitFile;
use super::wheel::{Added, Completer, Events, Wheel};
use crate::{Input, IoError, WheelError, WheelId};

/// All that a wheel begins with.
pub(super) struct Plan {
    pub(super) input: Rc<dyn AsFd>,
    pub(super) output: Rc<dyn AsFd>,
    pub(super) terminal: String,
    pub(super) application: String,
    pub(super) events: Events,
    pub(super) put_mode: PutMode,
    pub(super) idle_time: Duration,
    pub(super) escape_time: Duration,
    pub(super) functions: HashMap<String, Added>,
    pub(super) completer: Option<Completer>,
    pub(super) init_file: InitFile,
}

/// Builds a [`ReadLine`] wheel (POE: the parameters of `POE::Wheel::ReadLine->new`).
#[must_use = "a wheel begins when it is spawned"]
pub struct ReadLineBuilder {
    plan: Plan,
}

impl ReadLineBuilder {
    pub(super) fn new(input: Rc<dyn AsFd>, output: Rc<dyn AsFd>) -> Self {
        let plan = Plan {
            input,
            output,
            terminal: std::env::var("TERM").unwrap_or_default(),
            application: "poe-readline".to_owned(),
            events: Events::default(),
            put_mode: PutMode::default(),
            idle_time: Duration::from_secs(2),
            escape_time: Duration::from_millis(100),
            functions: HashMap::new(),
            completer: None,
            init_file: InitFile::default(),
        };
        Self { plan }
    }

    /// The event for what was typed: a line, or how it ended without one (POE: `InputEvent`).
    pub fn input_event(mut self, event: impl EventFor<Input<Result<String, Exception>>>) -> Self {
        self.plan.events.input = Some(event.name());
        self
    }

    /// The event for failures of the terminal, and for its being gone.
    pub fn error_event(mut self, event: impl EventFor<IoError>) -> Self {
        self.plan.events.error = Some(event.name());
        self
    }

    /// The event for having shown all that was put, which the terminal may not take at once.
    pub fn flushed_event(mut self, event: impl EventFor<WheelId>) -> Self {
        self.plan.events.flushed = Some(event.name());
        self
    }

    /// When what is put while a line is typed is shown (POE: `PutMode`).
    pub fn put_mode(mut self, mode: PutMode) -> Self {
        self.plan.put_mode = mode;
        self
    }

    /// How long no key must have come for [`PutMode::Idle`]; two seconds if not given (POE: `IdleTime`).
    pub fn idle_time(mut self, time: Duration) -> Self {
        self.plan.idle_time = time;
        self
    }

    /// How long after Escape the rest of another key's sequence may come; a tenth of a second if not given.
    pub fn escape_time(mut self, time: Duration) -> Self {
        self.plan.escape_time = time;
        self
    }

    /// What `$if` in init files knows the program as, `poe-readline` if not given (POE: `AppName`).
    pub fn app_name(mut self, name: impl Into<String>) -> Self {
        self.plan.application = name.into();
        self
    }

    /// The init file, instead of `$INPUTRC` or `~/.inputrc`.
    pub fn init_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.plan.init_file = InitFile::Named(path.into());
        self
    }

    /// Reads no init file, unless one is named after this. `re-read-init-file` rings the bell.
    pub fn no_init_file(mut self) -> Self {
        self.plan.init_file = InitFile::No;
        self
    }

    /// Adds a function that keys can be bound to, as [`ReadLine::add_defun`] does later, in time for the init file to name it.
    ///
    /// ```
    /// use poe_wheel::ReadLine;
    ///
    /// // An init file may say: C-o: shout
    /// let builder = ReadLine::build().add_defun("shout", |line| {
    ///     line.set(line.text().to_uppercase(), line.cursor());
    /// });
    /// # drop(builder);
    /// ```
    pub fn add_defun(
        mut self,
        name: impl Into<String>,
        function: impl Fn(&mut EditedLine) + 'static,
    ) -> Self {
        self.plan.functions.insert(name.into().to_ascii_lowercase(), Rc::new(function));
        self
    }

    /// What words can be completed with (POE: the attribute `completion_function`). Those that do not begin as the word does
    /// are left out.
    pub fn completion(mut self, complete: impl Fn(&Completion) -> Vec<String> + 'static) -> Self {
        self.plan.completer = Some(Rc::new(complete));
        self
    }

    /// Begins; the wheel belongs to the session that is active. Nothing is read before [`ReadLine::get`]. What is wrong in the
    /// init file is put.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler.
    #[track_caller]
    pub fn spawn(self, kernel: &Kernel) -> Result<ReadLine, WheelError> {
        let wheel = Wheel::begin(kernel, self.plan)?;
        if wheel.is_edited {
            wheel.read_init_file();
        }
        Ok(ReadLine { wheel })
    }
}

impl fmt::Debug for ReadLineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadLineBuilder")
            .field("events", &self.plan.events)
            .field("put_mode", &self.plan.put_mode)
            .field("idle_time", &self.plan.idle_time)
            .field("escape_time", &self.plan.escape_time)
            .finish_non_exhaustive()
    }
}
