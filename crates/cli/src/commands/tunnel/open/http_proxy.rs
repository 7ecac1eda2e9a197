//! HTTP CONNECT (RFC 9110 section 9.3.6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::proxy_request::{BadRequest, Command, ProxyRequest};
use super::users::Users;
use crate::commands::tunnel::protocol::Code;
use crate::units::without_brackets;

/// Maximum length of the head of a request, in bytes: that of a target and a password is far below.
const MAX_HEAD: usize = 8 * 1024;

/// Reads the request of a client after its first byte.
pub(super) async fn read_request<S>(
    socket: &mut S,
    first: u8,
    users: Option<&Users>,
) -> Result<ProxyRequest, BadRequest>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = vec![first];
    let end = loop {
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end;
        }
        if head.len() > MAX_HEAD {
            return refuse(socket, "431 Request Header Fields Too Large", "", TOO_LONG).await;
        }
        if socket.read_buf(&mut head).await? == 0 {
            return Err(BadRequest("the connection ended within the request"));
        }
    };
    let rest = head.split_off(end + 4);
    let Ok(head) = String::from_utf8(head) else {
        return refuse(socket, "400 Bad Request", "", "the request is not text").await;
    };
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return refuse(socket, "400 Bad Request", "", "the request is not HTTP").await;
    };
    if !version.starts_with("HTTP/1.") {
        return refuse(socket, "400 Bad Request", "", "the request is not HTTP/1.1").await;
    }
    if let Some(users) = users
        && !lines.any(|line| is_authorized(line, users))
    {
        let challenge = "Proxy-Authenticate: Basic realm=\"sockeye\"\r\n";
        let reason = "a user and password of --proxy-user-file are required";
        return refuse(socket, "407 Proxy Authentication Required", challenge, reason).await;
    }
    if method != "CONNECT" {
        return refuse(socket, "405 Method Not Allowed", "Allow: CONNECT\r\n", ONLY_CONNECT).await;
    }
    match parse_target(target) {
        Some((host, port)) => {
            Ok(ProxyRequest { command: Command::Connect, host, port, rest, reply })
        }
        None => refuse(socket, "400 Bad Request", "", "the target is not host:port").await,
    }
}

const TOO_LONG: &str = "the head of the request is too long";
const ONLY_CONNECT: &str = "this proxy serves CONNECT only; curl uses it with --proxytunnel";

fn is_authorized(line: &str, users: &Users) -> bool {
    let Some((name, value)) = line.split_once(':') else { return false };
    let Some((scheme, credentials)) = value.trim().split_once(' ') else { return false };
    if !name.eq_ignore_ascii_case("proxy-authorization") || !scheme.eq_ignore_ascii_case("basic") {
        return false;
    }
    let decoded = STANDARD.decode(credentials.trim()).unwrap_or_default();
    let colon = decoded.iter().position(|byte| *byte == b':');
    colon.is_some_and(|colon| users.contains(&decoded[..colon], &decoded[colon + 1..]))
}

fn parse_target(target: &str) -> Option<(String, u16)> {
    let (host, port) = target.rsplit_once(':')?;
    let host = without_brackets(host);
    // The parser of numbers allows a sign.
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !host.is_empty()).then_some((host.to_owned(), port.parse().ok()?))
}

/// Answers a request that is not served.
async fn refuse<T>(
    socket: &mut (impl AsyncWrite + Unpin),
    status: &str,
    header: &str,
    reason: &'static str,
) -> Result<T, BadRequest> {
    socket.write_all(&response(status, header, reason)).await?;
    Err(BadRequest(reason))
}

fn response(status: &str, header: &str, reason: &str) -> Vec<u8> {
    let length = reason.len() + 1;
    let head = format!("HTTP/1.1 {status}\r\n{header}Content-Type: text/plain\r\n");
    format!("{head}Connection: close\r\nContent-Length: {length}\r\n\r\n{reason}\n").into_bytes()
}

/// Returns the response to a request.
fn reply(code: Code) -> Vec<u8> {
    let (status, reason) = match code {
        Code::OK => return b"HTTP/1.1 200 Connection Established\r\n\r\n".to_vec(),
        Code::REQUEST => ("400 Bad Request", "the target is invalid"),
        Code::DENIED => ("403 Forbidden", "the server does not allow this target (--allow)"),
        Code::NAME => ("502 Bad Gateway", "the server does not find this name"),
        Code::REFUSED => ("502 Bad Gateway", "the target refused the connection"),
        Code::UNREACHABLE => ("502 Bad Gateway", "the server has no route to the target"),
        Code::TIMEOUT => ("504 Gateway Timeout", "the target does not answer"),
        _ => ("502 Bad Gateway", "the tunnel has failed"),
    };
    response(status, "", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(sent: &str, users: Option<&Users>) -> (Result<ProxyRequest, BadRequest>, String) {
        let mut socket = tokio::io::join(&sent.as_bytes()[1..], Vec::new());
        let result = read_request(&mut socket, sent.as_bytes()[0], users).await;
        (result, String::from_utf8(socket.into_inner().1).unwrap())
    }

    #[tokio::test]
    async fn connect_names_the_target_and_keeps_what_follows() {
        for (target, host, port) in
            [("example.com:443", "example.com", 443), ("[2001:db8::1]:80", "2001:db8::1", 80)]
        {
            let sent = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\ndata");
            let (result, answer) = read(&sent, None).await;
            let request = result.unwrap();
            assert_eq!((request.host.as_str(), request.port), (host, port));
            assert_eq!((request.rest.as_slice(), answer.as_str()), (&b"data"[..], ""));
        }
    }

    #[tokio::test]
    async fn other_requests_are_answered_with_the_reason() {
        for (sent, status) in [
            ("GET http://a.test/ HTTP/1.1\r\n\r\n", "405 "),
            ("CONNECT a.test HTTP/1.1\r\n\r\n", "400 "),
            ("CONNECT :80 HTTP/1.1\r\n\r\n", "400 "),
            ("CONNECT a.test:+80 HTTP/1.1\r\n\r\n", "400 "),
            ("CONNECT a.test:80\r\n\r\n", "400 "),
            ("hello\r\n\r\n", "400 "),
        ] {
            let (result, answer) = read(sent, None).await;
            assert!(
                result.is_err() && answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
        let long = format!("CONNECT a.test:80 HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(20_000));
        assert!(read(&long, None).await.1.starts_with("HTTP/1.1 431 "));
        assert!(read("CONNECT a.test:80 HTTP/1.1\r\n", None).await.0.is_err());
    }

    #[tokio::test]
    async fn a_password_is_required_where_there_are_users() {
        let users = Users::parse("ada:secret").unwrap();
        // ada:secret, ada:wrong
        for (credentials, is_right) in
            [("", false), ("Basic YWRhOnNlY3JldA==", true), ("Basic YWRhOndyb25n", false)]
        {
            let sent =
                format!("CONNECT a.test:1 HTTP/1.1\r\nProxy-Authorization: {credentials}\r\n\r\n");
            let (result, answer) = read(&sent, Some(&users)).await;
            assert_eq!(result.is_ok(), is_right);
            assert_eq!(answer.starts_with("HTTP/1.1 407 "), !is_right);
        }
    }
}
