//! Routes a client's commands to async functions, in the manner of axum.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use serde::{Deserialize, Serialize};
//! use sockeye::Server;
//! use sockeye_hub::router::{Failure, Json, Router, State};
//!
//! #[derive(Clone, Serialize)]
//! struct User {
//!     name: String,
//! }
//!
//! #[derive(Deserialize)]
//! struct Query {
//!     prefix: String,
//! }
//!
//! type Users = Arc<Vec<User>>;
//!
//! #[tokio::main]
//! async fn main() -> sockeye::Result<()> {
//!     let router = Router::new(Users::default()).on("listUsers", list_users);
//!     Server::bind("127.0.0.1:8080").await?.serve(move |ws| router.serve(ws)).await
//! }
//!
//! async fn list_users(
//!     State(users): State<Users>,
//!     Json(query): Json<Query>,
//! ) -> Result<Json<Vec<User>>, Failure> {
//!     if query.prefix.is_empty() {
//!         return Err(Failure::bad_request("the prefix is empty"));
//!     }
//!     Ok(Json(users.iter().filter(|user| user.name.starts_with(&query.prefix)).cloned().collect()))
//! }
//! ```
//!
//! A client sends `{"id":1,"cmd":"listUsers","data":{"prefix":"A"}}` and receives
//! `{"id":1,"data":[{"name":"Ada"}]}`.
//!
//! # I want to
//!
//! | to | use |
//! |---|---|
//! | read the content of a command | the extractors [`Json`], [`Text`], [`Binary`]; [`Request`] for the content as it came |
//! | use the application's state | [`State`], with [`FromRef`] for parts of it |
//! | know who the client is | [`Context`], [`Data`]; a login sets the user by [`Context::set_data`] |
//! | write an extractor | [`FromRequest`] |
//! | answer | return [`Json`], text, bytes, `()`, or a `Result` of these and [`Failure`]; [`NoReply`] for no answer |
//! | fail with codes of the application | [`Failure::new`], or [`IntoFailure`] for an error type |
//! | send events to a client, beside the replies and from anywhere | [`Writer`] |
//! | serve commands that have no endpoint | [`Router::fallback`] |
//! | check or log all commands, as middleware does | [`Router::layer`], with [`from_fn`] or any tower `Layer` |
//! | speak plain text, packets or an own protocol | [`Router::codec`], [`codec`] |
//! | know the deadline, notice a cancellation | [`Context`] |
//! | serve in an axum application | `upgrade.on_upgrade(move \|ws\| router.serve(ws))` |
//! | serve connections that are no `sockeye::WebSocket` | [`Router::serve_with`] |
//!
//! # Order and concurrency
//! A client may send many commands before it has a reply. Commands with different ids run at the
//! same time, and are answered as they finish. Commands with the same id, and those without one,
//! run one after the other in the order in which they came, and so are their replies.
//!
//! | bound, for each connection | default | beyond it |
//! |---|---|---|
//! | [`max_commands`](Router::max_commands): commands that run or wait for their turn | 32 | the router reads no more until one is finished, so that the client has to wait |
//! | [`max_command_bytes`](Router::max_command_bytes): their content | 1 MiB | the same; one longer command is served alone |
//! | [`timeout`](Router::timeout): from the arrival of a command to its reply | 30 s | the endpoint is dropped, and the client is sent [`DEADLINE_EXCEEDED`](FailureCode::DEADLINE_EXCEEDED) |
//! | [`send_capacity`](Router::send_capacity): replies and events that wait to be written | 1 MiB | replies and [`Writer::push`] wait, [`Writer::try_push`] returns [`PushError::Full`] |
//!
//! While the router does not read, it sees no cancellation, no ping, and not that the client has
//! left. Replies are never dropped: a client that does not read them is not read either, and is
//! given up after [`Config::write_timeout`](sockeye::Config::write_timeout()).
//!
//! An endpoint starts in the task of the connection, and moves to a separate task when it first
//! waits: an endpoint that never waits costs no task. An endpoint that computes for long delays the
//! commands behind it, and should compute in `tokio::task::spawn_blocking`.
//!
//! # Failures
//! Every message of a client is answered: a message that is no command, a command that nobody
//! serves, content that does not fit. A panic of an endpoint is contained: it is logged, and
//! answered with [`INTERNAL`](FailureCode::INTERNAL), without its text; the connection and the
//! other commands go on. The panic may leave the application's state half updated, as in any task.

