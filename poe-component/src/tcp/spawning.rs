//! What a component does before its session begins.

use poe_kernel::{AliasError, Kernel};
use poe_session::{Scope, Suspended};

use crate::ComponentError;

/// Does something with the kernel of a scope, whose own session can be told of a child meanwhile.
pub(crate) fn suspended<R>(scope: impl Scope, f: impl FnOnce(&Kernel) -> R) -> R {
    let mut suspended = scope.suspend();
    let result = f(suspended.kernel());
    suspended.resume();
    result
}

/// Refuses an alias that is taken, before there is a session to fail over it.
pub(crate) fn check_alias(kernel: &Kernel, alias: Option<&String>) -> Result<(), ComponentError> {
    match alias.and_then(|alias| Some((alias, kernel.alias_resolve(alias)?))) {
        Some((alias, owner)) => Err(AliasError::InUse { alias: alias.clone(), owner }.into()),
        None => Ok(()),
    }
}
