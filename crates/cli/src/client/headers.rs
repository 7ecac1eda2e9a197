//! The headers of `-H`.

use sockeye::{Client, Deflate};

use super::Failure;

/// Adds a header of `-H` to the request.
///
/// Browsers copy the headers of the opening handshake into a command for curl. The client makes
/// these headers itself, so that they are left out, or select what they stand for.
///
/// # Errors
/// A usage failure for a text without a colon. The value is not repeated: it may be a secret.
pub(super) fn add(client: Client, header: &str) -> Result<Client, Failure> {
    let Some((name, value)) = header.split_once(':') else {
        return Err(Failure::usage("-H expects a name, a colon and a value, such as 'X-Tag: a'"));
    };
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    Ok(match name.as_str() {
        "sec-websocket-extensions" if value.contains("permessage-deflate") => {
            client.deflate(Deflate::new())
        }
        "upgrade"
        | "connection"
        | "sec-websocket-key"
        | "sec-websocket-version"
        | "sec-websocket-extensions" => client,
        "sec-websocket-protocol" => client.subprotocols(value.split(',').map(str::trim)),
        _ => client.header(&name, value),
    })
}
