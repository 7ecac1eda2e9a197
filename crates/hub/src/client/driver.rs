use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use sockeye::reconnect::{Backoff, Event, Receiver, Sender};
use tokio::sync::mpsc;

use super::connection::Connection;
use super::event::ClientEvent;
use super::requests::{ReplyTo, Requests};
use super::rooms::Rooms;
use super::runtime::{AbortHandle, Tasks, sleep};
use super::settings::Settings;
use super::{ClientError, Order};
use crate::core::RoomName;
use crate::protocol::Refusal;
use crate::protocol::v1::Json;
use crate::protocol::v1::message::{ClientMessage, Connect, Empty, Join, Refresh, ServerMessage};
use crate::random;

mod receiving;

/// The rooms in one `join`: the server's limit.
const MAX_BATCH: usize = 100;

/// The bytes in one `join`. Chosen: half of the server's limit, 64 KiB.
const MAX_BATCH_BYTES: usize = 32 * 1024;

/// The time that commands wait for the tokens of rooms to join again. Equal to the default timeout
/// of a command.
const MAX_HELD: Duration = Duration::from_secs(20);

/// The time before the expiry of a token at which the client replaces it.
const REFRESH_BEFORE: Duration = Duration::from_secs(10);

/// The task of a client: it drives the connection, and matches replies to commands.
///
/// ```text
///  Offline ──connected──► Connecting ──reply to connect──► Open
///     ▲                        │                             │
///     └────────────────────────┴─────────────lost────────────┘
/// ```
pub(super) struct Driver {
    settings: Settings,
    phase: Phase,
    connection: Connection,
    orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<ClientEvent>,
    /// Events that wait for space in `events`. The connection is not read meanwhile.
    waiting: VecDeque<ClientEvent>,
    requests: Requests,
    rooms: Rooms,
    /// Tokens that are awaited and delays, for the current connection.
    tasks: Tasks<Task>,
    /// Failures of the token source in a row.
    token_failures: u32,
    /// The tasks that replace the tokens of rooms, and `None` for that of the connection.
    refreshes: HashMap<Option<RoomName>, AbortHandle>,
    /// The rooms to join again whose tokens are awaited: other commands follow their joins.
    rejoining: HashSet<RoomName>,
    is_closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Offline,
    Connecting,
    Open,
}

/// The next thing to handle.
enum Step {
    Connection(sockeye::Result<Option<Event>>),
    Order(Option<Order>),
    Task(Task),
    /// The program took the first event that waits.
    EventTaken,
    EventsDropped,
}

/// The result of a task.
enum Task {
    Token(Result<Option<String>, String>),
    RoomToken(RoomName, Result<Option<String>, String>),
    /// The time has come to replace a token.
    Refresh(Option<RoomName>, Result<Option<String>, String>),
    /// The time has come to join a room again that was refused.
    Rejoin(RoomName),
    /// Commands have waited for the tokens of rooms long enough.
    Release,
}

/// The rooms of one `join`.
#[derive(Default)]
struct Batch {
    commands: Vec<Join>,
    rooms: Vec<RoomName>,
    bytes: usize,
}

impl Driver {
    pub(super) fn new(
        settings: Settings,
        connections: (Sender, Receiver),
        orders: mpsc::Receiver<Order>,
        events: mpsc::Sender<ClientEvent>,
    ) -> Self {
        Self {
            settings,
            phase: Phase::Offline,
            connection: Connection::new(connections),
            orders,
            events,
            waiting: VecDeque::new(),
            requests: Requests::default(),
            rooms: Rooms::default(),
            tasks: Tasks::new(),
            token_failures: 0,
            refreshes: HashMap::new(),
            rejoining: HashSet::new(),
            is_closed: false,
        }
    }

    /// Drives the client until it is closed.
    pub(super) async fn run(mut self) {
        while !self.is_closed {
            match self.next_step().await {
                Step::Connection(event) => self.on_event(event),
                Step::Order(order) => self.on_order(order),
                Step::Task(task) => self.on_task(task),
                Step::EventTaken => drop(self.waiting.pop_front()),
                Step::EventsDropped => self.waiting.clear(),
            }
        }
        // The program reads the last events in its own time, or has dropped the receiver.
        for event in self.waiting.drain(..) {
            if self.events.send(event).await.is_err() {
                break;
            }
        }
    }

