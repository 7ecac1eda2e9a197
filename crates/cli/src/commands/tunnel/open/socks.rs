//! SOCKS5 (RFC 1928) with CONNECT and UDP ASSOCIATE, without or with a user name and password
//! (RFC 1929).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::proxy_request::{BadRequest, Command, ProxyRequest};
use super::users::Users;
use crate::commands::tunnel::protocol::Code;
use crate::units::without_brackets;

/// The first byte of SOCKS5.
pub(super) const VERSION: u8 = 0x05;

/// The version of the exchange of user name and password.
const PASSWORD_VERSION: u8 = 0x01;

const NO_AUTHENTICATION: u8 = 0x00;
const USER_AND_PASSWORD: u8 = 0x02;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;

const CONNECT: u8 = 0x01;
const ASSOCIATE: u8 = 0x03;

const IPV4: u8 = 0x01;
const NAME: u8 = 0x03;
const IPV6: u8 = 0x04;

const COMMAND_NOT_SUPPORTED: u8 = 0x07;
const ADDRESS_NOT_SUPPORTED: u8 = 0x08;

/// Reads the request of a client after its first byte.
pub(super) async fn read_request<S>(
    socket: &mut S,
    users: Option<&Users>,
) -> Result<ProxyRequest, BadRequest>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let method = if users.is_some() { USER_AND_PASSWORD } else { NO_AUTHENTICATION };
    if !read_bytes(socket).await?.contains(&method) {
        socket.write_all(&[VERSION, NO_ACCEPTABLE_METHOD]).await?;
        return Err(BadRequest("the client does not offer the method of authentication"));
    }
    socket.write_all(&[VERSION, method]).await?;
    if let Some(users) = users {
        authenticate(socket, users).await?;
    }
    let mut head = [0; 3];
    socket.read_exact(&mut head).await?;
    let [version, command, _] = head;
    if version != VERSION {
        return Err(BadRequest("the request is not SOCKS5"));
    }
    let command = match command {
        CONNECT => Command::Connect,
        ASSOCIATE => Command::Associate,
        _ => {
            socket.write_all(&message(COMMAND_NOT_SUPPORTED)).await?;
            return Err(BadRequest("only CONNECT and UDP ASSOCIATE are supported"));
        }
    };
    let Some((host, port)) = read_address(socket).await? else {
        socket.write_all(&message(ADDRESS_NOT_SUPPORTED)).await?;
        return Err(BadRequest("the type of the address is unknown"));
    };
    Ok(ProxyRequest { command, host, port, rest: Vec::new(), reply })
}

/// Reads an address and port; `None` for an address of an unknown type.
pub(super) async fn read_address(
    reader: &mut (impl AsyncRead + Unpin),
) -> Result<Option<(String, u16)>, BadRequest> {
    let host = match reader.read_u8().await? {
        IPV4 => Ipv4Addr::from_bits(reader.read_u32().await?).to_string(),
        IPV6 => Ipv6Addr::from_bits(reader.read_u128().await?).to_string(),
        NAME => match String::from_utf8(read_bytes(reader).await?) {
            // Some clients send an IPv6 address in brackets as a name.
            Ok(name) => without_brackets(&name).to_owned(),
            Err(_) => return Err(BadRequest("the name is not text")),
        },
        _ => return Ok(None),
    };
    Ok(Some((host, reader.read_u16().await?)))
}

/// Returns the reply to UDP ASSOCIATE with the address for the client's datagrams.
pub(super) fn associated(address: SocketAddr) -> Vec<u8> {
    let mut reply = vec![VERSION, 0, 0];
    match address.ip() {
        IpAddr::V4(ip) => {
            reply.push(IPV4);
            reply.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            reply.push(IPV6);
            reply.extend(ip.octets());
        }
    }
    reply.extend(address.port().to_be_bytes());
    reply
}

/// Returns the reply to UDP ASSOCIATE where there is no address for datagrams.
pub(super) fn not_associated() -> Vec<u8> {
    message(COMMAND_NOT_SUPPORTED)
}