pub mod codec;
mod command;
mod content;
mod context;
mod endpoint;
mod execution;
mod extractor;
mod failure;
mod flag;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod lanes;
mod layer;
mod reply;
mod request;
mod serve;
mod writer;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_core::Stream;
use sockeye::split::SendQueue;
use sockeye::{Message, WebSocket};
use tower_layer::Layer;
use tower_service::Service;

pub use command::{CommandId, CommandName};
pub use content::{Content, EncodeError, IntoContent};
pub use context::Context;
pub use endpoint::Endpoint;
pub use extractor::{Binary, Data, FromRef, FromRequest, Json, State, Text};
pub use failure::{Failure, FailureCode, IntoFailure};
pub use layer::{FromFn, FromFnService, Next, Route, from_fn};
pub use reply::{IntoReply, NoReply, Reply};
pub use request::Request;
pub use serve::Serve;
pub use writer::{ClientInfo, Outgoing, PushError, Writer};

use codec::{Codec, JsonCommands};
use endpoint::{ErasedEndpoint, erase};
use lanes::Limits;
use serve::Settings;
use writer::BoxFuture;

/// Default of [`Router::timeout`]: that of a write, after which a client is given up.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Default of [`Router::max_commands`]: more than a page has in flight, and few enough that a
/// connection cannot take the server for itself.
const DEFAULT_MAX_COMMANDS: usize = 32;

/// Default of [`Router::max_command_bytes`], and of [`Router::send_capacity`]: that of
/// [`SendQueue`].
const DEFAULT_CAPACITY: u32 = 1 << 20;

/// Commands and the endpoints that serve them, with a state of the type `S` that all share.
///
/// Create it once, and [serve](Self::serve) any number of connections with it. A clone shares the
/// endpoints and the state, and has settings of its own.
pub struct Router<S> {
    endpoints: Arc<Endpoints<S>>,
    layers: Vec<Arc<dyn Fn(Route) -> Route + Send + Sync>>,
    codec: Arc<dyn Codec>,
    timeout: Option<Duration>,
    limits: Limits,
    send_capacity: u32,
    /// The endpoints with their layers, made for the first connection: a layer with a state, such
    /// as a limit of concurrency, has one for all connections.
    route: Arc<OnceLock<Route>>,
}

struct Endpoints<S> {
    state: Arc<S>,
    by_name: HashMap<CommandName, Arc<dyn ErasedEndpoint<S>>>,
    fallback: Option<Arc<dyn ErasedEndpoint<S>>>,
}

