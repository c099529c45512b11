//! What the examples share: their address, their help, what they print, and how they fail.

pub mod top;

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use poe_component::prelude::KernelError;

const DEFAULT: &str = "127.0.0.1:12345";

/// What the `main` of each example returns.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// Why a program failed, for a person to read: in one line, as that is how `main` prints what it returns.
pub struct Failure(String);

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let error: &(dyn Error + 'static) = &error;
        // Of a handler's error, the error: the user does not care whose handler of which event it was.
        match error.downcast_ref() {
            Some(KernelError::Died(death)) => Self(death.cause.to_string()),
            _ => Self(error.to_string()),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a server is to listen, or a client to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The host: a name, or an IPv4 or IPv6 address (without brackets).
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let malformed = || format!("{text:?} is no address; write it as {DEFAULT} or [::1]:12345");
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if host.is_empty() || (bare.is_none() && host.contains(':')) {
            return Err(malformed());
        }
        let port = port.parse().map_err(|_| malformed())?;
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

/// The address in the program's first argument, or `127.0.0.1:12345`. Who asks for help gets it, and the program ends.
///
/// # Errors
///
/// What the user is to be told: the argument is no address, or there are too many.
pub fn address(purpose: &str) -> Result<Address> {
    let usage = format!("[ADDRESS:PORT]\n\nThe address is {DEFAULT} if none is given.");
    let address = argument(purpose, &usage)?.unwrap_or_else(|| DEFAULT.to_owned());
    address.parse().map_err(Failure)
}

/// The same, and the folder in the second argument, or the current one.
///
/// # Errors
///
/// What the user is to be told: the first argument is no address, or there are too many.
pub fn address_and_folder(purpose: &str) -> Result<(Address, String)> {
    let usage = format!(
        "[ADDRESS:PORT] [FOLDER]\n\nThe address is {DEFAULT} if none is given, the folder the current one."
    );
    let [address, folder] = arguments(purpose, &usage)?;
    let address = address.unwrap_or_else(|| DEFAULT.to_owned()).parse().map_err(Failure)?;
    Ok((address, folder.unwrap_or_else(|| ".".to_owned())))
}

/// The same as [`address`], and the files that options name.
///
/// # Errors
///
/// What the user is to be told: an argument is no address, or too much, or an option has no file.
pub fn address_and_files<const N: usize>(
    purpose: &str,
    options: [(&str, &str); N],
) -> Result<(Address, [Option<String>; N])> {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().display();
    let (mut address, mut files) = (None, [const { None }; N]);
    while let Some(argument) = arguments.next() {
        if argument == "--help" || argument == "-h" {
            let usage: String = options.iter().map(|(name, _)| format!(" [{name} FILE]")).collect();
            say!("{purpose}\n\nUsage: {program} [ADDRESS:PORT]{usage}\n");
            say!("The address is {DEFAULT} if none is given.");
            options.iter().for_each(|(name, about)| say!("  {name} FILE  {about}"));
            std::process::exit(0);
        }
        if let Some(option) = options.iter().position(|(name, _)| *name == argument) {
            let file = arguments.next();
            files[option] =
                Some(file.ok_or_else(|| Failure(format!("{argument} needs a file; see --help")))?);
        } else if address.is_none() && !argument.starts_with('-') {
            address = Some(argument);
        } else {
            return Err(unexpected(&argument));
        }
    }
    let address = address.unwrap_or_else(|| DEFAULT.to_owned()).parse().map_err(Failure)?;
    Ok((address, files))
}

/// The options of a program that takes some, and an address after or between them.
#[derive(Debug)]
pub struct Options(Vec<String>);

impl Options {
    /// Those that the program was given. Who asks for help gets it, and the program ends.
    pub fn new(purpose: &str, usage: &str) -> Self {
        let mut given = std::env::args();
        let program = given.next().unwrap_or_default();
        let options: Vec<_> = given.collect();
        if options.iter().any(|option| option == "--help" || option == "-h") {
            let program = Path::new(&program).file_name().unwrap_or_default().display();
            say!(
                "{purpose}\n\nUsage: {program} [ADDRESS:PORT] {usage}\n\nThe address is {DEFAULT} if none is given."
            );
            std::process::exit(0);
        }
        Self(options)
    }

    /// Whether this option is there.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|option| option != name);
        self.0.len() < before
    }

    /// What follows this option, if that is there.
    ///
    /// # Errors
    ///
    /// What the user is to be told: nothing follows it, or what makes no sense.
    pub fn value<T: std::str::FromStr<Err = String>>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(at) = self.0.iter().position(|option| option == name) else { return Ok(None) };
        if at + 1 == self.0.len() {
            return Err(Failure(format!("{name} takes a value; see --help")));
        }
        let value = self.0.drain(at..at + 2).next_back().unwrap_or_default();
        value.parse().map(Some).map_err(Failure)
    }

    /// Nothing may be left.
    ///
    /// # Errors
    ///
    /// What the user is to be told: there is something.
    pub fn end(self) -> Result {
        self.0.first().map_or(Ok(()), |extra| Err(unexpected(extra)))
    }

    /// The address, which is all that may be left.
    ///
    /// # Errors
    ///
    /// What the user is to be told: it is no address, or there is something else.
    pub fn address(self) -> Result<Address> {
        let mut rest = self.0.into_iter();
        let address = rest.next().unwrap_or_else(|| DEFAULT.to_owned());
        if address.starts_with('-') {
            return Err(unexpected(&address));
        }
        rest.next().map_or(Ok(()), |extra| Err(unexpected(&extra)))?;
        address.parse().map_err(Failure)
    }
}

