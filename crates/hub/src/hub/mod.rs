mod broadcast;
mod builder;
mod bus_task;
mod command;
mod draining;
mod dropped;
mod encodings;
mod fan_out;
mod filters;
mod following;
mod forced_filters;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod hooks;
mod join_reply;
mod joining;
mod metrics;
mod presence;
mod publishing;
mod questions;
mod recipients;
mod recovering;
mod recovery;
mod room;
mod room_states;
mod rooms;
mod shared_options;
mod survey;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use sockeye::{CloseCode, CloseFrame, Outlet, WebSocket};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc};

pub use builder::Builder;
pub(crate) use join_reply::{JoinNotice, JoinReply};
pub use metrics::{BusMetrics, GapCounts, HubMetrics, Timing};
pub use recipients::Recipients;
pub use room::Room;
pub use survey::{NodeReport, NodeReports, RoomList, RoomQuery, RoomReport};

use crate::bus::Bus;
use crate::core::presence::Presence;
use crate::core::topics::NameHasher;
use crate::core::{NodeId, RoomName, SessionId, UserId};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::panics::Panics;
use crate::room_options::RoomOptions;
use crate::session::{
    Connection, MembershipObserver, Registry, Session, SessionHandle, SessionShared,
};
use crate::to_room_name::ToRoomName;
use builder::Config;
use command::Command;
use draining::Draining;
use hooks::Hooks;
use metrics::Counters;
pub(crate) use rooms::Rooms;
use survey::Surveys;

/// A node of the hub: its sessions and their rooms. Clones share the node.
///
/// ```
/// # async fn serve(ws: sockeye::WebSocket) -> Result<(), Box<dyn std::error::Error>> {
/// use sockeye_hub::Hub;
///
/// struct User {
///     name: String,
/// }
///
/// let hub = Hub::builder().build();
/// let mut session = hub.connect(ws, User { name: "Ada".into() });
/// session.join("room:42").await?;
/// hub.room("room:42").publish("hello").await?;
/// while let Some(message) = session.recv().await? {
///     hub.room("room:42").publish(message).await?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// `S` is the application's state of a session.
pub struct Hub<S = ()> {
    shared: Arc<Shared<S>>,
}

/// The state of a node that its hubs, rooms, sessions and tasks share.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    node: NodeId,
    bus: Arc<dyn Bus>,
    config: Config,
    /// The runtime of the hub's tasks, which threads outside of it start as well.
    pub(crate) runtime: Handle,
    pub(crate) hooks: Hooks<S>,
    pub(crate) panics: Panics,
    /// Locked after `rooms` where both are locked.
    registry: RwLock<Registry<S>>,
    rooms: Mutex<Rooms>,
    /// The hasher of `rooms`, for use while they are not locked.
    name_hasher: NameHasher,
    /// The joins and leaves that other nodes have sent: one task carries them out in their order.
    membership_commands: mpsc::Sender<Command>,
    /// Locked after `rooms` where both are locked.
    presence: Mutex<Presence>,
    /// Locked by the task that carries out the outputs of the presence, so that they keep their
    /// order.
    presence_outputs: tokio::sync::Mutex<()>,
    /// Bounds the number of questions and reads at a time, as all rooms ask after an outage.
    bus_permits: Semaphore,
    /// Notifies the task of the presence of new outputs.
    presence_work: Arc<Notify>,
    draining: Draining,
    surveys: Surveys,
    counters: Counters,
}

/// The properties of a new session.
///
/// ```
/// use sockeye_hub::SessionOptions;
/// use sockeye_hub::core::UserId;
///
/// let options = SessionOptions::new().user(UserId::new("ada"));
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    user: Option<UserId>,
    encoder: Option<Arc<dyn Encoder>>,
    observer: Option<Arc<dyn MembershipObserver>>,
    corked: bool,
}

