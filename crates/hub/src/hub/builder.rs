use std::fmt;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use sockeye::split::SendQueue;
use sockeye::{Error, Message};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::draining::Draining;
use super::hooks::Hooks;
use super::metrics::Counters;
use super::questions::MAX_ASKERS;
use super::rooms::Rooms;
use super::survey::Surveys;
use super::{Hub, Shared, broadcast, bus_task, presence};
use crate::bus::{Bus, Local, events};
use crate::core::continuity::CatchUpConfig;
use crate::core::outbox::OutboxLimits;
use crate::core::presence::{Incarnation, Presence, PresenceConfig, PresenceConfigError};
use crate::core::topics::Limits;
use crate::core::{NodeId, RoomName};
use crate::disconnect::Disconnect;
use crate::encoder::{Encoder, Plain};
use crate::error::Denied;
use crate::join::JoinTerms;
use crate::namespaces::Namespaces;
use crate::panics::Panics;
use crate::random;
use crate::room_options::RoomOptions;
use crate::session::{Registry, SessionHandle};
use crate::token::Revocations;

/// The number of events of the bus that wait for the node. Chosen: a second of a busy bus, in some
/// megabytes; the memory is used only while events wait. The channel bounds their bytes as well.
const EVENTS: usize = 65_536;

/// The number of joins and leaves of other nodes that wait: more are dropped. Chosen: commands come
/// from programs, one for many sessions.
const MAX_MEMBERSHIP_COMMANDS: usize = 1024;

/// The settings of a [`Hub`].
///
/// # Panics of hooks
/// A hook that panics is logged and counted by [`Hub::panics`], and affects nothing but its
/// session, whose connection is closed with 1011 (internal error), or its call, which fails with
/// [`HubError::Panicked`](crate::HubError::Panicked).
pub struct Builder<S> {
    node: NodeId,
    presence: Presence,
    bus: Arc<dyn Bus>,
    hooks: Hooks<S>,
    config: Config,
}

/// The settings that are no functions of the application on sessions.
pub(crate) struct Config {
    pub(crate) room_options: Box<dyn Fn(&RoomName) -> RoomOptions + Send + Sync>,
    pub(crate) encoder: Arc<dyn Encoder>,
    pub(crate) outbox_limits: OutboxLimits,
    pub(crate) send_queue: SendQueue,
    pub(crate) limits: Limits,
    pub(crate) catch_up: CatchUpConfig,
    pub(crate) revocations: Option<Revocations>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("encoder", &self.encoder)
            .field("outbox_limits", &self.outbox_limits)
            .field("send_queue", &self.send_queue)
            .field("limits", &self.limits)
            .field("catch_up", &self.catch_up)
            .finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> Builder<S> {
    pub(super) fn new() -> Self {
        let node = NodeId(random::bits());
        let presence =
            Presence::new(Instant::now(), node, Incarnation(0), PresenceConfig::default());
        Self {
            node,
            presence: presence.expect("the default settings do not contradict each other"),
            bus: Arc::new(Local::new()),
            hooks: Hooks::default(),
            config: Config {
                room_options: Box::new(|_| RoomOptions::new()),
                encoder: Arc::new(Plain),
                outbox_limits: OutboxLimits::default(),
                send_queue: SendQueue::new().capacity(64 * 1024),
                limits: Limits::default(),
                catch_up: CatchUpConfig::default(),
                revocations: None,
            },
        }
    }

    /// Sets the bus that connects this node to others and stores histories. Default: a
    /// [`Local`] of its own.
    pub fn bus(self, bus: impl Bus + 'static) -> Self {
        Self { bus: Arc::new(bus), ..self }
    }

    /// Sets the properties of rooms. The function is called when a room's first member joins, and
    /// for each publication to a room without members. Default: no room has a history.
    pub fn rooms(
        mut self,
        options: impl Fn(&RoomName) -> RoomOptions + Send + Sync + 'static,
    ) -> Self {
        self.config.room_options = Box::new(options);
        self
    }

    /// Sets the properties of rooms to those of their namespaces, in place of
    /// [`rooms`](Self::rooms). Who may join and publish is for the protocol's endpoint to decide.
    pub fn namespaces(self, namespaces: &Namespaces) -> Self {
        let namespaces = namespaces.clone();
        self.rooms(move |room| namespaces.rules(room).options.clone())
    }

    /// Sets the list in which revocations of tokens are entered, on whichever node they are made:
    /// see [`Hub::revoke_token`]. The node's verifier refuses the tokens if it has
    /// [the same list](crate::token::TokenVerifier::revocations). Default: none.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.config.revocations = Some(revocations);
        self
    }

