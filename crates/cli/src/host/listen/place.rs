//! The values of `--listen`.

use std::path::Path;

use crate::units;

/// A place to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::host) enum Place<'a> {
    /// An IP address or a name, with its port.
    Address(&'a str),
    /// A socket in the file system.
    Path(&'a Path),
    /// A socket that systemd has passed, by its name or else the first.
    Systemd(Option<&'a str>),
}

impl<'a> Place<'a> {
    /// Returns the place that a value of `--listen` names.
    pub(in crate::host) fn of(listen: &'a str) -> Self {
        if let Some(path) = listen.strip_prefix("unix:") {
            return Self::Path(Path::new(path));
        }
        match listen.strip_prefix("systemd") {
            Some("") => Self::Systemd(None),
            // A host may be called systemd, and its port is a number.
            Some(rest) => match rest.strip_prefix(':') {
                Some(name) if name.parse::<u16>().is_err() => Self::Systemd(Some(name)),
                _ => Self::Address(listen),
            },
            None => Self::Address(listen),
        }
    }
}

/// Checks a value of `--listen`.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    match Place::of(text) {
        Place::Address(address) => units::address(address)
            .map_err(|expected| format!("{expected}; or unix:PATH, systemd or systemd:NAME")),
        Place::Path(path) if path.as_os_str().is_empty() => {
            Err("expected a path after unix:, such as unix:/run/sockeye.sock".to_owned())
        }
        Place::Systemd(Some("")) => Err("expected the name of a socket after systemd:".to_owned()),
        Place::Path(_) | Place::Systemd(_) => Ok(text.to_owned()),
    }
}

/// Parses the permissions of a file, in octal.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0..=0o777) => Ok(mode),
        _ => Err("expected permissions in octal such as 660 or 600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_systemd_has_a_name_that_is_no_port() {
        assert_eq!(Place::of("systemd"), Place::Systemd(None));
        assert_eq!(Place::of("systemd:http"), Place::Systemd(Some("http")));
        assert_eq!(Place::of("systemd:80"), Place::Address("systemd:80"));
        assert_eq!(Place::of("systemd.example:80"), Place::Address("systemd.example:80"));
    }

    #[test]
    fn a_path_begins_with_unix() {
        assert_eq!(Place::of("unix:/run/a.sock"), Place::Path(Path::new("/run/a.sock")));
        assert!(parse("unix:").is_err());
        assert!(parse("/run/a.sock").is_err_and(|error| error.contains("unix:PATH")));
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(mode("660"), Ok(0o660));
        assert_eq!(mode("0600"), Ok(0o600));
        assert!(mode("999").is_err());
        assert!(mode("1777").is_err());
    }
}
