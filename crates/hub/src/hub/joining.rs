use std::sync::Arc;
use std::time::Instant;

use sockeye::Prepared;
use tokio::sync::oneshot;

use super::room_states::{RoomState, Subscription};
use super::rooms::Turn;
use super::{JoinNotice, JoinReply, RoomOptions, Rooms, Shared};
use crate::bus::BusError;
use crate::core::continuity::Chain;
use crate::core::history::Entry;
use crate::core::topics::HashedName;
use crate::core::{Position, RoomKey, RoomName};
use crate::encoder::Delivery;
use crate::error::{HubError, Result};
use crate::join::{JoinOptions, JoinTerms, Joined, Recovered};
use crate::session::{SessionHandle, SessionShared, spawn_pump};

/// The number of times that a join subscribes to a room with history, if the link of the bus breaks
/// or is restored meanwhile.
const SUBSCRIBE_ATTEMPTS: usize = 3;

/// A join in progress: keeps the state of its room.
struct Pin<'a, S> {
    hub: &'a Shared<S>,
    room: HashedName<'a>,
    options: Arc<RoomOptions>,
    turn: Turn,
}

/// The request of a session to join a room.
struct JoinRequest {
    options: JoinOptions,
    terms: JoinTerms,
    reply: Option<JoinReply>,
    /// `true` if a session whose connection is closing must not join.
    only_open: bool,
}

/// The result of [`Shared::enter`].
enum Entered {
    Joined(Joined),
    /// The session recovers what it missed: the outcome follows.
    Recovers(oneshot::Receiver<Joined>),
}

impl<S> Drop for Pin<'_, S> {
    fn drop(&mut self) {
        self.hub.rooms().unpin(self.room);
    }
}