impl<S: Send + Sync + 'static> Router<S> {
    /// Creates a router without endpoints, for JSON commands. Endpoints get the state, or a part of
    /// it, by [`State`].
    pub fn new(state: S) -> Self {
        let endpoints =
            Endpoints { state: Arc::new(state), by_name: HashMap::new(), fallback: None };
        Self {
            endpoints: Arc::new(endpoints),
            layers: Vec::new(),
            codec: Arc::new(JsonCommands::new()),
            timeout: Some(DEFAULT_TIMEOUT),
            limits: Limits { jobs: DEFAULT_MAX_COMMANDS, size: DEFAULT_CAPACITY as usize },
            send_capacity: DEFAULT_CAPACITY,
            route: Arc::default(),
        }
    }

    /// Serves a command with an endpoint: an async function whose arguments are extractors. The
    /// command has a name, or a number where the [`codec`] has numbers.
    ///
    /// # Panics
    /// If the router has an endpoint for the command already.
    #[track_caller]
    pub fn on<A: 'static>(
        mut self,
        command: impl Into<CommandName>,
        endpoint: impl Endpoint<S, A>,
    ) -> Self {
        let command = command.into();
        let endpoints = self.endpoints_mut();
        assert!(
            !endpoints.by_name.contains_key(&command),
            "the command {command:?} has two endpoints"
        );
        endpoints.by_name.insert(command, erase(endpoint));
        self
    }

    /// Serves all commands that have no endpoint. [`Context::command`] returns the name. Default:
    /// they are answered with [`UNKNOWN_COMMAND`](FailureCode::UNKNOWN_COMMAND).
    pub fn fallback<A: 'static>(mut self, endpoint: impl Endpoint<S, A>) -> Self {
        self.endpoints_mut().fallback = Some(erase(endpoint));
        self
    }

    /// Wraps the whole router with a layer of tower, which sees every command, also those without
    /// an endpoint. The last layer that is added sees a command first.
    ///
    /// [`from_fn`] makes a layer of an async function. Layers of the crate `tower` and others work
    /// if they are generic in the request; an error of theirs, such as a timeout, is answered with
    /// [`INTERNAL`](FailureCode::INTERNAL).
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoReply,
        <L::Service as Service<Request>>::Error: Into<Box<dyn Error + Send + Sync>>,
        <L::Service as Service<Request>>::Future: Send,
    {
        self.layers.push(Arc::new(move |route| route.layered(&layer)));
        self.route = Arc::default();
        self
    }

    /// Sets the encoding of commands, replies and events. Default: [`JsonCommands`].
    ///
    /// A server that speaks several encodings has a router for each, and chooses by the
    /// [subprotocol](WebSocket::subprotocol):
    ///
    /// ```
    /// use sockeye_hub::router::Router;
    /// use sockeye_hub::router::codec::Packets;
    ///
    /// # async fn login() {}
    /// let json = Router::new(()).on("login", login).on(1, login);
    /// let packets = json.clone().codec(Packets::new());
    /// ```
    pub fn codec(self, codec: impl Codec) -> Self {
        Self { codec: Arc::new(codec), ..self }
    }

    /// Sets the time after the arrival of a command until it is cancelled, and answered with
    /// [`DEADLINE_EXCEEDED`](FailureCode::DEADLINE_EXCEEDED); `None` for never. A client may ask
    /// for a shorter time. Default: 30 s.
    pub fn timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { timeout: timeout.into(), ..self }
    }

    /// Sets the maximum number of a connection's commands that run, or wait behind others of their
    /// id. Beyond it, the router reads no more from the client. 0 counts as 1. Default: 32.
    pub fn max_commands(mut self, commands: usize) -> Self {
        self.limits.jobs = commands;
        self
    }

    /// Sets the maximum length of the contents of those commands together, in bytes. Beyond it, the
    /// router reads no more from the client; a command that is longer by itself is served alone.
    /// Default: 1 MiB.
    ///
    /// The length of one command is limited by
    /// [`Config::max_message_length`](sockeye::Config::max_message_length()).
    pub fn max_command_bytes(mut self, bytes: usize) -> Self {
        self.limits.size = bytes;
        self
    }

    /// Sets the capacity of the queue of replies and events that wait to be written to a client, in
    /// bytes: see [`SendQueue::capacity`]. Default: 1 MiB.
    pub fn send_capacity(self, bytes: u32) -> Self {
        Self { send_capacity: bytes, ..self }
    }

    /// Serves the commands of a connection. The future ends with the connection: the result is that
    /// of [`WebSocket::recv`]. A handler that has more to do when a client comes or goes awaits the
    /// future between:
    ///
    /// ```
    /// use sockeye::WebSocket;
    /// use sockeye_hub::router::{Router, Writer};
    ///
    /// # #[derive(Clone)] struct App;
    /// # impl App { fn enter(&self, _: Writer) -> u32 { 1 } fn leave(&self, _: u32) {} }
    /// async fn connected(app: App, router: Router<App>, ws: WebSocket) -> sockeye::Result<()> {
    ///     let serve = router.serve(ws);
    ///     let member = app.enter(serve.writer().clone());
    ///     let ended = serve.await;
    ///     app.leave(member);
    ///     ended
    /// }
    /// ```
    ///
    /// # Errors
    /// The errors of [`WebSocket::recv`]. A closing handshake is no error.
    ///
    /// # Cancel safety
    /// Dropping the future cancels all unfinished commands, and closes the connection as the drop
    /// of a [`Receiver`](sockeye::split::Receiver) does.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub fn serve(&self, ws: WebSocket) -> Serve {
        let client = ClientInfo {
            peer_addr: ws.peer_addr(),
            subprotocol: ws.subprotocol().map(Into::into),
            data: ws.all_data().clone(),
        };
        let (sender, receiver) = ws.split_with(SendQueue::new().capacity(self.send_capacity));
        self.serve_with(receiver, sender, client)
    }

    /// Serves commands that come from any stream, with any sending side: for connections that are
    /// wrapped in something else. The future ends with the stream or its first error.
    ///
    /// # Errors
    /// The error of the stream.
    ///
    /// # Cancel safety
    /// Dropping the future cancels all unfinished commands, and drops the stream.
    pub fn serve_with(
        &self,
        incoming: impl Stream<Item = sockeye::Result<Message>> + Send + 'static,
        outgoing: impl Outgoing,
        client: ClientInfo,
    ) -> Serve {
        let settings = Settings {
            route: self.route.get_or_init(|| self.make_route()).clone(),
            codec: self.codec.clone(),
            timeout: self.timeout,
            limits: self.limits,
        };
        Serve::new(settings, incoming, outgoing, client)
    }

    fn make_route(&self) -> Route {
        let endpoints = Route::new(EndpointService(self.endpoints.clone()));
        self.layers.iter().fold(endpoints, |route, layer| layer(route))
    }

    fn endpoints_mut(&mut self) -> &mut Endpoints<S> {
        self.route = Arc::default();
        Arc::make_mut(&mut self.endpoints)
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            endpoints: self.endpoints.clone(),
            layers: self.layers.clone(),
            codec: self.codec.clone(),
            timeout: self.timeout,
            limits: self.limits,
            send_capacity: self.send_capacity,
            route: self.route.clone(),
        }
    }
}