    /// Waits for whatever comes first.
    async fn next_step(&mut self) -> Step {
        let accepts = self.requests.accepts();
        let receives = self.waiting.is_empty();
        tokio::select! {
            event = self.connection.next(receives) => Step::Connection(event),
            order = self.orders.recv(), if accepts => Step::Order(order),
            permit = self.events.reserve(), if !receives => match (permit, self.waiting.front()) {
                (Ok(permit), Some(event)) => {
                    permit.send(event.clone());
                    Step::EventTaken
                }
                _ => Step::EventsDropped,
            },
            task = self.tasks.next() => Step::Task(task),
        }
    }

    fn emit(&mut self, event: ClientEvent) {
        self.waiting.push_back(event);
    }

    fn close(&mut self, reason: String) {
        self.is_closed = true;
        self.emit(ClientEvent::Closed { reason });
    }

    // Orders of the program

    fn on_order(&mut self, order: Option<Order>) {
        match order {
            Some(Order::Request { mut message, reply }) => {
                self.identify(&mut message);
                self.request(message, ReplyTo::Caller(reply));
            }
            Some(Order::Join { room, options, reply }) => {
                if self.rooms.join(&room, options, reply) && self.phase == Phase::Open {
                    self.join([room]);
                }
            }
            Some(Order::Leave { room, reply }) => {
                self.remove(&room, &ClientError::Closed);
                if self.phase == Phase::Open {
                    let message = ClientMessage::Leave(vec![room.as_str().into()]);
                    self.request(message, ReplyTo::Caller(reply));
                } else {
                    // The server has ended the membership with the connection.
                    let _ = reply.send(Ok(ServerMessage::Leave(Empty {})));
                }
            }
            Some(Order::Close) => self.close("the program closed the client".into()),
            None => self.is_closed = true,
        }
    }

    /// Gives a publication to a room with history an id, so that it can be sent again.
    fn identify(&self, message: &mut ClientMessage) {
        if let ClientMessage::Publish(publish) = message {
            if publish.id.is_none() && self.rooms.has_history(&publish.room) {
                let id = (u128::from(random::bits()) << 64) | u128::from(random::bits());
                publish.id = Some(format!("{id:032x}").into());
            }
        }
    }

    fn request(&mut self, message: ClientMessage, receiver: ReplyTo) {
        // Leaving precedes a join that follows it.
        let is_first = matches!(message, ClientMessage::Join(_) | ClientMessage::Leave(_));
        let is_sent = self.phase == Phase::Open && (is_first || self.rejoining.is_empty());
        let send = is_sent.then_some(self.settings.encoding);
        if let Some(message) = self.requests.add(message, receiver, send) {
            self.connection.send(message);
        }
    }

    /// Sends the commands that wait for the connection.
    fn release(&mut self) {
        self.rejoining.clear();
        for message in self.requests.send_all(self.settings.encoding) {
            self.connection.send(message);
        }
    }

    /// Removes a room, and ends the refresh of its token.
    fn remove(&mut self, room: &RoomName, error: &ClientError) {
        self.end_refresh(Some(room));
        self.rooms.remove(room, error);
    }

    fn join(&mut self, rooms: impl IntoIterator<Item = RoomName>) {
        let rooms: Vec<_> = rooms.into_iter().collect();
        let Some(source) = self.settings.room_token.clone() else {
            return self.join_now(&rooms, None);
        };
        for room in rooms {
            let token = source(room.clone());
            self.tasks.spawn(async move {
                let token = token.await.map_err(|error| error.to_string());
                Task::RoomToken(room, token)
            });
        }
    }