impl SessionOptions {
    /// Creates the properties of a session without user, with the hub's encoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the session's user, by whom sessions are found on all nodes. Default: none.
    pub fn user(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Sets the session's protocol. Sessions of one protocol should share its encoder, so that a
    /// publication is encoded once for them. Default: the encoder of the hub.
    pub fn encoder(self, encoder: Arc<dyn Encoder>) -> Self {
        Self { encoder: Some(encoder), ..self }
    }

    /// Lets a protocol observe the session's rooms.
    pub(crate) fn observer(self, observer: Arc<dyn MembershipObserver>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Sends nothing before [`SessionHandle::uncork`].
    pub(crate) fn corked(self, corked: bool) -> Self {
        Self { corked, ..self }
    }
}

impl<S: Send + Sync + 'static> Hub<S> {
    /// Returns the settings of a new node.
    pub fn builder() -> Builder<S> {
        Builder::new()
    }

    /// Makes a connection a session, with the application's state of it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn connect(&self, ws: WebSocket, state: S) -> Session<S> {
        self.connect_with(ws, state, SessionOptions::new())
    }

    /// Makes a connection a session, like [`connect`](Self::connect), with the given properties.
    ///
    /// # Panics
    /// Same as [`connect`](Self::connect).
    pub fn connect_with(&self, ws: WebSocket, state: S, options: SessionOptions) -> Session<S> {
        let (sender, receiver) = ws.split_with(self.shared.config.send_queue);
        let connection =
            |encoder| Connection::split(sender, encoder, self.shared.config.outbox_limits);
        Session::new(self.insert(state, options, connection), receiver)
    }

    /// Adds a session whose connection the program drives itself, such as one of
    /// [`sockeye::push`]: messages are sent to `outlet`. Works on any thread, as the methods of the
    /// [`SessionHandle`] do. The program passes received messages to
    /// [`SessionHandle::on_message`], and calls [`SessionHandle::end`] when the connection is over.
    ///
    /// The policies of rooms for slow readers apply once the outlet reports that it is full. A
    /// [`push::Handle`](sockeye::push::Handle) does so when a client has not read
    /// [`max_unwritten`](sockeye::push::Server::max_unwritten) bytes, 16 MiB by default: a hub of
    /// many connections should set less. What the program sends to the connection itself counts
    /// for the worker as well, which drops messages beyond the sum.
    ///
    /// ```
    /// use sockeye::push::Callbacks;
    /// use sockeye_hub::core::UserId;
    /// use sockeye_hub::{Disconnect, Hub, SessionHandle, SessionOptions};
    ///
    /// fn callbacks(hub: Hub) -> Callbacks {
    ///     Callbacks::new()
    ///         .on_open(move |connection, request| {
    ///             let user = UserId::new(&request.query("user").unwrap_or_default());
    ///             let options = SessionOptions::new().user(user);
    ///             connection.set_data(hub.attach(connection.handle(), (), options));
    ///         })
    ///         .on_message(|connection, message| {
    ///             if let Some(session) = connection.data::<SessionHandle>() {
    ///                 session.on_message(&message.into());
    ///             }
    ///         })
    ///         .on_close(|connection, frame| {
    ///             if let Some(session) = connection.data::<SessionHandle>() {
    ///                 session.end(&Disconnect::Client(frame.cloned()));
    ///             }
    ///         })
    /// }
    /// ```
    pub fn attach(
        &self,
        outlet: impl Outlet + 'static,
        state: S,
        options: SessionOptions,
    ) -> SessionHandle<S> {
        let limits = self.shared.config.outbox_limits;
        self.insert(state, options, |encoder| Connection::other(Box::new(outlet), encoder, limits))
    }

