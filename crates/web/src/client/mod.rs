//! The client: opens connections.

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

/// Default timeout for opening a connection: equal to that of native clients.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// Default of [`Client::send_buffer`], in bytes: enough to fill a 100 Mbit/s link for the 80 ms by
/// which a hidden page's timers may be late, and small compared with the memory of a page.
const DEFAULT_SEND_BUFFER: usize = 1 << 20;

/// Default of [`Client::receive_queue`], in bytes: one message of the maximum length.
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
/// If the future is dropped, the connection attempt is aborted.
pub async fn connect(url: impl AsRef<str>) -> Result<WebSocket, ConnectError> {
    Client::new(url).connect().await
}

/// A client: the URL, subprotocols, limits and timeouts of connections.
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
    /// Creates a client for this `ws` or `wss` URL. The browser converts a Unicode host to ASCII.
    pub fn new(url: impl AsRef<str>) -> Self {
        Self {
            request: with_ascii_host(url.as_ref()).parse().map(ClientRequest::new),
            config: Config::new(),
            timeout: DEFAULT_TIMEOUT,
            send_buffer: DEFAULT_SEND_BUFFER,
            receive_queue: DEFAULT_RECEIVE_QUEUE,
            websocket_stream: true,
        }
    }

    /// Returns the URL, unless the URL or the request is invalid.
    pub fn url(&self) -> Option<&Url> {
        self.request.as_ref().ok().map(ClientRequest::url)
    }

    /// Offers subprotocols, most preferred first. [`WebSocket::subprotocol`] returns the one that
    /// the server chose, if any.
    pub fn subprotocols<S: Into<String>>(
        mut self,
        subprotocols: impl IntoIterator<Item = S>,
    ) -> Self {
        if let Ok(request) = &mut self.request {
            let mut subprotocols = subprotocols.into_iter();
            if let Err(error) = subprotocols.try_for_each(|name| request.add_subprotocol(name)) {
                self.request = Err(error);
            }
        }
        self
    }

    /// Sets the limits and timeouts of the open connection: [`Config::max_message_length()`],
    /// [`Config::close_timeout()`] and [`Config::write_timeout()`]. The other settings concern
    /// frames and pings, which the browser handles, and have no effect.
    ///
    /// The browser has assembled a message before this crate learns its length; the limit bounds
    /// the bytes that are copied into the program's memory.
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// Sets the timeout for opening the connection. Default: 20 s.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the number of unsent bytes that the browser may buffer; beyond it, sending waits.
    /// Default: 1 MiB.
    ///
    /// A message is passed to the browser whole, so the browser may buffer this number of bytes and
    /// one more message.
    pub fn send_buffer(self, bytes: usize) -> Self {
        Self { send_buffer: bytes, ..self }
    }

    /// Sets the maximum size of the queue of received messages, in bytes; a text message counts two
    /// bytes for each UTF-16 code unit, and each message at least 64. Default: 16 MiB. The queue
    /// always has space for one message.
    ///
    /// While the queue is full, a browser with `WebSocketStream` applies backpressure to the
    /// server; in any other browser, the next message ends the connection: see
    /// [`Error::QueueFull`](crate::Error::QueueFull).
    pub fn receive_queue(self, bytes: usize) -> Self {
        Self { receive_queue: bytes, ..self }
    }

    /// Sets whether to use `WebSocketStream` where the browser supports it. Default: `true`.
    ///
    /// Without `WebSocketStream`, received messages have no backpressure.
    pub fn websocket_stream(self, enabled: bool) -> Self {
        Self { websocket_stream: enabled, ..self }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`ConnectError`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the connection attempt is aborted.
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
            message: self.config.max_message_length,
            unsent: self.send_buffer,
            closing: self.config.close_timeout,
            write: self.config.write_timeout,
        };
        Ok(WebSocket::new(socket, negotiated, limits, url))
    }
}

/// Returns the URL with its host converted to ASCII. The browser converts it, so that the program
/// need not include the large tables of IDNA.
fn with_ascii_host(url: &str) -> Cow<'_, str> {
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
