use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use sockeye_proto::CloseFrame;
use sockeye_proto::reconnect::may_reopen;

use super::{Backoff, Reconnecting};
use crate::WebSocket;
use crate::client::{Client, ConnectError, HookError};
use crate::timer::Sleep;

/// A connection in the making.
pub(super) type Attempt = Boxed<Result<WebSocket, ConnectError>>;

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
type Hook = dyn Fn(u32, Client) -> Boxed<Result<Client, Failure>>;
type Failure = Box<dyn Error + Send + Sync>;
type Retry = dyn Fn(&ConnectError) -> bool;
type Reopen = dyn Fn(Option<&CloseFrame>) -> bool;

pub(super) struct Settings {
    hook: Option<Rc<Hook>>,
    retry: Box<Retry>,
    reopen: Box<Reopen>,
}

impl Reconnecting {
    /// How long to wait between attempts, and how often to try.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.attempts.set_backoff(backoff);
        self
    }

    /// Calls this before each attempt, with its number and the client, and connects by the client that it gives back: for
    /// tokens that expire. As a page cannot send headers, they go in the URL or among the subprotocols.
    ///
    /// ```no_run
    /// use sockeye_web::Client;
    /// use sockeye_web::reconnect::Reconnecting;
    /// # async fn fresh_token() -> Result<String, std::io::Error> { unimplemented!() }
    ///
    /// let feed = Reconnecting::new(Client::new("wss://example.com/feed")).before_attempt(
    ///     |_attempt, client| async move {
    ///         let token = fresh_token().await?;
    ///         Ok(client.subprotocols([format!("bearer.{token}")]))
    ///     },
    /// );
    /// ```
    ///
    /// Each attempt begins with the client that this was made of. The hook has as much time as that client's
    /// [`connect_timeout`](Client::connect_timeout). If it fails, so has the attempt: with [`ConnectError::Hook`], which is
    /// transient.
    ///
    /// Its native twin is given headers in place of the client.
    pub fn before_attempt<F>(mut self, hook: impl Fn(u32, Client) -> F + 'static) -> Self
    where
        F: Future<Output = Result<Client, Box<dyn Error + Send + Sync>>> + 'static,
    {
        self.settings.hook = Some(Rc::new(move |attempt, client| Box::pin(hook(attempt, client))));
        self
    }

    /// Which errors of an attempt to try again after. Default: [`ConnectError::is_transient`].
    pub fn retry_when(mut self, retry: impl Fn(&ConnectError) -> bool + 'static) -> Self {
        self.settings.retry = Box::new(retry);
        self
    }

    /// After which close frames of the server to connect again; `None` is an empty one. Default: all but 1000 (normal
    /// closure) and those that a new connection would end with as well: 1002, 1003, 1007, 1008, 1009 and 1010. Codes of
    /// applications (3000 to 4999) are for the application to judge.
    ///
    /// A connection that ended without a close frame is always made again. What the browser says with
    /// [`Error::Failed`](crate::Error::Failed) is judged as a close frame.
    pub fn reopen_when(mut self, reopen: impl Fn(Option<&CloseFrame>) -> bool + 'static) -> Self {
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
        let (client, hook) = (client.clone(), self.hook.clone());
        Box::pin(async move {
            let client = match hook {
                Some(hook) => refresh(client, attempt, &*hook).await?,
                None => client,
            };
            client.connect().await
        })
    }
}

/// The client that the hook gives.
async fn refresh(client: Client, attempt: u32, hook: &Hook) -> Result<Client, ConnectError> {
    let after = client.timeout;
    let deadline = Sleep::new(after);
    let mut fresh = pin!(hook(attempt, client));
    poll_fn(|cx| match fresh.as_mut().poll(cx) {
        Poll::Ready(fresh) => {
            Poll::Ready(fresh.map_err(|error| ConnectError::Hook(HookError::new(error))))
        }
        Poll::Pending => deadline.poll(cx).map(|()| Err(ConnectError::TimedOut { after })),
    })
    .await
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hook: None,
            retry: Box::new(ConnectError::is_transient),
            reopen: Box::new(may_reopen),
        }
    }
}
