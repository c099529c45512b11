//! Where to bind and to connect: hosts, ports and paths as users write them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use nix::errno::Errno;

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

/// What a socket carries (POE: `SocketType`, `SocketProtocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketType {
    /// A stream of octets: TCP, or a UNIX stream.
    #[default]
    Stream,
    /// Messages, each by itself: UDP, or UNIX datagrams.
    Datagram,
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
    pub(super) fn number(&self, kind: SocketType) -> io::Result<u16> {
        match self {
            Self::Number(port) => Ok(*port),
            Self::Service(digits) if digits.bytes().all(|it| it.is_ascii_digit()) => {
                let message = format!("{digits:?} is no port; they are numbers up to 65535");
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
            Self::Service(service) => {
                let services = std::fs::read_to_string("/etc/services")?;
                let protocol = match kind {
                    SocketType::Stream => "tcp",
                    SocketType::Datagram => "udp",
                };
                find_service(&services, service, protocol).ok_or_else(|| {
                    let message = format!("no service {service:?} of {protocol}");
                    io::Error::new(io::ErrorKind::NotFound, message)
                })
            }
        }
    }
}

fn find_service(services: &str, wanted: &str, protocol: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        let (port, of) = words.next()?.split_once('/')?;
        let port = port.parse().ok().filter(|_| of == protocol)?;
        (name == wanted || words.any(|alias| alias == wanted)).then_some(port)
    })
}

/// The addresses of a host, in the order to try them.
pub(super) fn resolve(
    host: &str,
    port: u16,
    domain: Option<Domain>,
) -> io::Result<Vec<SocketAddr>> {
    let addresses = (unbracketed(host), port).to_socket_addrs()?;
    let addresses: Vec<SocketAddr> = addresses.filter(|it| is_of(it, domain)).collect();
    if addresses.is_empty() {
        let message = "the host has no address of that family";
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, message));
    }
    Ok(addresses)
}

/// Whether a host is an address, so that nobody has to be asked for it.
pub(super) fn is_literal(host: &str) -> bool {
    unbracketed(host).parse::<IpAddr>().is_ok()
}

/// Whether it is known where a host is that is to be bound to: an address is, and so is `localhost` (RFC 6761, section 6.3).
pub(super) fn is_known(host: &str) -> bool {
    is_literal(host) || is_localhost(host)
}

fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
}

/// The addresses of a host that is this one, in the order to try to bind to them: those of IPv4 first, where all find a server.
pub(super) fn to_bind(
    host: &str,
    port: u16,
    domain: Option<Domain>,
) -> io::Result<Vec<SocketAddr>> {
    if is_localhost(host) {
        let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let both = both.map(|ip| SocketAddr::new(ip, port)).into_iter();
        return Ok(both.filter(|address| is_of(address, domain)).collect());
    }
    let mut addresses = resolve(host, port, domain)?;
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}

/// Whether an error says that this machine has no way to an address, or not the address, as when it has none of that family.
pub(super) fn is_without_way(error: &io::Error) -> bool {
    let codes = [Errno::ENETUNREACH, Errno::EAFNOSUPPORT, Errno::EADDRNOTAVAIL];
    codes.iter().any(|code| error.raw_os_error() == Some(*code as i32))
}

fn is_of(address: &SocketAddr, domain: Option<Domain>) -> bool {
    match domain {
        Some(Domain::Inet) => address.is_ipv4(),
        Some(Domain::Inet6) => address.is_ipv6(),
        _ => true,
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Puts addresses in the order to try them: each family's as they come, and the families by turns, beginning with that of
/// the first address (RFC 8305, section 4). A family without a way to the host costs one attempt then, not all of its.
pub(super) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let count = addresses.len();
    let (ours, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let (mut ours, mut others) = (ours.into_iter(), others.into_iter());
    let mut mixed = Vec::with_capacity(count);
    while mixed.len() < count {
        mixed.extend(ours.next());
        mixed.extend(others.next());
    }
    mixed
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
        assert_eq!(find_service(services, "echo", "tcp"), Some(7));
        assert_eq!(find_service(services, "echo", "udp"), Some(7));
        assert_eq!(find_service(services, "www", "tcp"), Some(80));
        assert_eq!(find_service(services, "www", "udp"), None);
        assert_eq!(find_service(services, "World", "tcp"), None);
    }

    #[test]
    fn digits_are_a_number() {
        assert_eq!(Port::from("80"), Port::Number(80));
        assert_eq!(Port::from("www"), Port::Service("www".into()));
        for text in ["70000", ""] {
            let error = Port::from(text).number(SocketType::Stream).unwrap_err().to_string();
            assert_eq!(error, format!("{text:?} is no port; they are numbers up to 65535"));
        }
    }

    #[test]
    fn families_take_turns() {
        let mixed = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            interleave(addresses).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(mixed(&[]).is_empty());
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"];
        assert_eq!(mixed(&addresses), expected);
        let addresses = ["1.1.1.1:1", "[::1]:1", "[::2]:1", "[::3]:1"];
        assert_eq!(mixed(&addresses), addresses);
    }

    #[test]
    fn localhost_is_bound_to_where_most_find_it() {
        let at = |domain| {
            let addresses = to_bind("localhost", 1, domain).unwrap();
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(at(None), ["127.0.0.1:1", "[::1]:1"]);
        assert_eq!(at(Some(Domain::Inet6)), ["[::1]:1"]);
        assert!(is_known("LOCALHOST") && is_known("[::1]") && !is_known("127.1"));
    }

    #[test]
    fn families_are_kept_apart() {
        assert!(resolve("127.0.0.1", 1, Some(Domain::Inet6)).is_err());
        assert_eq!(resolve("[::1]", 1, None).unwrap()[0].to_string(), "[::1]:1");
    }
}
