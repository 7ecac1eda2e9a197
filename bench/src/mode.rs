//! The modes of an echo server beyond plain echo, and the command-line arguments that select them.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use sockeye_load::DeflateMode;

/// A certificate and its private key, each a PEM file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate chain, the server's certificate first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The mode of a server; plain echo by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// Accept permessage-deflate with these parameters, and compress every echo at the library's
    /// fastest level (zlib's level 1, where it can be chosen).
    pub deflate: Option<DeflateMode>,
    /// Serve TLS with this certificate.
    pub tls: Option<Certificate>,
    /// Speak HTTP/2 with prior knowledge (RFC 9113 section 3.3): each stream is a connection (RFC
    /// 8441).
    pub http2: bool,
    /// Send every message to all connections, the sender's included, instead of back to the sender
    /// alone.
    pub fan_out: bool,
}

/// An ability of a server beyond plain echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// permessage-deflate, as [`Mode::deflate`] says.
    Deflate,
    /// TLS, as [`Mode::tls`] says.
    Tls,
    /// HTTP/2, as [`Mode::http2`] says.
    Http2,
    /// Fan-out to all connections, as [`Mode::fan_out`] says.
    FanOut,
}

/// The error for arguments that name no mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMode;

impl Mode {
    /// Returns the abilities that a server needs for this mode.
    pub fn needs(&self) -> impl Iterator<Item = Ability> {
        let deflate = self.deflate.map(|_| Ability::Deflate);
        let tls = self.tls.as_ref().map(|_| Ability::Tls);
        let http2 = self.http2.then_some(Ability::Http2);
        let fan_out = self.fan_out.then_some(Ability::FanOut);
        [deflate, tls, http2, fan_out].into_iter().flatten()
    }

    /// Returns the arguments that [`Mode::parse`] reads: `[--deflate takeover|no-takeover] [--tls
    /// CERT KEY] [--http2] [--fan-out]`.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        if let Some(deflate) = self.deflate {
            arguments.extend(["--deflate".into(), deflate.name().into()]);
        }
        if let Some(Certificate { chain, key }) = &self.tls {
            arguments.extend(["--tls".into(), chain.into(), key.into()]);
        }
        if self.http2 {
            arguments.push("--http2".into());
        }
        if self.fan_out {
            arguments.push("--fan-out".into());
        }
        arguments
    }

    /// Parses the arguments after the address and the write mode.
    ///
    /// # Errors
    ///
    /// [`UnknownMode`] for anything that [`Mode::arguments`] does not write.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UnknownMode> {
        let mut arguments = arguments.into_iter();
        let mut mode = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--deflate") => {
                    let name = arguments.next().ok_or(UnknownMode)?;
                    let deflate = name.to_str().and_then(|name| name.parse().ok());
                    mode.deflate = Some(deflate.ok_or(UnknownMode)?);
                }
                Some("--tls") => {
                    let chain = arguments.next().ok_or(UnknownMode)?.into();
                    let key = arguments.next().ok_or(UnknownMode)?.into();
                    mode.tls = Some(Certificate { chain, key });
                }
                Some("--http2") => mode.http2 = true,
                Some("--fan-out") => mode.fan_out = true,
                _ => return Err(UnknownMode),
            }
        }
        Ok(mode)
    }
}

impl fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a mode: [--deflate takeover|no-takeover] [--tls CERT KEY] [--http2] [--fan-out]",
        )
    }
}

impl std::error::Error for UnknownMode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_read_back_from_its_own_arguments() {
        let certificate = Certificate { chain: "a.pem".into(), key: "b.pem".into() };
        for deflate in [None, Some(DeflateMode::Takeover), Some(DeflateMode::NoTakeover)] {
            for tls in [None, Some(certificate.clone())] {
                for (http2, fan_out) in [(false, false), (false, true), (true, false)] {
                    let mode = Mode { deflate, tls: tls.clone(), http2, fan_out };
                    assert_eq!(Mode::parse(mode.arguments()), Ok(mode));
                }
            }
        }
    }

    #[test]
    fn an_unknown_or_unfinished_argument_is_refused() {
        for arguments in [&["--fast"][..], &["--deflate"], &["--deflate", "often"], &["--tls", "a"]]
        {
            let arguments = arguments.iter().map(OsString::from);
            assert_eq!(Mode::parse(arguments), Err(UnknownMode));
        }
    }
}