    /// Sets the protocol of sessions that do not choose one. Default: [`Plain`].
    pub fn encoder(mut self, encoder: impl Encoder) -> Self {
        self.config.encoder = Arc::new(encoder);
        self
    }

    /// Sets the bounds of what waits for a session that reads too slowly, beyond the connection's
    /// own queue. Default: [`OutboxLimits::default`].
    pub fn outbox_limits(mut self, limits: OutboxLimits) -> Self {
        self.config.outbox_limits = limits;
        self
    }

    /// Sets the capacity of the queue of each connection, in bytes. What does not fit waits in the
    /// session's outbox. Default: 64 KiB.
    pub fn send_queue(mut self, bytes: u32) -> Self {
        self.config.send_queue = SendQueue::new().capacity(bytes);
        self
    }

    /// Sets the maximum numbers of rooms of this node and of a session. Default:
    /// [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Sets the maximum number of publications that a session recovers of a room. Beyond, it is
    /// told of a gap. Default: 10,000.
    pub fn recovery_limit(mut self, publications: usize) -> Self {
        self.config.catch_up.limit = publications;
        self
    }

    /// Sets the function that is called when a session is connected, before anything is received.
    pub fn on_connect(mut self, hook: impl Fn(&SessionHandle<S>) + Send + Sync + 'static) -> Self {
        self.hooks.connect = Some(Box::new(hook));
        self
    }

    /// Sets the function that is called for each message of a client, before
    /// [`Session::recv`](crate::Session::recv) returns it.
    pub fn on_message(
        mut self,
        hook: impl Fn(&SessionHandle<S>, &Message) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.message = Some(Box::new(hook));
        self
    }

    /// Sets the function that is called for each message that
    /// [`SessionHandle::send`] has queued for a client.
    pub fn on_sent(
        mut self,
        hook: impl Fn(&SessionHandle<S>, &Message) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.sent = Some(Box::new(hook));
        self
    }

    /// Sets the function that is called with the round-trip time when a client has answered a ping:
    /// of [`SessionHandle::ping`], or of the connection's keepalive
    /// ([`Config::ping_after`](sockeye::Config::ping_after())) while
    /// [`Session::recv`](crate::Session::recv) is awaited. A keepalive ping that took as long as
    /// the one before, to the microsecond, is not reported.
    pub fn on_pong(
        mut self,
        hook: impl Fn(&SessionHandle<S>, Duration) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.pong = Some(Box::new(hook));
        self
    }

    /// Sets the function that is called when a connection fails. The disconnect hook follows.
    pub fn on_error(
        mut self,
        hook: impl Fn(&SessionHandle<S>, &Error) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.error = Some(Box::new(hook));
        self
    }

    /// Sets the function that is called once when a session has ended, however it ended. The
    /// session has left its rooms.
    pub fn on_disconnect(
        mut self,
        hook: impl Fn(&SessionHandle<S>, &Disconnect) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.disconnect = Some(Box::new(hook));
        self
    }

    /// Adds a function by whose name sessions are chosen on all nodes, with an argument: see
    /// [`Recipients::Selected`](crate::Recipients::Selected). It replaces one with the same name.
    /// All nodes should have the same. Called while no lock is held.
    ///
    /// ```
    /// # async fn example() -> sockeye_hub::Result<()> {
    /// use sockeye_hub::{Hub, Recipients};
    ///
    /// struct User {
    ///     country: String,
    /// }
    ///
    /// let hub = Hub::<User>::builder()
    ///     .selector("in", |session, country| session.state().country.as_bytes() == country)
    ///     .build();
    /// hub.send_to(Recipients::selected("in", "NO"), "god morgen").await
    /// # }
    /// ```
    pub fn selector(
        mut self,
        name: &str,
        selector: impl Fn(&SessionHandle<S>, &[u8]) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.hooks.selectors.insert(name.into(), Box::new(selector));
        self
    }

    /// Sets the function that is called when a room with [presence](RoomOptions::presence) has a
    /// session, on whichever node, and had none before. Every node calls its function.
    pub fn on_occupied(mut self, hook: impl Fn(&RoomName) + Send + Sync + 'static) -> Self {
        self.hooks.occupied = Some(Box::new(hook));
        self
    }

