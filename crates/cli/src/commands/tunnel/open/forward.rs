//! The addresses of forwards, in the spelling of ssh.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::commands::tunnel::protocol::MAX_HOST_LENGTH;

/// The address to listen on where a forward names none.
const LOOPBACK: &str = "127.0.0.1";

/// The address to listen on for `*`, all of IPv4.
const ALL: &str = "0.0.0.0";

/// The form of a forward, for messages.
const EXPECTED: &str = "expected [BIND:]PORT:HOST:PORT such as 2222:10.0.0.5:22, with the path of a \
    Unix socket in place of [BIND:]PORT or HOST:PORT, and IPv6 addresses in brackets";

/// An address to listen on or to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Port {
        host: String,
        port: u16,
    },
    /// The absolute path of a Unix socket.
    Path(String),
}

/// Connections to one address that are forwarded to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(super) listen: Address,
    pub(super) target: Address,
}

impl Address {
    pub(super) fn is_path(&self) -> bool {
        matches!(self, Self::Path(_))
    }

    /// Returns whether only programs of this machine reach the address.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Path(_) => true,
            Self::Port { host, .. } if host == "localhost" => true,
            Self::Port { host, .. } => host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
        }
    }
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = split(text).ok_or(EXPECTED)?;
        let (listen, target) = match &parts[..] {
            [listen @ .., path] if path.starts_with('/') => (listen, Address::Path(path.clone())),
            [listen @ .., host, port] => (listen, target(host, port).ok_or(EXPECTED)?),
            _ => return Err(EXPECTED.to_owned()),
        };
        let listen = listen_address(listen).ok_or(EXPECTED)?;
        Ok(Self { listen, target })
    }
}

/// Parses the target of `-W`.
impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected HOST:PORT such as 10.0.0.5:22, or the absolute path of a Unix socket";
        let parts = split(text).ok_or(EXPECTED)?;
        match &parts[..] {
            [path] if path.starts_with('/') => Ok(Self::Path(path.clone())),
            [host, port] => Ok(target(host, port).ok_or(EXPECTED)?),
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

/// Parses an address to listen on, such as that of `-D`.
pub(super) fn parse_listen(text: &str) -> Result<Address, String> {
    const EXPECTED: &str = "expected [BIND:]PORT such as 1080 or 127.0.0.1:1080";
    let address = split(text).and_then(|parts| listen_address(&parts)).ok_or(EXPECTED)?;
    if address.is_path() { Err(EXPECTED.to_owned()) } else { Ok(address) }
}

/// Splits a text at its colons, but those in brackets, which are removed.
fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut is_bracketed = false;
    for character in text.chars() {
        match character {
            '[' if !is_bracketed && parts.last().is_some_and(String::is_empty) => {
                is_bracketed = true;
            }
            ']' if is_bracketed => is_bracketed = false,
            '[' | ']' => return None,
            ':' if !is_bracketed => parts.push(String::new()),
            _ => parts.last_mut()?.push(character),
        }
    }
    let is_short = parts.iter().all(|part| part.len() <= MAX_HOST_LENGTH);
    (is_short && !is_bracketed && !text.contains(char::is_control)).then_some(parts)
}

fn listen_address(parts: &[String]) -> Option<Address> {
    match parts {
        [path] if path.starts_with('/') => Some(Address::Path(path.clone())),
        [port] => Some(Address::Port { host: LOOPBACK.to_owned(), port: port.parse().ok()? }),
        [host, port] => {
            let host = if host.is_empty() || host == "*" { ALL } else { host };
            Some(Address::Port { host: host.to_owned(), port: port.parse().ok()? })
        }
        _ => None,
    }
}

fn target(host: &str, port: &str) -> Option<Address> {
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| Address::Port { host: host.to_owned(), port })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Port { host, port } => write!(f, "{host}:{port}"),
            Self::Path(path) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_have_the_forms_of_ssh() {
        for (text, listen, target) in [
            ("2222:host:22", "127.0.0.1:2222", "host:22"),
            ("0.0.0.0:2222:host:22", "0.0.0.0:2222", "host:22"),
            (":2222:host:22", "0.0.0.0:2222", "host:22"),
            ("*:2222:host:22", "0.0.0.0:2222", "host:22"),
            ("[::1]:2222:[2001:db8::1]:22", "[::1]:2222", "[2001:db8::1]:22"),
            ("2222:/run/a.sock", "127.0.0.1:2222", "/run/a.sock"),
            ("localhost:2222:/run/a.sock", "localhost:2222", "/run/a.sock"),
            ("/tmp/a.sock:host:22", "/tmp/a.sock", "host:22"),
            ("/tmp/a.sock:/run/b.sock", "/tmp/a.sock", "/run/b.sock"),
            ("0:host:22", "127.0.0.1:0", "host:22"),
        ] {
            let forward: Forward = text.parse().unwrap();
            let forms = (forward.listen.to_string(), forward.target.to_string());
            assert_eq!(forms, (listen.to_owned(), target.to_owned()), "{text}");
        }
        for wrong in [
            "",
            "22",
            "2222:host",
            "host:22:",
            "a:b:c:d",
            "1:2:3:4:5",
            "2222:host:0",
            "2222::22",
            "2222:::1:22",
            "[::1:2222:host:22",
            "2222:ho[s]t:22",
            "70000:host:22",
            "2222:a\nb:22",
        ] {
            assert!(wrong.parse::<Forward>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_address_to_listen_on_is_on_loopback_unless_it_says_otherwise() {
        for (text, address, is_loopback) in [
            ("1080", "127.0.0.1:1080", true),
            ("[::1]:1080", "[::1]:1080", true),
            ("localhost:1080", "localhost:1080", true),
            ("*:1080", "0.0.0.0:1080", false),
            ("192.0.2.1:1080", "192.0.2.1:1080", false),
        ] {
            let parsed = parse_listen(text).unwrap();
            assert_eq!((parsed.to_string().as_str(), parsed.is_loopback()), (address, is_loopback));
        }
        assert!(parse_listen("/tmp/a.sock").is_err() && parse_listen("").is_err());
        assert_eq!("host:22".parse::<Address>().unwrap().to_string(), "host:22");
        assert!("host".parse::<Address>().is_err() && ":22".parse::<Address>().is_err());
    }
}
