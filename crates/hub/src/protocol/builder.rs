use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use sockeye::Message;

use super::{Accepted, ConnectRequest, Endpoint, Protocol, Refusal};
use crate::hub::Hub;
use crate::namespaces::Namespaces;
use crate::session::SessionHandle;
use crate::token::TokenVerifier;

type HookFuture<T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send>>;
type OnConnect<S> = Box<dyn Fn(ConnectRequest) -> HookFuture<Accepted<S>> + Send + Sync>;
type OnRpc<S> = Box<dyn Fn(SessionHandle<S>, String, Bytes) -> HookFuture<Bytes> + Send + Sync>;
type OnMessage<S> = Box<dyn Fn(&SessionHandle<S>, Message) + Send + Sync>;

/// The settings of an [`Endpoint`].
pub struct EndpointBuilder<S> {
    hub: Hub<S>,
    config: Config<S>,
}

/// The settings of an endpoint beside its hub.
pub(crate) struct Config<S> {
    pub(crate) tokens: Option<TokenVerifier>,
    /// `None`: all clients may do everything.
    pub(crate) namespaces: Option<Namespaces>,
    /// Default: only if the endpoint verifies no tokens.
    anonymous: Option<bool>,
    pub(crate) default_protocol: Protocol,
    /// The time between pings, and the timeout of the answer.
    pub(crate) ping: Option<Ping>,
    pub(crate) limits: ClientLimits,
    pub(crate) on_connect: OnConnect<S>,
    pub(crate) on_rpc: Option<OnRpc<S>>,
    pub(crate) on_message: Option<OnMessage<S>>,
}

/// The times of pings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ping {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// The bounds of what one client may ask for, beside the
/// [maximum number of its rooms](crate::Builder::limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientLimits {
    /// The maximum number of commands in one WebSocket message. Beyond it, the connection is
    /// closed with 3501. Default: 256, twice the maximum number of rooms that a client joins at
    /// once.
    pub commands: usize,
    /// The maximum length of one command, in bytes. Beyond it, the connection is closed with 1009,
    /// as it is beyond four times this length of one WebSocket message. While commands of four
    /// times this length wait, the client is not read. Default: 64 KiB, as in centrifugo.
    pub command_bytes: usize,
    /// The maximum number of RPCs of a client that run at a time. Beyond it, the client is not
    /// read. Default: 16.
    pub rpcs: usize,
    /// The maximum number of publications in a reply to a request for history. More are cut off.
    /// Default: 1,000.
    pub history: usize,
    /// The maximum number of members in a list of a room's presence. A list has 512 KiB of infos
    /// and users at most as well. Default: 5,000, some 500 KB.
    pub members: usize,
    /// The time within which a client must have connected after the opening handshake. Beyond it,
    /// the connection is closed with 3502. The server closes it with 3004 if its own part, such as
    /// joining the client to rooms, takes as long. Default: 15 s, as in centrifugo.
    pub connect_timeout: Duration,
    /// The time that a client has to refresh a token that has expired, before the connection is
    /// closed with 3005 or the client is unsubscribed. Default: 25 s, as in centrifugo.
    pub expiry_grace: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            commands: 256,
            command_bytes: 64 << 10,
            rpcs: 16,
            history: 1_000,
            members: 5_000,
            connect_timeout: Duration::from_secs(15),
            expiry_grace: Duration::from_secs(25),
        }
    }
}

