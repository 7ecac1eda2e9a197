use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use sockeye::frame::{Header, OpCode};
use sockeye::mask;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::procfs;
use super::session_error::SessionError;
use crate::Class;

/// Maximum size of the head of a response, in bytes. Chosen: far above the size of the server's
/// responses.
const MAX_HEAD: usize = 4096;

/// A client with full control over the bytes it sends.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    /// Input that was read and not yet parsed.
    input: Vec<u8>,
}

impl Peer {
    /// Connects, with a receive buffer of `receive_buffer` bytes if given.
    pub(super) async fn connect(
        address: SocketAddr,
        receive_buffer: Option<u32>,
    ) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(receive_buffer) = receive_buffer {
            socket.set_recv_buffer_size(receive_buffer)?;
        }
        Ok(Self { stream: socket.connect(address).await?, input: Vec::new() })
    }

    /// Connects and upgrades the connection.
    pub(super) async fn upgraded(
        address: SocketAddr,
        class: Class,
        receive_buffer: Option<u32>,
    ) -> Result<Self, SessionError> {
        let mut peer = Self::connect(address, receive_buffer).await?;
        peer.stream.write_all(request(class).as_bytes()).await?;
        loop {
            if let Some(end) = peer.input.windows(4).position(|four| four == b"\r\n\r\n") {
                let is_upgrade = peer.input.starts_with(b"HTTP/1.1 101 ");
                peer.input.drain(..end + 4);
                return if is_upgrade { Ok(peer) } else { Err(SessionError::NotUpgraded) };
            }
            if peer.input.len() > MAX_HEAD || peer.read().await? == 0 {
                return Err(SessionError::NotUpgraded);
            }
        }
    }

    /// Reads available input; returns 0 at the end.
    async fn read(&mut self) -> io::Result<usize> {
        let mut buffer = vec![0; 8192];
        let length = self.stream.read(&mut buffer).await?;
        self.input.extend_from_slice(&buffer[..length]);
        Ok(length)
    }

    /// Sends one whole frame.
    pub(super) async fn send(&mut self, opcode: OpCode, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(opcode, payload)).await
    }

    /// Returns the next frame; `None` at the end of the transport.
    pub(super) async fn frame(&mut self) -> Result<Option<(OpCode, Vec<u8>)>, SessionError> {
        loop {
            let decoded =
                Header::decode(&self.input).map_err(|error| SessionError::Failed(error.into()))?;
            if let Some((header, size)) = decoded {
                let end = size + usize::try_from(header.length).unwrap_or(usize::MAX - size);
                if let Some(payload) = self.input.get(size..end) {
                    let payload = payload.to_vec();
                    self.input.drain(..end);
                    return Ok(Some((header.opcode, payload)));
                }
            }
            if self.read().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads at most `length` bytes and discards them; returns 0 at the end.
    pub(super) async fn discard(&mut self, length: usize) -> io::Result<usize> {
        self.stream.read(&mut vec![0; length]).await
    }

    /// Reads until the server has ended the connection, by an end of file or a reset.
    pub(super) async fn until_end(&mut self, limit: Duration) -> Result<(), SessionError> {
        let mut buffer = vec![0; 16384];
        let end =
            async { while self.stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {} };
        match timeout(limit, end).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.not_disconnected()),
        }
    }

    /// Returns why the server has not ended the connection: the server keeps it, or never had it.
    pub(super) fn not_disconnected(&self) -> SessionError {
        let (server, client) = (self.stream.peer_addr(), self.stream.local_addr());
        match server.and_then(|server| procfs::has_connection(server, client?)) {
            Ok(false) => SessionError::UnknownToServer,
            Ok(true) | Err(_) => SessionError::NotDisconnected,
        }
    }

    /// Drops the connection such that the server receives a reset.
    pub(super) fn reset(self) -> io::Result<()> {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }
}

/// Returns the upgrade request for a class.
pub(super) fn request(class: Class) -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n",
        class.path()
    )
}

/// Encodes a whole frame of a client.
pub(super) fn frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let key = [0x12, 0x34, 0x56, 0x78];
    let mut out = Vec::with_capacity(payload.len() + 14);
    Header::new(opcode, payload.len() as u64).masked(key).encode(&mut out);
    mask::extend(&mut out, payload, key);
    out
}
