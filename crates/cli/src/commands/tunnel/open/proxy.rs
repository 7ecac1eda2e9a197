//! `-D`: one connection of a proxy, SOCKS5 or HTTP by its first byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tracing::debug;

use super::associate;
use super::http_proxy;
use super::link::Link;
use super::proxy_request::{BadRequest, Command, ProxyRequest};
use super::report::report;
use super::socks;
use super::users::Users;
use crate::commands::tunnel::protocol::{Answer, AnswerError, Code, Kind, Request};
use crate::commands::tunnel::relay::{self, Counts, Stream};
use crate::commands::tunnel::socket::Socket;

/// Timeout of the client's whole request, which programs send at once.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a connection to the proxy until its end. Datagrams to a target are forgotten after
/// `udp_idle` without one.
pub(super) async fn serve(
    mut socket: Box<dyn Socket>,
    users: Option<&Users>,
    link: &Link,
    udp_idle: Duration,
) {
    let request = match timeout(HANDSHAKE_TIMEOUT, read_request(&mut socket, users)).await {
        Ok(Ok(request)) => request,
        Ok(Err(BadRequest(reason))) => {
            debug!("a client of the proxy was refused: {reason}");
            // The client reads the answer before the end.
            let _ = socket.shutdown().await;
            return;
        }
        Err(_) => return debug!("a client of the proxy sent no request in time"),
    };
    let ProxyRequest { command, host, port, rest, reply } = request;
    if command == Command::Associate {
        return associate::serve(socket, link, udp_idle).await;
    }
    let target = format!("{host}:{port}");
    let opened = open(link, &host, port, &rest).await;
    let code = match &opened {
        Ok(_) => Code::OK,
        Err(error) => error.code(),
    };
    let replied = socket.write_all(&reply(code)).await;
    match (opened, replied) {
        (Ok(stream), Ok(())) => {
            let end = relay::relay(socket, stream, &Counts::default(), None).await;
            report(&target, &end);
        }
        // Dropping the stream resets it.
        (Ok(_), Err(_)) => {}
        (Err(error), _) => {
            tracing::warn!("{target}: {error}");
            let _ = socket.shutdown().await;
        }
    }
}

async fn read_request(
    socket: &mut Box<dyn Socket>,
    users: Option<&Users>,
) -> Result<ProxyRequest, BadRequest> {
    match socket.read_u8().await? {
        socks::VERSION => socks::read_request(socket, users).await,
        // The method of a request.
        first if first.is_ascii_alphabetic() => {
            http_proxy::read_request(socket, first, users).await
        }
        // SOCKS4 and TLS: their clients learn it at once.
        _ => Err(BadRequest("the request is neither SOCKS5 nor HTTP")),
    }
}

/// Opens the stream of a target, and waits for the answer, which the client of the proxy waits for.
async fn open(link: &Link, host: &str, port: u16, rest: &[u8]) -> Result<Stream, AnswerError> {
    let refused =
        |code, text: &dyn std::fmt::Display| AnswerError::Refused(Answer::new(code, text));
    let request = Request::new(Kind::Tcp, 0, host, port);
    let request = request.map_err(|error| refused(Code::REQUEST, &error))?;
    let opened = link.open(&request).await;
    let mut stream = opened.map_err(|error| refused(Code::FAILED, &error))?;
    stream.send.write_all(rest).await?;
    Answer::read(&mut stream.recv).await?.into_result()?;
    Ok(stream)
}
