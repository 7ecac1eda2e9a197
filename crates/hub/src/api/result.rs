//! The results of operations.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::content::Content;
use super::error::ApiError;
use crate::core::Position;

#[derive(Serialize)]
pub(super) struct Nothing {}

/// A position; empty in rooms without history.
#[derive(Default, Serialize)]
pub(super) struct PositionResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
}

impl From<Option<Position>> for PositionResult {
    fn from(position: Option<Position>) -> Self {
        Self {
            offset: position.map(|position| position.offset),
            epoch: position.map(|position| epoch(&position)),
        }
    }
}

/// Returns epoch and tag of a position as one text.
pub(super) fn epoch(position: &Position) -> String {
    format!("{:x}.{:x}", position.epoch.0, position.tag.0)
}

/// One of the responses to a broadcast.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PublishResponse {
    Result(PositionResult),
    Error(ApiError),
}

#[derive(Serialize)]
pub(super) struct Broadcast {
    pub(super) responses: Vec<PublishResponse>,
}

#[derive(Serialize)]
pub(super) struct ClientInfo {
    pub(super) client: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) conn_info: Option<Box<RawValue>>,
}

#[derive(Serialize)]
pub(super) struct Presence {
    pub(super) presence: BTreeMap<String, ClientInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

#[derive(Serialize)]
pub(super) struct PresenceStats {
    pub(super) num_clients: usize,
    pub(super) num_users: usize,
}

#[derive(Serialize)]
pub(super) struct Publication {
    #[serde(flatten)]
    pub(super) content: Content,
    pub(super) offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) info: Option<ClientInfo>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Serialize)]
pub(super) struct History {
    pub(super) publications: Vec<Publication>,
    pub(super) offset: u64,
    pub(super) epoch: String,
}

#[derive(Serialize)]
pub(super) struct RoomList {
    pub(super) channels: BTreeMap<String, ChannelInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) silent: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct ChannelInfo {
    pub(super) num_clients: u64,
}

#[derive(Serialize)]
pub(super) struct Info {
    pub(super) nodes: Vec<Node>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) silent: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Node {
    pub(super) uid: String,
    pub(super) name: String,
    pub(super) num_clients: u64,
    pub(super) num_users: u64,
    pub(super) num_channels: u64,
    pub(super) num_subs: u64,
    /// In seconds.
    pub(super) uptime: u64,
    /// The time of the question to the node and its answer, in seconds.
    pub(super) round_trip: f64,
}

#[derive(Serialize)]
pub(super) struct Batch {
    /// Each an object with one member: the name of the operation and its result, or an error.
    pub(super) replies: Vec<BTreeMap<String, Box<RawValue>>>,
}