/// For a program that takes no arguments: only tells who asks for help.
///
/// # Errors
///
/// What the user is to be told: there are arguments.
pub fn no_arguments(purpose: &str) -> Result {
    match argument(purpose, "")? {
        None => Ok(()),
        Some(extra) => Err(unexpected(&extra)),
    }
}

fn argument(purpose: &str, usage: &str) -> Result<Option<String>> {
    let [argument] = arguments(purpose, usage)?;
    Ok(argument)
}

fn arguments<const N: usize>(purpose: &str, usage: &str) -> Result<[Option<String>; N]> {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().display();
    let given = std::array::from_fn(|_| arguments.next());
    if given
        .first()
        .and_then(Option::as_deref)
        .is_some_and(|argument| argument == "--help" || argument == "-h")
    {
        say!("{purpose}\n\nUsage: {}", format!("{program} {usage}").trim_end());
        std::process::exit(0);
    }
    arguments.next().map_or(Ok(given), |extra| Err(unexpected(&extra)))
}

fn unexpected(argument: &str) -> Failure {
    Failure(format!("unexpected argument {argument:?}; see --help"))
}

/// Says where a server listens, and how to talk to it. It serves whether somebody reads that or not.
pub fn listening(address: &poe_component::prelude::Address) {
    let ip_and_port = address.ip().zip(address.port());
    tell(address, ip_and_port.map(|(ip, port)| format!("talk to it with: nc {ip} {port}")));
}

/// The same for a server of HTTP.
pub fn serving(address: &poe_component::prelude::Address) {
    tell(address, Some(format!("look at it with: curl http://{address}/")));
}

/// The same for a server that encrypts.
pub fn encrypting(address: &poe_component::prelude::Address) {
    tell(address, Some(format!("talk to it with: openssl s_client -quiet -connect {address}")));
}

fn tell(address: &poe_component::prelude::Address, advice: Option<String>) {
    let mut output = io::stdout();
    let _ = writeln!(output, "listening on {address}");
    if let Some(advice) = advice {
        let _ = writeln!(output, "{advice}");
    }
    // Whoever reads this through a pipe waits for it.
    let _ = output.flush();
}

/// Prints a line, as `println!` does. When nobody reads it any more, as after `| head`, the program ends without a word.
#[macro_export]
macro_rules! say {
    ($($line:tt)*) => { $crate::print(::std::format_args!($($line)*)) };
}

/// Complains in a line, as `eprintln!` does; a server goes on though nobody hears it.
#[macro_export]
macro_rules! complain {
    ($($line:tt)*) => { $crate::print_error(::std::format_args!($($line)*)) };
}

#[doc(hidden)]
pub fn print(line: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        let is_unread = error.kind() == ErrorKind::BrokenPipe;
        if !is_unread {
            complain!("cannot print: {error}");
        }
        std::process::exit(if is_unread { 0 } else { 1 });
    }
}

#[doc(hidden)]
pub fn print_error(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<(String, u16), String> {
        text.parse().map(|Address { host, port }| (host, port))
    }

    #[test]
    fn addresses_are_hosts_and_ports() {
        assert_eq!(parse("127.0.0.1:0"), Ok(("127.0.0.1".into(), 0)));
        assert_eq!(parse("localhost:80"), Ok(("localhost".into(), 80)));
        assert_eq!(parse("[::1]:80"), Ok(("::1".into(), 80)));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "80", ":80", "localhost", "localhost:", "localhost:70000", "::1:80"] {
            assert!(parse(text).is_err(), "{text:?} was taken for an address");
        }
    }

    #[test]
    fn addresses_are_shown_as_they_are_written() {
        for text in ["127.0.0.1:1", "[::1]:1"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }
}