    /// Sets the function that is called when an occupied room has been without sessions for
    /// [`PresenceConfig::grace`]. Every node calls its function.
    pub fn on_vacated(mut self, hook: impl Fn(&RoomName) + Send + Sync + 'static) -> Self {
        self.hooks.vacated = Some(Box::new(hook));
        self
    }

    /// Sets the times and bounds of the presence. All nodes should have the same. Default:
    /// [`PresenceConfig::default`].
    ///
    /// # Errors
    /// For settings that contradict each other.
    pub fn presence(mut self, config: PresenceConfig) -> Result<Self, PresenceConfigError> {
        self.presence = Presence::new(Instant::now(), self.node, Incarnation(0), config)?;
        Ok(self)
    }

    /// Sets the function that decides whether a session may join a room, and on which terms: it
    /// returns `Ok(())` or [`JoinTerms`]. With it, clients of an
    /// [`Endpoint`](crate::protocol::Endpoint) read the presence and the history of rooms only as
    /// members. Default: every session may join every room.
    ///
    /// ```
    /// use sockeye_hub::core::filter::{Condition, Filter};
    /// use sockeye_hub::{Denied, Hub, JoinTerms};
    ///
    /// struct User {
    ///     team: Option<String>,
    /// }
    ///
    /// // The members receive only what is published for their team.
    /// let builder = Hub::<User>::builder().authorize_join(async |session, _room| {
    ///     let team = session.state().team.as_deref().ok_or_else(|| Denied::new("no team"))?;
    ///     let filter = Filter::tag("team", Condition::Equals(team.into()));
    ///     Ok(JoinTerms::new().filter(filter.map_err(|_| Denied::new("a long name"))?))
    /// });
    /// # let _ = builder;
    /// ```
    pub fn authorize_join<F, T>(
        mut self,
        hook: impl Fn(SessionHandle<S>, RoomName) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<T, Denied>> + Send + 'static,
        T: Into<JoinTerms>,
    {
        self.hooks.authorize_join = Some(Box::new(move |session, room| {
            let verdict = hook(session, room);
            Box::pin(async move { verdict.await.map(Into::into) })
        }));
        self
    }

    /// Sets the function that decides whether a session may publish a message to a room by
    /// [`SessionHandle::publish`]. Default: every session may publish to every room.
    pub fn authorize_publish<F>(
        mut self,
        hook: impl Fn(SessionHandle<S>, RoomName, Message) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Denied>> + Send + 'static,
    {
        self.hooks.authorize_publish =
            Some(Box::new(move |session, room, message| Box::pin(hook(session, room, message))));
        self
    }

    /// Creates the hub, attaches it to its bus, and spawns the tasks of the bus and of the
    /// presence, which end when the hub, all its sessions and all its rooms are dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn build(self) -> Hub<S> {
        let node = self.node;
        let (sender, receiver) = events(EVENTS);
        self.bus.attach(node, sender);
        let work = Arc::new(Notify::new());
        let (membership_commands, commands) = mpsc::channel(MAX_MEMBERSHIP_COMMANDS);
        let rooms = Rooms::new(self.config.limits, work.clone());
        let shared = Arc::new(Shared {
            membership_commands,
            node,
            bus: self.bus,
            name_hasher: rooms.topics.name_hasher(),
            rooms: Mutex::new(rooms),
            config: self.config,
            runtime: Handle::current(),
            hooks: self.hooks,
            panics: Panics::default(),
            presence: Mutex::new(self.presence),
            presence_outputs: tokio::sync::Mutex::default(),
            bus_permits: Semaphore::new(MAX_ASKERS),
            presence_work: Arc::new(Notify::new()),
            draining: Draining::default(),
            surveys: Surveys::new(),
            counters: Counters::default(),
            registry: RwLock::new(Registry::new(node)),
        });
        tokio::spawn(bus_task::run(Arc::downgrade(&shared), receiver, work));
        tokio::spawn(broadcast::run_membership_commands(Arc::downgrade(&shared), commands));
        let presence_work = shared.presence_work.clone();
        tokio::spawn(presence::run(Arc::downgrade(&shared), presence_work));
        Hub { shared }
    }
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("bus", &self.bus)
            .field("hooks", &self.hooks)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
