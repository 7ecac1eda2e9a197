//! Connections for a server, from requests for WebSockets.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use http::Extensions;
use sockeye::ByteStream;
use sockeye::byte_stream::{self, Accept, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::gather::{Gate, Gather};

/// Connections for [`serve`](crate::serve()) or a server of tonic, and what makes them of requests.
///
/// [`Accept`] is a service for a route of axum or hyper, and has a method for WebSockets that were upgraded otherwise.
/// At most 128 connections wait until the server takes them; for another number there is
/// [`byte_stream::listener_with_queue`], whose listener an [`Incoming`] can be made from.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let (greeter, _) = sockeye_grpc_testing::service::services();
/// let (incoming, accept) = sockeye_grpc::incoming();
/// let websockets = sockeye::Server::bind("127.0.0.1:8080").await?;
/// tokio::spawn(websockets.serve(move |ws| accept.give(ws)));
/// sockeye_grpc::serve(incoming, greeter).await;
/// # Ok(())
/// # }
/// ```
pub fn incoming() -> (Incoming, Accept) {
    let (listener, accept) = byte_stream::listener();
    (listener.into(), accept)
}

/// The connections of a server: a stream for [`serve`](crate::serve()), and for `serve_with_incoming` and
/// `serve_with_incoming_shutdown` of tonic's server.
/// It never yields an error.
///
/// When it is dropped, as a server does that stops, requests for WebSockets are answered with 503, and connections that the
/// server has not taken are cut.
#[derive(Debug)]
pub struct Incoming {
    listener: Listener,
}

impl From<Listener> for Incoming {
    fn from(listener: Listener) -> Self {
        Self { listener }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Connection>>> {
        let connection = Pin::new(&mut self.get_mut().listener).poll_next(cx);
        connection.map(|stream| stream.map(|stream| Ok(stream.into())))
    }
}

/// A connection of a client that speaks gRPC through a WebSocket.
///
/// What the server writes within one turn of its tasks goes out as one message: a call with one answer costs one.
///
/// The addresses are in the extensions of each request as a [`TcpConnectInfo`], where `tonic::Request::remote_addr`
/// finds them. The peer's is that of the WebSocket, which is a proxy's if there is one between.
#[derive(Debug)]
pub struct Connection {
    stream: Gather<ByteStream>,
}

/// For programs that serve a stream of their own, with [`serve_connection`](crate::serve_connection) or with hyper.
impl From<ByteStream> for Connection {
    fn from(stream: ByteStream) -> Self {
        Self { stream: Gather::new(stream) }
    }
}

impl Connection {
    /// What the program keeps with the WebSocket.
    pub(crate) fn data(&self) -> &Extensions {
        self.stream.inner().websocket().all_data()
    }

    /// Returns what stops the reading of requests.
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
