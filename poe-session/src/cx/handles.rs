//! Handles that the session whose handler runs watches.

use std::os::fd::AsFd;
use std::rc::Rc;

use poe_kernel::{EventFor, Mode, Name, Ready, WatchError};

use super::Cx;
use crate::Kind;

impl<H: 'static, K: Kind> Cx<'_, H, K> {
    /// As [`Kernel::select_read`](poe_kernel::Kernel::select_read).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use std::rc::Rc;
    ///
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// theirs.write_all(b"hello")?;
    /// drop(theirs);
    /// Session::build(Rc::new(ours))
    ///     .on_start(|cx| cx.select_read(&cx.heap, "readable"))
    ///     .on("readable", |cx, ready: Ready<UnixStream>| -> HandlerResult {
    ///         let mut bytes = [0; 100];
    ///         match (&*ready.handle).read(&mut bytes)? {
    ///             0 => cx.select_end(&ready.handle, Mode::Read),
    ///             count => assert_eq!(&bytes[..count], b"hello"),
    ///         }
    ///         Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WatchError`] when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select_read<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        event: impl EventFor<Ready<T>>,
    ) -> Result<(), WatchError> {
        self.kernel.select_read(handle, event)
    }

    /// As [`Kernel::select_write`](poe_kernel::Kernel::select_write).
    ///
    /// # Errors
    ///
    /// [`WatchError`] when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select_write<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        event: impl EventFor<Ready<T>>,
    ) -> Result<(), WatchError> {
        self.kernel.select_write(handle, event)
    }

    /// As [`Kernel::select_expedite`](poe_kernel::Kernel::select_expedite).
    ///
    /// # Errors
    ///
    /// [`WatchError`] when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select_expedite<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        event: impl EventFor<Ready<T>>,
    ) -> Result<(), WatchError> {
        self.kernel.select_expedite(handle, event)
    }

    /// As [`Kernel::select_with`](poe_kernel::Kernel::select_with).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use std::rc::Rc;
    ///
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// theirs.write_all(b"hello")?;
    /// Session::build(Rc::new(ours))
    ///     .on_start(|cx| cx.select_with(&cx.heap, Mode::Read, "readable", "client 7"))
    ///     .on("readable", |cx, ready: Ready<UnixStream, &str>| -> HandlerResult {
    ///         assert_eq!((ready.args, (&*ready.handle).read(&mut [0; 100])?), ("client 7", 5));
    ///         cx.select_end(&ready.handle, ready.mode);
    ///         Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WatchError`] when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select_with<T: AsFd + 'static, A: Clone + 'static>(
        &self,
        handle: &Rc<T>,
        mode: Mode,
        event: impl EventFor<Ready<T, A>>,
        args: A,
    ) -> Result<(), WatchError> {
        self.kernel.select_with(handle, mode, event, args)
    }

    /// As [`Kernel::select`](poe_kernel::Kernel::select).
    ///
    /// # Errors
    ///
    /// [`WatchError`] when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        read: Option<Name>,
        write: Option<Name>,
        expedite: Option<Name>,
    ) -> Result<(), WatchError> {
        self.kernel.select(handle, read, write, expedite)
    }

    /// As [`Kernel::select_end`](poe_kernel::Kernel::select_end).
    #[track_caller]
    pub fn select_end<T: AsFd>(&self, handle: &Rc<T>, mode: Mode) {
        self.kernel.select_end(handle, mode);
    }

    /// As [`Kernel::select_pause`](poe_kernel::Kernel::select_pause).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    ///
    /// // Reads no more than once a second, whatever comes.
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// theirs.write_all(b"hello")?;
    /// drop(theirs);
    /// Session::build(Rc::new(ours))
    ///     .on_start(|cx| cx.select_read(&cx.heap, "readable"))
    ///     .on("readable", |cx, ready: Ready<UnixStream>| -> HandlerResult {
    ///         if (&*ready.handle).read(&mut [0; 2])? == 0 {
    ///             cx.select_end(&ready.handle, Mode::Read);
    ///         } else {
    ///             cx.select_pause(&ready.handle, Mode::Read);
    ///             cx.delay("go on", Duration::from_secs(1), ());
    ///         }
    ///         Ok(())
    ///     })
    ///     .on("go on", |cx, ()| cx.select_resume(&cx.heap, Mode::Read))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn select_pause<T: AsFd>(&self, handle: &Rc<T>, mode: Mode) -> bool {
        self.kernel.select_pause(handle, mode)
    }

    /// As [`Kernel::select_resume`](poe_kernel::Kernel::select_resume).
    #[track_caller]
    pub fn select_resume<T: AsFd>(&self, handle: &Rc<T>, mode: Mode) -> bool {
        self.kernel.select_resume(handle, mode)
    }
}
