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

/// An attempt to connect that is in progress.
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
    /// Sets the delays between attempts, and the maximum number of attempts.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.machine.set_backoff(backoff);
        self
    }

    /// Sets a hook that is called before each attempt with the attempt number and the client, and
    /// returns the client to connect with: for tokens that expire. As a page cannot send headers,
    /// tokens go in the URL or among the subprotocols.
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
    /// Each call gets the client given to [`Reconnecting::new`]. The timeout of the hook is that
    /// client's [`connect_timeout`](Client::connect_timeout). If the hook fails, the attempt fails
    /// with [`ConnectError::Hook`], which is transient.
    ///
    /// The native counterpart passes headers instead of the client.
    pub fn before_attempt<F>(mut self, hook: impl Fn(u32, Client) -> F + 'static) -> Self
    where
        F: Future<Output = Result<Client, Box<dyn Error + Send + Sync>>> + 'static,
    {
        self.settings.hook = Some(Rc::new(move |attempt, client| Box::pin(hook(attempt, client))));
        self
    }

    /// Sets after which errors of an attempt to try again. Default: [`ConnectError::is_transient`].
    pub fn retry_when(mut self, retry: impl Fn(&ConnectError) -> bool + 'static) -> Self {
        self.settings.retry = Box::new(retry);
        self
    }

    /// Sets after which close frames of the server to reconnect; `None` stands for an empty one.
    /// Default: all but 1000 (normal closure) and those that would end a new connection as well:
    /// 1002, 1003, 1007, 1008, 1009 and 1010. Application codes (3000 to 4999) are for the
    /// application to judge.
    ///
    /// A connection that ended without a close frame is always reestablished. The frame of
    /// [`Error::Failed`](crate::Error::Failed) is judged in the same way as a close frame.
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

/// Returns the client from the hook.
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
