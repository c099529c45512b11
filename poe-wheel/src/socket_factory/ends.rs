//! Where to connect to, and from where: as the user wrote it, and as addresses.

use std::net::SocketAddr;

use super::address::{self, Domain, Port, SocketType};
use super::connector::Failed;

/// Two ends by name. They can be taken to another thread, and looked up there.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    pub(super) domain: Option<Domain>,
    pub(super) kind: SocketType,
    pub(super) remote_address: String,
    pub(super) remote_port: Port,
    pub(super) bind_address: Option<String>,
    pub(super) bind_port: Option<Port>,
}

/// The addresses of two ends.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Those to connect to, in the order to try them.
    pub(super) remote: Vec<SocketAddr>,
    /// What to bind to: one of each family will do, and none if nothing was asked for.
    pub(super) local: Vec<SocketAddr>,
}

impl Ends {
    /// Whether all is known without asking anybody.
    pub(super) fn are_literal(&self) -> bool {
        let is_service = |port: &Port| matches!(port, Port::Service(_));
        address::is_literal(&self.remote_address)
            && self.bind_address.as_deref().is_none_or(address::is_literal)
            && !is_service(&self.remote_port)
            && !self.bind_port.as_ref().is_some_and(is_service)
    }

    /// Looks the addresses up, which may take long.
    pub(super) fn resolve(&self) -> Result<Addresses, Failed> {
        Ok(Addresses { remote: self.remote()?, local: self.local()? })
    }

    fn remote(&self) -> Result<Vec<SocketAddr>, Failed> {
        let number = self.remote_port.number(self.kind).map_err(|e| ("getservbyname", e))?;
        address::resolve(&self.remote_address, number, self.domain)
            .map(address::interleave)
            .map_err(|e| ("getaddrinfo", e))
    }

    fn local(&self) -> Result<Vec<SocketAddr>, Failed> {
        let port = self.bind_port.as_ref().unwrap_or(&Port::Number(0));
        let number = port.number(self.kind).map_err(|e| ("getservbyname", e))?;
        match &self.bind_address {
            Some(host) => address::resolve(host, number, None).map_err(|e| ("getaddrinfo", e)),
            None if self.bind_port.is_none() => Ok(Vec::new()),
            None => Ok([Domain::Inet, Domain::Inet6]
                .map(|domain| address::any(number, Some(domain)))
                .into()),
        }
    }
}