impl<S: Send + Sync + 'static> Shared<S> {
    pub(crate) async fn join(
        self: &Arc<Self>,
        session: &SessionHandle<S>,
        room: &RoomName,
        options: JoinOptions,
    ) -> Result<Joined> {
        self.join_with_reply(session, room, options, None).await
    }

    /// Lets a session join, with the reply of its protocol.
    pub(crate) async fn join_with_reply(
        self: &Arc<Self>,
        session: &SessionHandle<S>,
        room: &RoomName,
        options: JoinOptions,
        reply: Option<JoinReply>,
    ) -> Result<Joined> {
        let Some(authorize) = &self.hooks.authorize_join else {
            let terms = JoinTerms::default();
            let request = JoinRequest { options, terms, reply, only_open: true };
            return self.execute_join(session.shared(), room, request).await;
        };
        if session.is_closed() {
            return Err(HubError::Closed);
        }
        // The function may panic before it returns its future.
        let verdict = async { authorize(session.clone(), room.clone()).await };
        let terms = session.decide("the hook that authorises joins", verdict).await?;
        self.join_authorized(session.shared(), room, options, terms, reply).await
    }

    /// Lets a session join without asking the application.
    pub(crate) async fn join_authorized(
        self: &Arc<Self>,
        session: &Arc<SessionShared<S>>,
        room: &RoomName,
        options: JoinOptions,
        terms: JoinTerms,
        reply: Option<JoinReply>,
    ) -> Result<Joined> {
        let request = JoinRequest { options, terms, reply, only_open: false };
        self.execute_join(session, room, request).await
    }

    async fn execute_join(
        self: &Arc<Self>,
        session: &Arc<SessionShared<S>>,
        room: &RoomName,
        request: JoinRequest,
    ) -> Result<Joined> {
        let entered = 'entered: {
            let room = self.name_hasher.hash(room);
            let pinned = {
                let mut rooms = self.rooms();
                // The processor waits for the memory of the session and of its memberships while it
                // searches the room, but not across an operation of the lock.
                rooms.topics.load(session.member());
                // A room that the session may not join costs the bus nothing.
                if session.is_over() || request.only_open && session.connection.is_closing() {
                    return Err(HubError::Closed);
                }
                let key = rooms.topics.find(room);
                let state = rooms.states.get(key, room);
                if state.is_some_and(RoomState::is_subscribed) {
                    break 'entered self.enter(&mut rooms, session, room, key, request)?;
                }
                rooms.topics.check_found(session.member(), key)?;
                rooms.pin_known(room)
            };
            let pin = self.pin(room, pinned)?;
            check_from(&request.options, &pin.options, room.name())?;
            self.subscribe(&pin).await?;
            let mut rooms = self.rooms();
            let key = rooms.topics.find(room);
            self.enter(&mut rooms, session, room, key, request)?
        };
        match entered {
            Entered::Joined(joined) => Ok(joined),
            Entered::Recovers(outcome) => outcome.await.map_err(|_| HubError::Closed),
        }
    }

    /// Adds a session to a room that this node is subscribed to, and whose key is `key` if it is
    /// occupied.
    fn enter(
        self: &Arc<Self>,
        rooms: &mut Rooms,
        session: &Arc<SessionShared<S>>,
        name: HashedName<'_>,
        key: Option<RoomKey>,
        JoinRequest { options, terms, reply, .. }: JoinRequest,
    ) -> Result<Entered> {
        // A session that ends is marked first, then leaves its rooms: it cannot stay in this one.
        if session.is_over() {
            return Err(HubError::Closed);
        }
        let room = name.name();
        // The room is subscribed to.
        let state = rooms.states.get(key, name).ok_or(HubError::Closed)?;
        check_from(&options, &state.options, room)?;
        let has_presence = state.options.presence;
        let position = state.chain().and_then(Chain::position);
        let entered = rooms.join(session.member(), name, key)?;
        let already = entered.already;
        let joined = Joined { position, recovery: Recovered::NotAsked, already };
        if already {
            return Ok(Entered::Joined(joined));
        }
        let (member, key) = (session.member(), entered.room);
        if terms.filter.is_some() || options.filter.is_some() {
            if let Err(error) = rooms.set_filters(member, key, terms.filter, options.filter) {
                rooms.leave(member, room);
                return Err(error.into());
            }
        }
        if has_presence {
            if let Err(error) = self.join_presence(session, room, &options.info) {
                rooms.leave(member, room);
                return Err(error.into());
            }
            if options.quiet {
                rooms.quiet.insert(member, key);
            }
        }
        let Some(from) = options.from else {
            self.notify_joined(rooms, session, room, joined, reply, None);
            return Ok(Entered::Joined(joined));
        };
        let (sender, receiver) = oneshot::channel();
        self.begin_recovery(rooms, session, room, from, reply, Some(sender));
        Ok(Entered::Recovers(receiver))
    }

    /// Tells the client that its session has joined, before anything that is published. A `reply`
    /// contains the `recovered` publications, which begin after a position.
    pub(super) fn notify_joined(
        self: &Arc<Self>,
        rooms: &Rooms,
        session: &Arc<SessionShared<S>>,
        room: &RoomName,
        joined: Joined,
        reply: Option<JoinReply>,
        recovered: Option<(Position, &[Entry])>,
    ) {
        let Some(reply) = reply else {
            return self.notify(session, |encoder| encoder.joined(room, &joined));
        };
        let (epoch, entries) =
            recovered.map_or((None, &[][..]), |(after, entries)| (Some(after.epoch), entries));
        let key = rooms.topics.room(room.as_str());
        let filter = key.and_then(|key| rooms.topics.filter(session.member(), key));
        let entries = entries
            .iter()
            .filter(|entry| filter.is_none_or(|filter| filter.matches(&entry.publication.tags)));
        let recovered = entries.map(|entry| Delivery {
            room,
            publication: &entry.publication,
            position: epoch.map(|epoch| entry.position(epoch)),
        });
        let recovered: Vec<_> = recovered.collect();
        match reply.encode(&JoinNotice { room, joined, recovered: &recovered }) {
            Ok(Some(reply)) => {
                spawn_pump(self, session, session.connection.reply(&Prepared::new(reply)));
            }
            Ok(None) => {}
            Err(frame) => drop(session.connection.close(frame)),
        }
    }

    /// Keeps the state of a room, which is created unless it is `pinned` already.
    fn pin<'a>(
        &'a self,
        room: HashedName<'a>,
        pinned: Option<(Arc<RoomOptions>, Turn)>,
    ) -> Result<Pin<'a, S>> {
        let (options, turn) = if let Some(pinned) = pinned {
            pinned
        } else {
            let options = self.new_options(room.name())?;
            self.rooms().pin(room, options)
        };
        Ok(Pin { hub: self, room, options, turn })
    }

    /// Subscribes this node to the room, unless it is subscribed.
    async fn subscribe(self: &Arc<Self>, pin: &Pin<'_, S>) -> Result<()> {
        let _turn = pin.turn.lock().await;
        let room = pin.room.name();
        if let Some(state) = self.rooms().find_state_mut(pin.room) {
            if state.is_subscribed() {
                return Ok(());
            }
            // If the bus fails, or this future is dropped, nobody knows whether the node is
            // subscribed.
            state.subscription = Subscription::Unknown;
        }
        let Some(retention) = &pin.options.retention else {
            self.bus.subscribe(room, None).await?;
            if let Some(state) = self.rooms().find_state_mut(pin.room) {
                state.subscription = Subscription::Active;
            }
            return Ok(());
        };
        for _ in 0..SUBSCRIBE_ATTEMPTS {
            // The chain follows the room before the bus does, so that nothing is lost in between.
            let token = self.rooms().follow(room, Instant::now());
            let subscribed = self.bus.subscribe(room, Some(retention)).await;
            let mut rooms = self.rooms();
            let Some(state) = rooms.find_state_mut(pin.room) else { return Ok(()) };
            let (Some(chain), Ok(Some(top))) = (state.chain_mut(), &subscribed) else {
                state.set_chain(None);
                return Err(subscribed.err().unwrap_or(BusError::Down).into());
            };
            let output = chain.on_top(Instant::now(), token, *top);
            // The link broke or was restored meanwhile: the chain has asked another question, and a
            // session that joined now would have no position.
            if chain.position().is_none() {
                state.set_chain(None);
                continue;
            }
            // The answer to a round meanwhile may be from before the subscription. What was
            // published in between is found by a check.
            if chain.position() != Some(*top) {
                chain.suspect(Instant::now());
            }
            let at = chain.next_timeout();
            rooms.check_at(at, room.clone());
            self.carry_out_chain(&mut rooms, room, Some(*top), output);
            if let Some(state) = rooms.find_state_mut(pin.room) {
                state.subscription = Subscription::Active;
            }
            return Ok(());
        }
        Err(BusError::Down.into())
    }

    /// Makes a session leave a room, and tells the client. Returns whether it was in the room.
    pub(crate) fn leave_and_tell(
        self: &Arc<Self>,
        session: &Arc<SessionShared<S>>,
        room: &RoomName,
    ) -> bool {
        let left = self.leave(session, room);
        if left {
            self.notify(session, |encoder| encoder.left(room));
        }
        left
    }

    /// Ends the subscriptions to rooms that are not used any more.
    pub(super) async fn unsubscribe_unused(&self) {
        let unused = self.rooms().take_unused();
        for name in unused {
            let (room, pinned) = {
                let mut rooms = self.rooms();
                let room = rooms.hashed(&name);
                (room, rooms.pin_known(room))
            };
            let Some((options, turn)) = pinned else { continue };
            let pin = Pin { hub: self, room, options, turn };
            // A join in progress waits for its turn, and subscribes again.
            let _turn = pin.turn.lock().await;
            let Some(subscription) = self.rooms().end_subscription(room) else { continue };
            if subscription != Subscription::None {
                // If the bus fails, publications of the room are received and dropped.
                let _ = self.bus.unsubscribe(&name).await;
            }
            self.rooms().forget(room);
        }
    }
}