    /// Stops this node: its sessions' connections are closed with 1001 (going away) and this
    /// reason, and its members leave the presence of the other nodes at once. A node that is
    /// dropped without it is missed by the others within [a lease].
    ///
    /// [a lease]: crate::core::presence::PresenceConfig::lease
    ///
    /// # Errors
    /// [`HubError::Usage`](crate::HubError::Usage) for a reason of more than 123 bytes.
    pub async fn shutdown(&self, reason: &str) -> Result<()> {
        let frame = CloseFrame::new(CloseCode::GOING_AWAY, reason.to_owned())?;
        for session in self.sessions() {
            session.shared().connection.close(frame.clone());
        }
        self.shared.presence().shutdown(Instant::now());
        self.shared.carry_out_presence().await;
        Ok(())
    }

    fn insert(
        &self,
        state: S,
        options: SessionOptions,
        connection: impl FnOnce(Arc<dyn Encoder>) -> Connection,
    ) -> SessionHandle<S> {
        let encoder = options.encoder.unwrap_or_else(|| self.shared.config.encoder.clone());
        let (user, observer) = (options.user, options.observer);
        let connection = connection(encoder);
        if options.corked {
            connection.cork();
        }
        let session = self.shared.registry_mut().insert(user.as_ref(), |slot, id| {
            Arc::new(SessionShared::new(id, slot, user.clone(), state, connection, observer))
        });
        // The session is registered: either this call or the one that drains the node closes it.
        self.shared.close_if_draining(&session);
        let handle = SessionHandle::new(self.shared.clone(), session);
        if let Some(hook) = &self.shared.hooks.connect {
            handle.call_hook("the connect hook", || hook(&handle));
        }
        handle
    }
}

impl<S> Hub<S> {
    pub(crate) fn shared(&self) -> &Arc<Shared<S>> {
        &self.shared
    }

    /// Returns the identity of this node.
    pub fn node(&self) -> NodeId {
        self.shared.node
    }

    /// Returns a room, which need not exist: a room is what its members and its history are. An
    /// invalid name is the error of the room's operations.
    pub fn room(&self, name: impl ToRoomName) -> Room<S> {
        Room::new(self.shared.clone(), name.to_room_name())
    }

    /// Returns the properties of a room.
    pub(crate) fn room_options(&self, room: &RoomName) -> Result<Arc<RoomOptions>> {
        self.shared.options(room)
    }

    /// Returns a session of this node.
    pub fn session(&self, id: SessionId) -> Option<SessionHandle<S>> {
        self.shared.registry().by_id(id).map(|session| self.shared.handle(session))
    }

    /// Returns the sessions of a user on this node.
    pub fn sessions_of(&self, user: &UserId) -> Vec<SessionHandle<S>> {
        let registry = self.shared.registry();
        registry.by_user(user).map(|session| self.shared.handle(session)).collect()
    }

    /// Returns all sessions of this node.
    pub fn sessions(&self) -> Vec<SessionHandle<S>> {
        let registry = self.shared.registry();
        registry.iter().map(|session| self.shared.handle(session)).collect()
    }

    /// Returns the number of sessions of this node.
    pub fn session_count(&self) -> usize {
        self.shared.registry().len()
    }

    /// Returns the number of panics of hooks and encoders on this node, each of which was logged
    /// and affected only the session or the call that it belonged to.
    pub fn panics(&self) -> u64 {
        self.shared.panics.count()
    }
}

impl<S> Shared<S> {
    pub(crate) fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // No code panics while it holds the lock.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(self: &Arc<Self>, session: &Arc<SessionShared<S>>) -> SessionHandle<S> {
        SessionHandle::new(self.clone(), session.clone())
    }

    pub(crate) fn registry(&self) -> RwLockReadGuard<'_, Registry<S>> {
        // No code panics while it holds the lock.
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry_mut(&self) -> RwLockWriteGuard<'_, Registry<S>> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Drop for Shared<S> {
    /// Wakes the task of the presence, which ends. It may wait for nothing else.
    fn drop(&mut self) {
        self.presence_work.notify_one();
    }
}

impl<S> Clone for Hub<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S> fmt::Debug for Hub<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("node", &self.shared.node)
            .field("bus", &self.shared.bus)
            .field("sessions", &self.session_count())
            .finish_non_exhaustive()
    }
}
