use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye::Client;
use sockeye::reconnect::{Backoff, Reconnecting};
use tokio::sync::mpsc;

use super::driver::Driver;
use super::runtime::{self, MaybeSend, MaybeSync};
use super::settings::Settings;
use super::{ClientEvents, HubClient};
use crate::core::RoomName;
use crate::protocol::v1::Encoding;

/// The number of orders that wait for the task. Chosen: programs that do more wait.
const ORDERS: usize = 64;

/// The number of events that wait for the program.
const EVENTS: usize = 256;

/// The settings of a [`HubClient`].
pub struct HubClientBuilder {
    client: Client,
    backoff: Backoff,
    timeout: Duration,
    pub(super) settings: Settings,
}

impl HubClientBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            client: Client::new(url),
            // A client of a hub is expected to stay: an outage may take hours.
            backoff: Backoff::new().max_attempts(None),
            timeout: Duration::from_secs(20),
            settings: Settings {
                encoding: Encoding::Binary,
                data: Bytes::new(),
                token: None,
                room_token: None,
            },
        }
    }

    /// Changes the settings of the connections: headers, TLS, a proxy, limits. The subprotocols are
    /// set afterwards. A browser lets a page set less.
    pub fn client(self, change: impl FnOnce(Client) -> Client) -> Self {
        Self { client: change(self.client), ..self }
    }

    /// Sets the delays between attempts to connect. Default: those of [`Backoff::new`], without a
    /// maximum number of attempts.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets the time until a command without reply fails, without a connection as well. Default:
    /// 20 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Uses the JSON encoding. Default: the binary one.
    pub fn json(mut self) -> Self {
        self.settings.encoding = Encoding::Json;
        self
    }

    /// Sets the data for the server's connect hook, which is JSON. Default: none.
    pub fn data(mut self, data: impl Into<Bytes>) -> Self {
        self.settings.data = data.into();
        self
    }

    /// Sets the function that returns the client's token, for each connection and before a token
    /// expires. `None` connects without a token. A failure is an event, and the function is called
    /// again after a delay. Default: no token.
    pub fn token<F>(mut self, source: impl Fn() -> F + MaybeSend + MaybeSync + 'static) -> Self
    where
        F: Future<Output = Result<Option<String>, Box<dyn Error + Send + Sync>>>
            + MaybeSend
            + 'static,
    {
        self.settings.token = Some(Arc::new(move |()| Box::pin(source())));
        self
    }

    /// Sets the function that returns the token for a room, for each join and before a token
    /// expires. `None` joins without a token. Default: no tokens.
    pub fn room_token<F>(
        mut self,
        source: impl Fn(RoomName) -> F + MaybeSend + MaybeSync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Option<String>, Box<dyn Error + Send + Sync>>>
            + MaybeSend
            + 'static,
    {
        self.settings.room_token = Some(Arc::new(move |room| Box::pin(source(room))));
        self
    }

    /// Spawns a task that connects, and reconnects until the client is closed.
    ///
    /// # Panics
    /// Outside a tokio runtime, except in a browser.
    pub fn connect(self) -> (HubClient, ClientEvents) {
        let (orders, receiver) = mpsc::channel(ORDERS);
        let (sender, events) = mpsc::channel(EVENTS);
        let client = self.client.subprotocols([self.settings.encoding.subprotocol()]);
        let connections = Reconnecting::new(client)
            .backoff(self.backoff)
            .reopen_when(super::connection::may_reopen)
            .split();
        runtime::spawn(Driver::new(self.settings, connections, receiver, sender).run());
        (HubClient { orders, timeout: self.timeout }, ClientEvents::new(events))
    }
}

impl fmt::Debug for HubClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubClientBuilder")
            .field("client", &self.client)
            .field("backoff", &self.backoff)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
