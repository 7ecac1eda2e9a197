use std::sync::{Arc, Mutex, PoisonError};

use redis::{PushInfo, PushKind, Value};

use super::keys::{Channel, Keys};
use super::payload::Payload;
use super::state::{State, StateSender};
use crate::bus::{BusEvent, EventSender};
use crate::core::NodeId;

/// The way of publications from a connection to the node. Redis' client calls it while it reads, so
/// that nothing is queued in between.
#[derive(Debug)]
pub(super) struct Outlet {
    node: NodeId,
    keys: Arc<Keys>,
    state: Arc<StateSender>,
    /// `None` before the link has these connections and after it has others: what they deliver then
    /// is dropped. Otherwise it would follow [`BusEvent::Down`], or a publication without history
    /// would arrive by two connections.
    events: Mutex<Option<EventSender>>,
}

impl Outlet {
    pub(super) fn new(node: NodeId, keys: Arc<Keys>, state: Arc<StateSender>) -> Self {
        Self { node, keys, state, events: Mutex::new(None) }
    }

    /// Hands what the connection delivers to the node, or drops it.
    pub(super) fn set(&self, events: Option<EventSender>) {
        *self.events.lock().unwrap_or_else(PoisonError::into_inner) = events;
    }

    /// Handles what a server has sent beside replies.
    pub(super) fn receive(&self, info: PushInfo) {
        match info.kind {
            PushKind::Disconnection => self.state.report(State::Broken),
            PushKind::Message | PushKind::SMessage => self.receive_message(info.data),
            // A server ends subscriptions to a slot that it loses, in the same way as those that
            // were to be ended, which the channels of messages never are. Replies of this
            // connection may now be taken for those to other commands.
            PushKind::SUnsubscribe => {
                let ended = info.data.first().and_then(|channel| match channel {
                    Value::BulkString(channel) => self.keys.channel(channel),
                    _ => None,
                });
                if ended == Some(Channel::Messages) {
                    self.state.report(State::Moved);
                }
            }
            _ => {}
        }
    }

    /// Hands what was published to a channel to the node: its name and the payload.
    fn receive_message(&self, data: Vec<Value>) {
        let Ok([Value::BulkString(channel), Value::BulkString(payload)]) =
            <[Value; 2]>::try_from(data)
        else {
            return;
        };
        let Some(channel) = self.keys.channel(&channel) else { return };
        let Some(payload) = Payload::decode(payload) else {
            tracing::debug!(?channel, "a payload was not understood");
            return;
        };
        let event = match (channel, payload) {
            (Channel::Room(room), Payload::Stored { epoch, entry }) => {
                BusEvent::Stored { room, epoch, entry }
            }
            (Channel::Room(room), Payload::Live { from, publication }) if from != self.node => {
                BusEvent::Live { room, publication }
            }
            (Channel::Messages, Payload::Message { from, bytes }) if from != self.node => {
                BusEvent::Message { from, bytes }
            }
            _ => return,
        };
        if let Some(events) = &*self.events.lock().unwrap_or_else(PoisonError::into_inner) {
            events.send(event);
        }
    }
}