async fn authenticate<S>(socket: &mut S, users: &Users) -> Result<(), BadRequest>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if socket.read_u8().await? != PASSWORD_VERSION {
        return Err(BadRequest("the version of the authentication is unknown"));
    }
    let (user, password) = (read_bytes(socket).await?, read_bytes(socket).await?);
    let is_known = users.contains(&user, &password);
    socket.write_all(&[PASSWORD_VERSION, u8::from(!is_known)]).await?;
    if is_known { Ok(()) } else { Err(BadRequest("the password is wrong")) }
}

/// Reads bytes after their number in one byte.
async fn read_bytes(socket: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(socket.read_u8().await?)];
    socket.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Returns the reply to a request, in the terms of RFC 1928 section 6.
fn reply(code: Code) -> Vec<u8> {
    message(match code {
        Code::OK => 0x00,
        Code::DENIED => 0x02,
        Code::UNREACHABLE => 0x03,
        Code::NAME => 0x04,
        Code::REFUSED => 0x05,
        Code::TIMEOUT => 0x06,
        _ => 0x01,
    })
}

/// Returns a reply. The server's address is not known here: it is that of the other end's machine.
fn message(code: u8) -> Vec<u8> {
    vec![VERSION, code, 0, IPV4, 0, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the result for a client that sends these bytes after the first, and the answers.
    async fn read(
        sent: &[u8],
        users: Option<&Users>,
    ) -> (Result<ProxyRequest, BadRequest>, Vec<u8>) {
        let mut socket = tokio::io::join(sent, Vec::new());
        let result = read_request(&mut socket, users).await;
        (result, socket.into_inner().1)
    }

    fn target(result: Result<ProxyRequest, BadRequest>) -> (String, u16) {
        let request = result.unwrap();
        (request.host, request.port)
    }

    #[tokio::test]
    async fn each_type_of_address_is_read() {
        for (address, host) in [
            (&[1, 192, 0, 2, 7][..], "192.0.2.7"),
            (b"\x03\x0bexample.com", "example.com"),
            (b"\x03\x0d[2001:db8::1]", "2001:db8::1"),
            (&[4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "2001:db8::1"),
        ] {
            let sent = [&[1, 0, 5, 1, 0][..], address, &[1, 187]].concat();
            let (result, answers) = read(&sent, None).await;
            assert_eq!(result.as_ref().unwrap().command, Command::Connect);
            assert_eq!(target(result), (host.to_owned(), 443));
            assert_eq!(answers, [5, 0]);
            for length in 0..sent.len() {
                assert!(read(&sent[..length], None).await.0.is_err(), "{length}");
            }
        }
    }

    #[test]
    fn the_reply_to_an_association_has_its_address() {
        let reply = |address: &str| associated(address.parse().unwrap());
        assert_eq!(reply("192.0.2.7:443"), [5, 0, 0, 1, 192, 0, 2, 7, 1, 187]);
        let long = [&[5, 0, 0, 4][..], &Ipv6Addr::LOCALHOST.octets(), &[1, 187]].concat();
        assert_eq!(reply("[::1]:443"), long);
    }

    #[tokio::test]
    async fn a_password_is_required_where_there_are_users() {
        let users = Users::parse("ada:s:ecret\n").unwrap();
        let (result, answers) = read(&[1, 0], Some(&users)).await;
        assert!(result.is_err());
        assert_eq!(answers, [5, 0xff]);
        for (password, status) in [(&b"s:ecret"[..], 0), (b"wrong!!", 1)] {
            let sent = [
                &b"\x02\x00\x02\x01\x03ada\x07"[..],
                password,
                b"\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50",
            ];
            let (result, answers) = read(&sent.concat(), Some(&users)).await;
            assert_eq!(result.is_ok(), status == 0);
            assert_eq!(answers, [5, 2, 1, status]);
        }
    }

    #[tokio::test]
    async fn other_commands_are_refused_in_their_terms() {
        let (result, answers) = read(&[1, 0, 5, 2, 0, 1, 0, 0, 0, 0, 0, 0], None).await;
        assert!(result.is_err());
        assert_eq!(answers, [5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!((reply(Code::DENIED)[1], reply(Code::OK)[1], reply(Code::LIMIT)[1]), (2, 0, 1));
    }
}