impl<S> Clone for Endpoints<S> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            by_name: self.by_name.clone(),
            fallback: self.fallback.clone(),
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("commands", &self.endpoints.by_name.keys())
            .field("layers", &self.layers.len())
            .field("codec", &self.codec)
            .field("timeout", &self.timeout)
            .field("limits", &self.limits)
            .field("send_capacity", &self.send_capacity)
            .finish_non_exhaustive()
    }
}

/// The innermost service of a router.
struct EndpointService<S>(Arc<Endpoints<S>>);

impl<S: Send + Sync + 'static> layer::ErasedService for EndpointService<S> {
    fn serve(&self, request: Request) -> BoxFuture<'static, Reply> {
        let Endpoints { state, by_name, fallback } = &*self.0;
        if let Some(endpoint) = by_name.get(request.command()).or(fallback.as_ref()) {
            return endpoint.call(request, state.clone());
        }
        let failure = unknown_command(request.command());
        Box::pin(std::future::ready(Reply::Failure(failure)))
    }
}

fn unknown_command(command: &CommandName) -> Failure {
    /// Maximum number of characters of a name that are sent back.
    const SHOWN: usize = 64;

    let name: String = command.to_string().chars().take(SHOWN).collect();
    Failure::new(FailureCode::UNKNOWN_COMMAND, format!("unknown command: {name}"))
}
