//! Where to bind and to connect: hosts, ports and paths as users write them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// The address family of a socket (POE: `SocketDomain`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Domain {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// UNIX.
    Unix,
}

/// A port: a number, or the name of a service that the system knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// Its number.
    Number(u16),
    /// Its name, as `"echo"`; looked up in `/etc/services`. Digits are taken as the number.
    Service(String),
}

impl From<u16> for Port {
    fn from(port: u16) -> Self {
        Self::Number(port)
    }
}

impl From<&str> for Port {
    fn from(service: &str) -> Self {
        service.parse().map_or_else(|_| Self::Service(service.to_owned()), Self::Number)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(port) => port.fmt(f),
            Self::Service(service) => f.pad(service),
        }
    }
}

impl Port {
    pub(super) fn number(&self) -> io::Result<u16> {
        match self {
            Self::Number(port) => Ok(*port),
            Self::Service(service) => {
                let services = std::fs::read_to_string("/etc/services")?;
                find_service(&services, service).ok_or_else(|| {
                    io::Error::new(io::ErrorKind::NotFound, format!("no TCP service {service:?}"))
                })
            }
        }
    }
}

fn find_service(services: &str, wanted: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        let port = words.next()?.strip_suffix("/tcp")?.parse().ok()?;
        (name == wanted || words.any(|alias| alias == wanted)).then_some(port)
    })
}

/// The addresses of a host, in the order to try them.
pub(super) fn resolve(
    host: &str,
    port: u16,
    domain: Option<Domain>,
) -> io::Result<Vec<SocketAddr>> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let addresses = (host, port).to_socket_addrs()?;
    let wanted = |address: &SocketAddr| match domain {
        Some(Domain::Inet) => address.is_ipv4(),
        Some(Domain::Inet6) => address.is_ipv6(),
        _ => true,
    };
    let addresses: Vec<SocketAddr> = addresses.filter(wanted).collect();
    if addresses.is_empty() {
        let message = "the host has no address of that family";
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, message));
    }
    Ok(addresses)
}

/// The address that stands for all of the machine.
pub(super) fn any(port: u16, domain: Option<Domain>) -> SocketAddr {
    let ip = match domain {
        Some(Domain::Inet6) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found_by_name_and_alias() {
        let services = "# comment\necho 7/tcp\necho 7/udp\nhttp\t\t80/tcp www # World Wide Web\n";
        assert_eq!(find_service(services, "echo"), Some(7));
        assert_eq!(find_service(services, "www"), Some(80));
        assert_eq!(find_service(services, "World"), None);
    }

    #[test]
    fn digits_are_a_number() {
        assert_eq!(Port::from("80"), Port::Number(80));
        assert_eq!(Port::from("www"), Port::Service("www".into()));
    }

    #[test]
    fn families_are_kept_apart() {
        assert!(resolve("127.0.0.1", 1, Some(Domain::Inet6)).is_err());
        assert_eq!(resolve("[::1]", 1, None).unwrap()[0].to_string(), "[::1]:1");
    }
}
