//! The settings of a reconnecting client.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;
use sockeye_proto::CloseFrame;
use sockeye_proto::reconnect::may_reopen;

use super::{Backoff, Reconnecting};
use crate::WebSocket;
use crate::client::{Client, ConnectError, Stage, StageTimer};

/// A connection attempt in progress.
pub(super) type Attempt = Boxed<Result<WebSocket, ConnectError>>;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Connector = dyn Fn(Client) -> Attempt + Send + Sync;
type Hook = dyn Fn(u32, HeaderMap) -> Boxed<Result<HeaderMap, Failure>> + Send + Sync;
type Failure = Box<dyn Error + Send + Sync>;
type Retry = dyn Fn(&ConnectError) -> bool + Send + Sync;
type Reopen = dyn Fn(Option<&CloseFrame>) -> bool + Send + Sync;

pub(super) struct Settings {
    connector: Option<Arc<Connector>>,
    hook: Option<Arc<Hook>>,
    retry: Box<Retry>,
    reopen: Box<Reopen>,
}

impl Reconnecting {
    /// Sets the delays between attempts and their maximum number.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.machine.set_backoff(backoff);
        self
    }

    /// Sets a hook to call before each attempt, with the attempt's number and the client's headers.
    /// The attempt uses the headers that the hook returns: for tokens that expire.
    ///
    /// ```no_run
    /// use sockeye::Client;
    /// use sockeye::reconnect::Reconnecting;
    /// # async fn fresh_token() -> Result<String, std::io::Error> { unimplemented!() }
    ///
    /// let feed = Reconnecting::new(Client::new("wss://example.com/feed")).before_attempt(
    ///     |_attempt, mut headers| async move {
    ///         let token = fresh_token().await?;
    ///         headers.insert("authorization", format!("Bearer {token}").parse()?);
    ///         Ok(headers)
    ///     },
    /// );
    /// ```
    ///
    /// The timeout of the hook is the client's [`connect_timeout`](Client::connect_timeout). If the
    /// hook fails, the attempt fails with [`ConnectError::Hook`], which is transient.
    pub fn before_attempt<F>(
        mut self,
        hook: impl Fn(u32, HeaderMap) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<HeaderMap, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        self.settings.hook =
            Some(Arc::new(move |attempt, headers| Box::pin(hook(attempt, headers))));
        self
    }

    /// Sets the function that connects. Default: [`Client::connect`]. For Unix sockets and custom
    /// streams:
    ///
    /// ```no_run
    /// # #[cfg(unix)] {
    /// use sockeye::Client;
    /// use sockeye::reconnect::Reconnecting;
    ///
    /// let feed = Reconnecting::new(Client::new("ws://localhost/feed"))
    ///     .connect_by(|client| async move { client.connect_unix("/run/feed.socket").await });
    /// # }
    /// ```
    pub fn connect_by<F>(mut self, connector: impl Fn(Client) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<WebSocket, ConnectError>> + Send + 'static,
    {
        self.settings.connector = Some(Arc::new(move |client| Box::pin(connector(client))));
        self
    }

    /// Sets the predicate of errors after which to try again. Default:
    /// [`ConnectError::is_transient`].
    pub fn retry_when(
        mut self,
        retry: impl Fn(&ConnectError) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.retry = Box::new(retry);
        self
    }

    /// Sets the predicate of the server's close frames after which to reconnect; `None` is an empty
    /// close frame. Default: all but 1000 (normal closure) and those that would end a new
    /// connection as well: 1002, 1003, 1007, 1008, 1009 and 1010. The default reconnects after
    /// application codes (3000 to 4999), whose meaning only the application knows.
    ///
    /// After a connection that ended without a closing handshake, the client always reconnects.
    pub fn reopen_when(
        mut self,
        reopen: impl Fn(Option<&CloseFrame>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.reopen = Box::new(reopen);
        self
    }
}

impl Settings {
    pub(super) fn retries(&self, error: &ConnectError) -> bool {
        (self.retry)(error)
    }

    pub(super) fn reopens(&self, frame: Option<&CloseFrame>) -> bool {
        (self.reopen)(frame)
    }

    pub(super) fn connect(&self, client: &Client, attempt: u32) -> Attempt {
        let (client, connector, hook) = (client.clone(), self.connector.clone(), self.hook.clone());
        Box::pin(async move {
            let client = match hook {
                Some(hook) => refresh(client, attempt, &*hook).await?,
                None => client,
            };
            match connector {
                Some(connector) => connector(client).await,
                None => client.connect().await,
            }
        })
    }
}

/// Returns the client with the headers that the hook returned.
async fn refresh(mut client: Client, attempt: u32, hook: &Hook) -> Result<Client, ConnectError> {
    let mut request = client.request()?.clone();
    let headers = hook(attempt, request.headers().clone());
    let headers = StageTimer::begin(client.timeout)
        .watch(Stage::Hook, async { headers.await.map_err(ConnectError::Hook) })
        .await?;
    request.set_headers(headers)?;
    client.request = Ok(request);
    Ok(client)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connector: None,
            hook: None,
            retry: Box::new(ConnectError::is_transient),
            reopen: Box::new(may_reopen),
        }
    }
}