impl<S: Send + Sync + 'static> EndpointBuilder<S> {
    /// Creates the settings of an endpoint. The function decides whether a client may connect, and
    /// creates the state of its session: see [`on_connect`](Self::on_connect).
    pub fn new<F>(hub: Hub<S>, hook: impl Fn(ConnectRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Accepted<S>, Refusal>> + Send + 'static,
    {
        let config = Config {
            tokens: None,
            namespaces: None,
            anonymous: None,
            default_protocol: Protocol::CentrifugeJson,
            // The values of centrifugo, which suit its SDKs.
            ping: Some(Ping { interval: Duration::from_secs(25), timeout: Duration::from_secs(8) }),
            limits: ClientLimits::default(),
            on_connect: Box::new(move |request| Box::pin(hook(request))),
            on_rpc: None,
            on_message: None,
        };
        Self { hub, config }
    }

    /// Verifies the tokens of connections and rooms. A client without a token is anonymous.
    /// Default: tokens are ignored, and all clients are anonymous.
    pub fn tokens(mut self, tokens: TokenVerifier) -> Self {
        self.config.tokens = Some(tokens);
        self
    }

    /// Sets who may join and use which rooms. The hub must be built with the same namespaces: see
    /// [`Builder::namespaces`](crate::Builder::namespaces). The hooks of the hub decide as well.
    /// Default: all clients may join and use all rooms.
    pub fn namespaces(mut self, namespaces: Namespaces) -> Self {
        self.config.namespaces = Some(namespaces);
        self
    }

    /// Sets whether clients may connect without a token. Default: only if the endpoint verifies no
    /// tokens.
    pub fn anonymous(mut self, allowed: bool) -> Self {
        self.config.anonymous = Some(allowed);
        self
    }

    /// Sets the protocol of clients that negotiated no subprotocol of this endpoint. Default:
    /// [`Protocol::CentrifugeJson`], whose SDKs negotiate none.
    pub fn default_protocol(mut self, protocol: Protocol) -> Self {
        self.config.default_protocol = protocol;
        self
    }

    /// Sets the function that decides whether a client may connect, after its token was verified.
    /// The function returns the state of the session, and may change what the token says of the
    /// client. A refusal is the reply to the client.
    pub fn on_connect<F>(
        mut self,
        hook: impl Fn(ConnectRequest) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Accepted<S>, Refusal>> + Send + 'static,
    {
        self.config.on_connect = Box::new(move |request| Box::pin(hook(request)));
        self
    }

    /// Sets the function that answers RPCs: it receives the session, the method and the data, and
    /// returns data for the client. It is dropped when the client leaves; a panic is answered with
    /// [`Refusal::INTERNAL`]. Default: RPCs are refused with 108.
    pub fn on_rpc<F>(
        mut self,
        hook: impl Fn(SessionHandle<S>, String, Bytes) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Bytes, Refusal>> + Send + 'static,
    {
        self.config.on_rpc =
            Some(Box::new(move |session, method, data| Box::pin(hook(session, method, data))));
        self
    }

    /// Sets the function that receives the messages that a client sends to no room. Default: such
    /// messages are ignored.
    pub fn on_message(
        mut self,
        hook: impl Fn(&SessionHandle<S>, Message) + Send + Sync + 'static,
    ) -> Self {
        self.config.on_message = Some(Box::new(hook));
        self
    }

    /// Sets the time between two pings of the protocol, in whole seconds, and the timeout after
    /// which a client that answers nothing is closed with 3012. An interval of zero sends no pings.
    /// Default: 25 s and 8 s.
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        self.config.ping = (!interval.is_zero()).then_some(Ping { interval, timeout });
        self
    }

    /// Sets the bounds of what one client may ask for. Default: [`ClientLimits::default`].
    pub fn limits(mut self, limits: ClientLimits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Creates the endpoint.
    pub fn build(self) -> Endpoint<S> {
        Endpoint::new(self.hub, self.config)
    }
}

impl<S> Config<S> {
    /// Returns whether a client needs no token.
    pub(crate) fn is_anonymous_allowed(&self) -> bool {
        self.anonymous.unwrap_or(self.tokens.is_none())
    }
}

impl<S> fmt::Debug for EndpointBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointBuilder")
            .field("hub", &self.hub)
            .field("config", &self.config)
            .finish()
    }
}

impl<S> fmt::Debug for Config<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("tokens", &self.tokens)
            .field("namespaces", &self.namespaces)
            .field("anonymous", &self.anonymous)
            .field("default_protocol", &self.default_protocol)
            .field("ping", &self.ping)
            .field("limits", &self.limits)
            .field("on_rpc", &self.on_rpc.is_some())
            .field("on_message", &self.on_message.is_some())
            .finish_non_exhaustive()
    }
}
