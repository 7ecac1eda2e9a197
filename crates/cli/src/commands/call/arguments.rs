//! The arguments of `sockeye call`.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use clap::{Args, ValueEnum};
use sockeye::http::{HeaderName, HeaderValue};

use super::address::Address;
use super::protocol::Protocol;
use crate::units;

/// The base64 of metadata: padding is optional.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Call a gRPC method with JSON, in any protocol of the gateway, or describe a server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye call localhost:50051
  sockeye call localhost:50051 describe shop.Books/Get
  sockeye call localhost:50051 shop.Books/Get -d '{\"name\":\"b1\"}'
  sockeye call https://example.com shop.Books/Watch --protocol connect -H 'authorization: Bearer …'
  sockeye call localhost:8080 shop.Books/Chat --protocol websocket     (types JSON on the terminal)

Services and types are learned by server reflection, over gRPC, or from --descriptor-set.

Protocols:
  grpc           HTTP/2
  grpc-web       HTTP/1.1 without TLS, with TLS also HTTP/2
  grpc-web-text  the same in base64
  connect        the same versions of HTTP; --get sends a method without side effects by GET
  websocket      the protocol sockeye.grpc.v1 of the gateway
  json           the first HTTP rule (google.api.http) that fits the request; without a rule, POST
                 to the path of the method

Input: one JSON value for methods with one request. For streams of requests any number of values, \
one after the other or in one array; they are sent as they arrive, and the end of the input ends \
the requests. Fields that the message does not have are errors.

Output: one JSON value for each response, as they arrive; errors, headers and trailers on standard \
error. Control characters in received text are escaped.

Exit codes:
  0      the call ended with OK
  1      other errors, such as a server without reflection
  2      wrong arguments or input, such as an unknown method
  3      the host was not found
  4      no connection
  5      the TLS handshake failed
  6      the server answered in another protocol, or refused the WebSocket
  7      the server broke the protocol
  8      the connection ended before the call
  65-80  the call ended with a gRPC status: 64 plus its number, such as 69 for NOT_FOUND (5)
  130    Ctrl-C cancelled the call")]
pub(crate) struct Call {
    /// The server: http://HOST:PORT, https://HOST:PORT, or HOST:PORT, which is http on this machine
    /// and https elsewhere. A path is put before that of the method
    #[arg(value_name = "ADDR")]
    pub(super) address: Address,

    /// The method to call, as package.Service/Method; or `list`, or `describe`. Default: list
    #[arg(value_name = "METHOD")]
    target: Option<String>,

    /// With list, the service whose methods are listed. With describe, the service, method, message
    /// or enum
    #[arg(value_name = "SYMBOL")]
    symbol: Option<String>,

    /// The request as JSON; @FILE reads a file, - standard input. Default: {} for methods with one
    /// request, standard input for streams of requests
    #[arg(short, long, value_name = "JSON|@FILE|-")]
    pub(super) data: Option<String>,

    /// Send metadata, such as 'authorization: Bearer …' (repeatable). Values of names that end with
    /// -bin are base64
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    pub(super) header: Vec<(HeaderName, HeaderValue)>,

    /// The protocol of the call
    #[arg(long, value_enum, default_value_t = Protocol::Grpc)]
    pub(super) protocol: Protocol,

    /// Send a call of Connect by GET
    #[arg(long)]
    pub(super) get: bool,

    /// Read services and types from a `FileDescriptorSet` (`protoc --include_imports
    /// --descriptor_set_out`, `buf build -o`) instead of asking the server
    #[arg(long, value_name = "FILE")]
    pub(super) descriptor_set: Option<PathBuf>,

    /// Time for the call with its connection, which the server is told too
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(super) timeout: Option<Duration>,

    /// Print headers and trailers on standard error
    #[arg(long)]
    pub(super) headers: bool,

    /// The form of responses: indented, or one line each
    #[arg(long, value_enum, default_value_t = OutputForm::Json)]
    pub(super) output: OutputForm,

    /// Trust the root certificates of a PEM file, in place of the usual ones
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(super) cacert: Option<PathBuf>,

    /// Certificate for servers that request one, as PEM
    #[arg(long, value_name = "FILE", help_heading = "TLS", requires = "key")]
    pub(super) cert: Option<PathBuf>,

    /// Private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", help_heading = "TLS", requires = "cert")]
    pub(super) key: Option<PathBuf>,

    /// Accept any certificate of the server: anybody on the way can read and change the call
    #[arg(short = 'k', long, help_heading = "TLS", conflicts_with = "cacert")]
    pub(super) insecure: bool,
}

/// The form of responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputForm {
    /// Indented by two spaces a level.
    Json,
    /// One line each.
    Ndjson,
}

/// A question about the services of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query<'a> {
    /// The services, or the methods of one.
    List(Option<&'a str>),
    /// The definition of a symbol, or of all services.
    Describe(Option<&'a str>),
}

impl Call {
    /// Returns the name of the method to call; `None` if the arguments are a [`Query`].
    pub(super) fn call_target(&self) -> Option<&str> {
        // Names of methods have a dot or a slash.
        self.target.as_deref().filter(|target| !matches!(*target, "list" | "describe"))
    }

    /// Returns the question that the arguments ask.
    pub(super) fn query(&self) -> Query<'_> {
        match self.target.as_deref() {
            Some("describe") => Query::Describe(self.symbol.as_deref()),
            _ => Query::List(self.symbol.as_deref()),
        }
    }

    /// Returns an argument that the others leave without a meaning.
    pub(super) fn misplaced(&self) -> Option<&'static str> {
        if self.call_target().is_some() && self.symbol.is_some() {
            return Some("a second name needs `list` or `describe` before it");
        }
        if self.get && self.protocol != Protocol::Connect {
            return Some("--get needs --protocol connect");
        }
        None
    }
}

/// Parses `NAME: VALUE`.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    const EXPECTED: &str = "expected a name, a colon and a value, such as 'x-tag: a'";
    let (name, value) = text.split_once(':').ok_or(EXPECTED)?;
    let name = name.trim().parse::<HeaderName>().map_err(|_| EXPECTED)?;
    if ["connection", "content-length", "content-type", "host", "te", "transfer-encoding"]
        .contains(&name.as_str())
        || name.as_str().starts_with("grpc-")
    {
        return Err(format!("the protocol sets {name} itself"));
    }
    let value = HeaderValue::from_str(value.trim())
        .map_err(|_| "a value has printable characters of ASCII only".to_owned())?;
    if name.as_str().ends_with("-bin") && BASE64.decode(value.as_bytes()).is_err() {
        return Err(format!("the value of {name} must be base64, with or without padding"));
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_metadata_only() {
        let (name, value) = header("X-Tag:  a: b ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-tag", "a: b"));
        for right in ["x-bin: AAE=", "x-bin: AAE", "x-bin:"] {
            assert!(header(right).is_ok(), "{right}");
        }
        let wrong = ["", "x", "a b: c", "x: a\nb", "Host: x", "grpc-timeout: 1S", "x-bin: !"];
        for wrong in wrong {
            assert!(header(wrong).is_err(), "{wrong}");
        }
    }
}
