//! Clients: from a URL to a connection.

mod error;
pub mod reconnect;

use std::borrow::Cow;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use sockeye_proto::Config;
use sockeye_proto::handshake::{ClientRequest, RequestError, Url};

use crate::WebSocket;
use crate::socket::Socket;
use crate::timer::Sleep;
use crate::websocket::Limits;
pub use error::{ConnectError, HookError};

/// How long opening a connection may take: that of native clients.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// What the browser may hold unsent before sending waits: enough to fill a line of 100 Mbit/s for the 80 ms that a hidden
/// page's timers may be late, and little beside what a page takes anyway.
const DEFAULT_SEND_BUFFER: usize = 1 << 20;

/// What may wait to be received: one message of the greatest length.
const DEFAULT_RECEIVE_QUEUE: usize = 16 << 20;

/// Connects to a `ws` or `wss` URL with the defaults of [`Client`].
///
/// ```no_run
/// # async fn example() -> sockeye_web::Result<()> {
/// let mut ws = sockeye_web::connect("wss://example.com/chat").await?;
/// ws.send("hello").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ConnectError`].
///
/// # Cancel safety
/// If it is dropped, the connection that was being opened is closed.
pub async fn connect(url: impl AsRef<str>) -> Result<WebSocket, ConnectError> {
    Client::new(url).connect().await
}

/// How to connect: subprotocols, limits and deadlines.
///
/// ```no_run
/// # async fn example() -> sockeye_web::Result<()> {
/// let ws = sockeye_web::Client::new("wss://example.com/chat")
///     .subprotocols(["chat.v2", "chat.v1"])
///     .connect()
///     .await?;
/// println!("{:?}", ws.subprotocol());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    request: Result<ClientRequest, RequestError>,
    config: Config,
    timeout: Duration,
    send_buffer: usize,
    receive_queue: usize,
    websocket_stream: bool,
}

impl Client {
    /// A client of this `ws` or `wss` URL. The browser converts a Unicode host to ASCII.
    pub fn new(url: impl AsRef<str>) -> Self {
        Self {
            request: ascii(url.as_ref()).parse().map(ClientRequest::new),
            config: Config::new(),
            timeout: DEFAULT_TIMEOUT,
            send_buffer: DEFAULT_SEND_BUFFER,
            receive_queue: DEFAULT_RECEIVE_QUEUE,
            websocket_stream: true,
        }
    }

    /// Where it connects to, unless there is something wrong with the URL or the request.
    pub fn url(&self) -> Option<&Url> {
        self.request.as_ref().ok().map(ClientRequest::url)
    }

    /// Asks for subprotocols, the one preferred first. [`WebSocket::subprotocol`] tells which one the server chose, if
    /// any.
    pub fn subprotocols<S: Into<String>>(
        mut self,
        subprotocols: impl IntoIterator<Item = S>,
    ) -> Self {
        if let Ok(request) = &mut self.request {
            let mut subprotocols = subprotocols.into_iter();
            if let Err(error) = subprotocols.try_for_each(|asked| request.add_subprotocol(asked)) {
                self.request = Err(error);
            }
        }
        self
    }

    /// The limits and deadlines of the connection once it is open: [`Config::max_message_length`],
    /// [`Config::close_timeout`] and [`Config::write_timeout`]. The rest of them concern frames and pings, which are the
    /// browser's, and have no effect.
    ///
    /// The browser has put a message together before its length is known here; the limit bounds what is copied into the
    /// program's memory.
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// How long it may take to open the connection. Default: 20 s.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How much the browser may hold that it has not written yet, in bytes, before sending waits. Default: 1 MiB.
    ///
    /// A message is given to the browser whole, so that there may be as much and one message more.
    pub fn send_buffer(self, bytes: usize) -> Self {
        Self { send_buffer: bytes, ..self }
    }

    /// How much may wait to be received, in bytes; a text counts two for each of its UTF-16 units, and no message less than
    /// 64. Default: 16 MiB. One message has its place in any case.
    ///
    /// While the queue is full, the server is held back where the browser has `WebSocketStream`; where it has not, what comes
    /// then ends the connection: see [`Error::QueueFull`](crate::Error::QueueFull).
    pub fn receive_queue(self, bytes: usize) -> Self {
        Self { receive_queue: bytes, ..self }
    }

    /// Whether to use `WebSocketStream` where the browser has it. Default: yes.
    ///
    /// Without it, there is no backpressure for what is received.
    pub fn websocket_stream(self, wanted: bool) -> Self {
        Self { websocket_stream: wanted, ..self }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`ConnectError`].
    ///
    /// # Cancel safety
    /// If it is dropped, the connection that was being opened is closed.
    pub async fn connect(&self) -> Result<WebSocket, ConnectError> {
        let request =
            self.request.as_ref().map_err(|error| ConnectError::Request(error.clone()))?;
        let url = request.url().to_string();
        let socket = Socket::connect(
            &url,
            request.subprotocols(),
            self.websocket_stream,
            self.receive_queue,
        )?;
        let deadline = Sleep::new(self.timeout);
        let negotiated = poll_fn(|cx| match socket.poll_open(cx) {
            Poll::Pending => {
                deadline.poll(cx).map(|()| Err(ConnectError::TimedOut { after: self.timeout }))
            }
            opened @ Poll::Ready(_) => opened,
        })
        .await?;
        let limits = Limits {
            message: self.config.longest_message(),
            unsent: self.send_buffer,
            closing: self.config.longest_closing(),
            write: self.config.longest_write(),
        };
        Ok(WebSocket::new(socket, negotiated, limits, url))
    }
}

/// The URL with its host in ASCII, as the browser has it: the tables for that are large, and the browser's own are there.
fn ascii(url: &str) -> Cow<'_, str> {
    let converted = || {
        let begin = url.find("://")? + 3;
        let end = begin + url[begin..].find([':', '/', '?', '#']).unwrap_or(url.len() - begin);
        let host = &url[begin..end];
        if host.is_ascii() {
            return None;
        }
        let host = web_sys::Url::new(&format!("http://{host}/")).ok()?.hostname();
        Some(format!("{}{host}{}", &url[..begin], &url[end..]))
    };
    converted().map_or(url.into(), Cow::Owned)
}
