//! Connections for a server, from WebSocket requests.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use http::Extensions;
use sockeye::byte_stream::{self, Accept};
use sockeye::resume::ResumableStream;
use sockeye::{ByteStream, resume};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::gather::{Gate, WriteCoalescer};
use crate::server_stream::ServerStream;

/// Creates a stream of connections for [`serve`](crate::serve()) or a tonic server, and the service
/// that produces these connections from requests.
///
/// [`Accept`] is a service for a route of axum or hyper, and has a method for WebSockets that were
/// upgraded in another way. At most 128 connections wait for the server to accept them; for another
/// number, create an [`Incoming`] from the listener of [`byte_stream::listener_with_queue`].
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let (greeter, _) = sockeye_grpc_testing::service::services();
/// let (incoming, accept) = sockeye_grpc::incoming();
/// let websockets = sockeye::Server::bind("127.0.0.1:8080").await?;
/// tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
/// sockeye_grpc::serve(incoming, greeter).await;
/// # Ok(())
/// # }
/// ```
pub fn incoming() -> (Incoming, Accept) {
    let (listener, accept) = byte_stream::listener();
    (listener.into(), accept)
}

/// The incoming connections of a server: a stream for [`serve`](crate::serve()), and for
/// `serve_with_incoming` and `serve_with_incoming_shutdown` of tonic's server. Never yields an
/// error.
///
/// When `Incoming` is dropped, as by a server that shuts down, WebSocket requests are answered with
/// 503, and connections that the server has not accepted are cut.
///
/// # Sessions that outlive their WebSocket
/// The connections may also be those of [`sockeye::resume`]: calls then survive the loss of a
/// WebSocket.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let (greeter, _) = sockeye_grpc_testing::service::services();
/// use sockeye::resume::{self, SUBPROTOCOL};
/// use sockeye::upgrade::Options;
/// use sockeye_grpc::Incoming;
///
/// let (listener, sessions) = resume::listener();
/// let options = Options::new().subprotocols([SUBPROTOCOL]);
/// let websockets = sockeye::Server::bind("127.0.0.1:8080").await?.options(options);
/// tokio::spawn(websockets.serve(move |ws| {
///     let sessions = sessions.clone();
///     // The identity that the server has established, such as the user of a bearer token.
///     async move { sessions.serve(ws, "anyone").await }
/// }));
/// sockeye_grpc::serve(Incoming::from(listener), greeter).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Incoming {
    listener: Listener,
}

#[derive(Debug)]
enum Listener {
    WebSockets(byte_stream::Listener),
    Sessions(resume::Listener),
}

impl From<byte_stream::Listener> for Incoming {
    fn from(listener: byte_stream::Listener) -> Self {
        Self { listener: Listener::WebSockets(listener) }
    }
}

/// For sessions that outlive their WebSocket.
impl From<resume::Listener> for Incoming {
    fn from(listener: resume::Listener) -> Self {
        Self { listener: Listener::Sessions(listener) }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Connection>>> {
        match &mut self.get_mut().listener {
            Listener::WebSockets(listener) => Pin::new(listener)
                .poll_next(cx)
                .map(|stream| stream.map(|stream| Ok(stream.into()))),
            Listener::Sessions(listener) => {
                listener.poll_accept(cx).map(|stream| stream.map(|stream| Ok(stream.into())))
            }
        }
    }
}

/// A connection of a client that uses gRPC over a WebSocket.
///
/// Everything that the server writes within one turn of its tasks is sent as one message: a unary
/// response is one message.
///
/// The addresses are in the extensions of each request as a [`TcpConnectInfo`], which
/// `tonic::Request::remote_addr` reads. The remote address is that of the WebSocket, which is a
/// proxy's if there is one in between.
#[derive(Debug)]
pub struct Connection {
    stream: WriteCoalescer<ServerStream>,
}

/// For programs that serve their own byte stream, with
/// [`serve_connection`](crate::serve_connection) or with hyper.
impl From<ByteStream> for Connection {
    fn from(stream: ByteStream) -> Self {
        Self { stream: WriteCoalescer::new(ServerStream::WebSocket(Box::new(stream))) }
    }
}

/// For programs that serve sessions that outlive their WebSocket. The remote address is that of the
/// WebSocket that began the session.
impl From<ResumableStream> for Connection {
    fn from(stream: ResumableStream) -> Self {
        Self { stream: WriteCoalescer::new(ServerStream::Session(stream)) }
    }
}

impl Connection {
    /// Returns the data that the program has attached to the WebSocket.
    pub(crate) fn data(&self) -> &Extensions {
        self.stream.inner().data()
    }

    /// Returns the gate that stops the reading of requests.
    pub(crate) fn gate(&mut self) -> Gate {
        self.stream.gate()
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        let stream = self.stream.inner();
        TcpConnectInfo { local_addr: stream.local_addr(), remote_addr: stream.peer_addr() }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
