//! `/hub.json`: the servers and rooms of the hub, and what this server does, for the page.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sockeye_hub::{NodeReports, namespaces};
use tokio::sync::Mutex;
use tracing::debug;

use super::access::Access;
use super::api::Refusal;
use super::{HubServer, Inner};

/// The time for which an overview is shown to all, in place of asking all servers again.
const MAX_AGE: Duration = Duration::from_millis(900);

/// The maximum number of rooms that are listed. The server API lists all of them.
const MAX_ROOMS: usize = 100;

/// The maximum number of pages of rooms that are looked at for rooms to list.
const MAX_PAGES: usize = 10;

/// The reader of an overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// Any client.
    Public,
    /// A program with the key of the server API.
    Keyed,
}

#[derive(Serialize)]
struct Overview {
    /// The name of this server in the hub.
    node: String,
    /// Time since this server started, in seconds.
    uptime: f64,
    /// The bus: its URL without credentials, or only its kind.
    bus: Option<String>,
    nodes: Vec<Node>,
    /// The nodes that do not answer.
    silent: Vec<String>,
    rooms: Vec<Room>,
    metrics: Metrics,
}

#[derive(Serialize)]
struct Node {
    id: String,
    own: bool,
    sessions: u64,
    rooms: u64,
    /// Time since the node started, in seconds.
    uptime: f64,
    /// Time between a question to the node and its answer, in milliseconds.
    round_trip: f64,
}

#[derive(Serialize)]
struct Room {
    name: String,
    sessions: usize,
    users: usize,
}

/// The figures that the page shows: `/metrics` has all of them.
#[derive(Serialize)]
struct Metrics {
    sessions: usize,
    publications: u64,
    deliveries: u64,
    dropped: u64,
    recoveries: u64,
    gaps: u64,
    holes: u64,
}

/// Answers `/hub.json`: to anybody where anybody may use the hub, with what anybody may see, and to
/// programs with the key of the server API.
pub(super) async fn get(State(server): State<HubServer>, headers: HeaderMap) -> Response {
    let settings = server.settings();
    let reader = if settings.api.accepts(&headers) { Reader::Keyed } else { Reader::Public };
    if reader == Reader::Public {
        if settings.access.is_off(&headers) {
            return Refusal::Off.into_response();
        }
        if let Access::Tokens(_) = settings.access {
            return Refusal::NoKey.into_response();
        }
    }
    let headers = [(CACHE_CONTROL, "no-store"), (CONTENT_TYPE, "application/json")];
    (headers, recent(&server, reader).await).into_response()
}

/// The latest overview of each kind of reader, and the time at which it was made.
#[derive(Debug, Default)]
pub(super) struct Cache {
    public: Mutex<Option<(Instant, Bytes)>>,
    keyed: Mutex<Option<(Instant, Bytes)>>,
}

/// Returns the latest overview, if it is recent, and otherwise a new one. Requests meanwhile wait
/// for the same one.
async fn recent(server: &HubServer, reader: Reader) -> Bytes {
    let cache = &server.inner.overview;
    let mut cached = match reader {
        Reader::Public => cache.public.lock().await,
        Reader::Keyed => cache.keyed.lock().await,
    };
    let recent = cached.as_ref().filter(|(made, _)| made.elapsed() < MAX_AGE);
    if let Some((_, body)) = recent {
        return body.clone();
    }
    let overview = overview(server, reader).await;
    // Texts and numbers can always be written.
    let body = Bytes::from(serde_json::to_vec(&overview).unwrap_or_default());
    *cached = Some((Instant::now(), body.clone()));
    body
}

async fn overview(server: &HubServer, reader: Reader) -> Overview {
    let inner = &*server.inner;
    let hub = &inner.hub;
    let metrics = hub.metrics();
    let reports = hub.node_reports().await.unwrap_or_else(|error| {
        debug!("the other servers of the hub cannot be asked: {error}");
        NodeReports::default()
    });
    let nodes = reports.nodes.iter().map(|report| Node {
        id: report.node.to_string(),
        own: report.node == hub.node(),
        sessions: report.sessions,
        rooms: report.rooms,
        uptime: report.uptime.as_secs_f64(),
        round_trip: report.round_trip.as_secs_f64() * 1e3,
    });
    Overview {
        node: hub.node().to_string(),
        uptime: inner.started.elapsed().as_secs_f64(),
        bus: inner.bus.as_ref().map(|bus| match reader {
            Reader::Public => bus.kind().to_string(),
            Reader::Keyed => bus.to_string(),
        }),
        nodes: nodes.collect(),
        silent: reports.silent.iter().map(ToString::to_string).collect(),
        rooms: rooms(inner, reader),
        metrics: Metrics {
            sessions: metrics.sessions,
            publications: metrics.publications,
            deliveries: metrics.deliveries,
            dropped: metrics.dropped_slow + metrics.dropped_expired,
            recoveries: metrics.recoveries,
            gaps: metrics.gaps,
            holes: metrics.holes,
        },
    }
}

/// Lists the first occupied rooms whose members the reader may see.
fn rooms(inner: &Inner, reader: Reader) -> Vec<Room> {
    let mut rooms = Vec::new();
    let mut after = None;
    for _ in 0..MAX_PAGES {
        let page = inner.hub.occupied_rooms(after, MAX_ROOMS);
        let shown = page.items.into_iter().filter(|(room, _)| {
            reader == Reader::Keyed
                || inner.namespaces.rules(room).presence == namespaces::Access::Anybody
        });
        rooms.extend(shown.take(MAX_ROOMS - rooms.len()).map(|(room, counts)| Room {
            name: room.as_str().to_owned(),
            sessions: counts.sessions,
            users: counts.users,
        }));
        after = page.next;
        if after.is_none() || rooms.len() == MAX_ROOMS {
            break;
        }
    }
    rooms
}