    fn join_now(&mut self, rooms: &[RoomName], token: Option<&str>) {
        let mut batch = Batch::default();
        for room in rooms {
            let Some(state) = self.rooms.get_mut(room) else { continue };
            let command = state.command(room, token);
            let message = ClientMessage::Join(vec![command.clone()]);
            let length = self.settings.encoding.encode(None, &message).len();
            let is_full = batch.rooms.len() == MAX_BATCH || batch.bytes + length > MAX_BATCH_BYTES;
            if is_full {
                self.send_batch(std::mem::take(&mut batch));
            }
            batch.commands.push(command);
            batch.rooms.push(room.clone());
            batch.bytes += length;
        }
        self.send_batch(batch);
    }

    fn send_batch(&mut self, batch: Batch) {
        if !batch.rooms.is_empty() {
            self.request(ClientMessage::Join(batch.commands), ReplyTo::Join(batch.rooms));
        }
    }

    // Results of tasks

    fn on_task(&mut self, task: Task) {
        match task {
            Task::Token(Ok(token)) => {
                self.token_failures = 0;
                self.connect(token);
            }
            Task::Token(Err(error)) => {
                // The server closes the connection if this takes too long, and another follows.
                let delay = Backoff::new().delay(self.token_failures, random::bits());
                self.token_failures = self.token_failures.saturating_add(1);
                self.await_token(delay);
                self.emit(ClientEvent::Failed(no_token(&error)));
            }
            Task::RoomToken(room, token) => {
                match token {
                    Ok(token) => self.join_now(std::slice::from_ref(&room), token.as_deref()),
                    Err(error) => self.on_refused(&room, no_token(&error)),
                }
                if self.rejoining.remove(&room) && self.rejoining.is_empty() {
                    self.release();
                }
            }
            // The client has left the room meanwhile.
            Task::Refresh(room, _) if !self.refreshes.contains_key(&room) => {}
            Task::Refresh(room, Ok(Some(token))) => {
                let name = room.as_ref().map(|room| room.as_str().into());
                let message = ClientMessage::Refresh(Refresh { token: token.into(), room: name });
                self.request(message, ReplyTo::Refresh(room));
            }
            Task::Refresh(_, result) => {
                let reason = result.err().unwrap_or_else(|| "the function returned none".into());
                self.emit(ClientEvent::Failed(no_token(&reason)));
            }
            Task::Rejoin(room) => self.join([room]),
            Task::Release => self.release(),
        }
    }

    /// Calls the token source after a delay.
    fn await_token(&mut self, delay: Duration) {
        let source = self.settings.token.clone();
        self.tasks.spawn(async move {
            sleep(delay).await;
            let Some(source) = source else { return Task::Token(Ok(None)) };
            Task::Token(source(()).await.map_err(|error| error.to_string()))
        });
    }

    fn connect(&mut self, token: Option<String>) {
        let message = ClientMessage::Connect(Connect {
            token: token.map(String::into_boxed_str),
            data: Json(self.settings.data.clone()),
            client: Some("sockeye-hub".into()),
            resume: self.rooms.to_resume(),
        });
        let encoding = Some(self.settings.encoding);
        if let Some(message) = self.requests.add(message, ReplyTo::Connect, encoding) {
            self.connection.send(message);
        }
    }

    /// Replaces a token before it expires; this ends the refresh of an earlier one.
    fn refresh_in(&mut self, expires: u64, room: Option<RoomName>) {
        let expires = Duration::from_millis(expires);
        let delay = expires.saturating_sub(REFRESH_BEFORE).max(expires / 2);
        let (token, room_token) = (self.settings.token.clone(), self.settings.room_token.clone());
        self.end_refresh(room.as_ref());
        let key = room.clone();
        let refresh = self.tasks.spawn(async move {
            sleep(delay).await;
            let token = match (&room, token, room_token) {
                (Some(room), _, Some(source)) => source(room.clone()).await,
                (None, Some(source), _) => source(()).await,
                _ => Ok(None),
            };
            Task::Refresh(room, token.map_err(|error| error.to_string()))
        });
        self.refreshes.insert(key, refresh);
    }

    fn end_refresh(&mut self, room: Option<&RoomName>) {
        if let Some(refresh) = self.refreshes.remove(&room.cloned()) {
            refresh.abort();
        }
    }
}

fn no_token(reason: &str) -> Refusal {
    Refusal::INTERNAL.because(format!("no token: {reason}"))
}
