//! The address of this end, looked up by another thread.

use std::io;
use std::net::SocketAddr;

use poe_kernel::{BlockingCall, BlockingRefused, Kernel, WeakKernel};

use super::address::{self, Domain};

/// It is under way; dropped, it comes to nothing.
pub(super) struct Lookup {
    kernel: WeakKernel,
    call: BlockingCall,
}

impl Lookup {
    /// Looks a name up, and then does something with its addresses. The active session lives until then. An error if there is
    /// no thread, or no room, for it.
    pub(super) fn begin(
        kernel: &Kernel,
        name: &str,
        port: u16,
        domain: Option<Domain>,
        then: impl FnOnce(&Kernel, io::Result<Vec<SocketAddr>>) + 'static,
    ) -> io::Result<Self> {
        let host = name.to_owned();
        let call = kernel.call_blocking(
            kernel.active_session(),
            move || address::to_bind(&host, port, domain),
            move |kernel, found: Result<_, _>| {
                then(kernel, found.unwrap_or_else(|lost| Err(io::Error::other(lost))));
            },
        );
        let call = call.map_err(BlockingRefused::without_work).map_err(io::Error::other)?;
        Ok(Self { kernel: kernel.downgrade(), call })
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.cancel_blocking(self.call);
        }
    }
}
