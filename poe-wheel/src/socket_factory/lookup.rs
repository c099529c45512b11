//! The address of this end, looked up by another thread.

use std::io;
use std::net::SocketAddr;

use poe_kernel::{BlockingCall, BlockingRefused, Kernel, WeakKernel};

use super::address;
use super::this_end::ThisEnd;
use crate::WheelError;

/// It is under way; dropped, it comes to nothing.
pub(super) struct Lookup {
    kernel: WeakKernel,
    call: BlockingCall,
}

impl Lookup {
    /// Looks a name up, and then does something with its addresses. The active session lives until then.
    pub(super) fn begin(
        kernel: &Kernel,
        name: &str,
        this_end: &ThisEnd,
        then: impl FnOnce(&Kernel, io::Result<Vec<SocketAddr>>) + 'static,
    ) -> Result<Self, WheelError> {
        let (port, domain, host) = (this_end.port_number()?, this_end.domain, name.to_owned());
        let call = kernel.call_blocking(
            kernel.active_session(),
            move || address::to_bind(&host, port, domain),
            move |kernel, found: Result<_, _>| {
                then(kernel, found.unwrap_or_else(|lost| Err(io::Error::other(lost))));
            },
        );
        let refused = |refused| this_end.unresolved(io::Error::other(refused));
        let call = call.map_err(BlockingRefused::without_work).map_err(refused)?;
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