/// Refuses a join from a position in a room without history.
fn check_from(join: &JoinOptions, options: &RoomOptions, room: &RoomName) -> Result<()> {
    if join.from.is_some() && options.retention.is_none() {
        return Err(HubError::NoHistory(room.clone()));
    }
    Ok(())
}

impl<S> Shared<S> {
    /// Lets a session leave a room. Returns whether it was in the room.
    pub(crate) fn leave(&self, session: &SessionShared<S>, room: &RoomName) -> bool {
        let mut rooms = self.rooms();
        // The slot of a session that has ended may be another's by now.
        if session.is_over() {
            return false;
        }
        let left = self.remove_member(&mut rooms, session, room);
        if left {
            session.on_left(room);
        }
        left
    }

    /// Removes a session from a room. Returns whether it was in the room.
    pub(super) fn remove_member(
        &self,
        rooms: &mut Rooms,
        session: &SessionShared<S>,
        room: &RoomName,
    ) -> bool {
        let Some(key) = rooms.topics.room(room.as_str()) else { return false };
        let left = rooms.leave(session.member(), room);
        if left {
            session.connection.remove_room(key);
            self.leave_presence(session, room);
        }
        left
    }

    /// Ends a session: it leaves its rooms, and nothing more is sent to it.
    pub(crate) fn on_end(&self, session: &SessionShared<S>) {
        session.connection.on_end();
        {
            let mut rooms = self.rooms();
            rooms.leave_all(session.member());
            self.leave_presence_everywhere(session);
        }
        let publications = session.connection.metrics().publications;
        let mut registry = self.registry_mut();
        self.counters.on_ended(&publications);
        registry.remove(session);
        drop(registry);
        self.draining.on_end();
    }
}
