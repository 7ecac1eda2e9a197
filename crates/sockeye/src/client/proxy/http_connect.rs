//! Tunnels through HTTP CONNECT (RFC 9110 section 9.3.6).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::BytesMut;
use sockeye_proto::handshake::{HeadLimits, ResponseHead, Url};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{Credentials, TunnelError};
use crate::client::body::{self, Framing};
use crate::client::eyeballs::bracketed;
use crate::client::handshake::read_answer;

/// Requests a connection to the URL's host; on success the stream carries that connection.
pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    url: &Url,
    credentials: Option<&Credentials>,
    limits: HeadLimits,
) -> Result<(), TunnelError> {
    stream.write_all(request(url, credentials).as_bytes()).await?;
    stream.flush().await?;
    let mut buffer = BytesMut::new();
    let end = read_answer(stream, &mut buffer, limits).await?;
    let head = ResponseHead::parse(&buffer[..end], limits)?;
    let (status, framing) = (head.status, Framing::of(&head));
    //= https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
    //# Any 2xx (Successful) response indicates that the sender (and all
    //# inbound proxies) will switch to tunnel mode immediately after the
    //# response header section
    if !status.is_success() {
        let headers = Box::new(head.to_headers());
        let body = body::read(stream, buffer.split_off(end), framing).await;
        return Err(TunnelError::Refused { status, headers, body });
    }
    // Neither TLS nor WebSocket servers send first: such bytes come from the proxy, and must not be
    // taken for the host's.
    match buffer.len() - end {
        0 => Ok(()),
        length => Err(TunnelError::EarlyInput { length }),
    }
}

fn request(url: &Url, credentials: Option<&Credentials>) -> String {
    //= https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
    //# There is no default port; a client MUST send the port number even if
    //# the CONNECT request is based on a URI reference that contains an
    //# authority component with an elided port
    let target = format!("{}:{}", bracketed(url.host()), url.port());
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(Credentials { user, password }) = credentials {
        let plain = [user, &b":"[..], password].concat();
        request += "Proxy-Authorization: Basic ";
        request += &BASE64_STANDARD.encode(plain);
        request += "\r\n";
    }
    request + "\r\n"
}
