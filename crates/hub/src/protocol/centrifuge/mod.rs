//! Centrifuge's client protocol, as its SDKs speak it. See [the module above](super) for what it
//! means here.

mod commands;
mod encoder;
mod encoding;
mod filter;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod message;
mod position;
mod raw_json;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sockeye::{CloseFrame, Error, WebSocket};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use self::commands::{Centrifuge, classify, seconds};
use self::encoding::bad_request;
use self::message::{Command, ConnectReply, ConnectRequest, Reply, SubscribeReply};
use super::client::{Admission, AfterGap, Client, EncodeJoin, Rejection, Welcome};
use super::serve::{self, Incoming};
use super::{Endpoint, Protocol, Refusal, close};
use crate::hub::JoinNotice;

pub(super) use encoding::Encoding;

/// The version that clients are told.
const VERSION: &str = concat!("sockeye-hub ", env!("CARGO_PKG_VERSION"));

/// The number of commands by which a client may try to connect. SDKs open a new connection each
/// time.
const MAX_ATTEMPTS: usize = 5;

/// The timeout in place of one that is longer than the clock counts.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A client that may connect.
struct Admitted<S> {
    admission: Admission<S>,
    id: u32,
    /// The positions in rooms that the server chooses.
    positions: BTreeMap<String, message::SubscribeRequest>,
    /// The commands that arrived with the one to connect.
    rest: Vec<Incoming<Command>>,
}

/// The end of a connection whose client was not admitted.
enum NotAdmitted {
    Closed,
    Failed(Error),
    Close(CloseFrame),
}

/// Serves a client.
pub(super) async fn serve<S: Send + Sync + 'static>(
    endpoint: &Endpoint<S>,
    mut ws: WebSocket,
    encoding: Encoding,
) -> Result<(), Error> {
    let limits = endpoint.config().limits;
    let admitted = match admit(endpoint, &mut ws, encoding).await {
        Ok(admitted) => admitted,
        Err(NotAdmitted::Closed) => return Ok(()),
        Err(NotAdmitted::Failed(error)) => return Err(error),
        Err(NotAdmitted::Close(frame)) => return ws.close(frame.code, frame.reason).await,
    };
    let Admitted { admission, id, positions, rest } = admitted;
    let encoder = encoder::encoder(encoding);
    // The reply has the positions of rooms whose publications must not precede it.
    let (mut session, client, welcome) =
        Client::connect(endpoint, ws, admission, encoder, AfterGap::Rejoin, true);
    // The connection is not read meanwhile.
    let connected = connect(endpoint, &client, encoding, welcome, &positions);
    let connected = timeout(limits.connect_timeout, connected).await;
    let connected = connected.unwrap_or_else(|_| Err(close::frame(close::SERVER_ERROR)));
    let reply = connected.and_then(|connect| {
        encoding.encode(&[Reply { id, connect: Some(connect), ..Reply::default() }])
    });
    match reply {
        Ok(reply) => session.uncork(reply),
        Err(frame) => client.close(frame),
    }
    serve::serve(&mut session, client, Arc::new(Centrifuge { encoding, limits }), rest).await
}

/// Receives commands until one connects.
async fn admit<S: Send + Sync + 'static>(
    endpoint: &Endpoint<S>,
    ws: &mut WebSocket,
    encoding: Encoding,
) -> Result<Admitted<S>, NotAdmitted> {
    let limits = &endpoint.config().limits;
    let now = Instant::now();
    let deadline = now.checked_add(limits.connect_timeout).unwrap_or(now + MAX_TIMEOUT);
    let late = |code| move |_: Elapsed| NotAdmitted::Close(close::frame(code));
    for _ in 0..MAX_ATTEMPTS {
        let received = timeout_at(deadline, ws.recv()).await.map_err(late(close::STALE))?;
        let received = received.map_err(NotAdmitted::Failed)?;
        let message = received.ok_or(NotAdmitted::Closed)?;
        let commands = encoding.decode(message, limits).map_err(NotAdmitted::Close)?;
        let mut commands = commands.into_iter();
        let first = commands.next().and_then(|command| Some((command.id, command.connect?)));
        let (id, request) = first.filter(|(id, _)| *id != 0).ok_or_else(|| {
            NotAdmitted::Close(bad_request("expected a command to connect, with an id"))
        })?;
        let ConnectRequest { token, data, subs, name, version, headers } = request;
        let request = super::ConnectRequest {
            protocol: encoding.protocol(),
            user: None,
            claims: None,
            data,
            name,
            version,
            headers,
            peer_addr: ws.peer_addr(),
            upgrade: ws.request().cloned(),
        };
        let decision = timeout_at(deadline, Admission::decide(endpoint, &token, request)).await;
        match decision.map_err(late(close::SERVER_ERROR))? {
            Ok(admission) => {
                let rest = commands.map(classify).collect();
                return Ok(Admitted { admission, id, positions: subs, rest });
            }
            // The client closes the connection, or tries again.
            Err(Rejection::Refused(refusal)) => {
                let reply = encoding.encode(&[Reply { id, ..refusal.into() }]);
                let reply = reply.map_err(NotAdmitted::Close)?;
                let sent = timeout_at(deadline, ws.send(reply)).await;
                sent.map_err(late(close::STALE))?.map_err(NotAdmitted::Failed)?;
            }
            Err(Rejection::Closed(frame)) => return Err(NotAdmitted::Close(frame)),
        }
    }
    Err(NotAdmitted::Close(bad_request("too many attempts to connect")))
}

/// Joins the rooms that the server has chosen, and returns the reply.
async fn connect<S: Send + Sync + 'static>(
    endpoint: &Endpoint<S>,
    client: &Client<S>,
    encoding: Encoding,
    welcome: Welcome,
    positions: &BTreeMap<String, message::SubscribeRequest>,
) -> Result<ConnectReply, CloseFrame> {
    let mut subs = BTreeMap::new();
    for room in welcome.rooms {
        let presented = positions.get(room.as_str()).filter(|presented| presented.recover);
        let from =
            presented.map(|presented| position::from_wire(&presented.epoch, presented.offset));
        let was_recovering = from.is_some();
        let outcome: Arc<Mutex<Option<SubscribeReply>>> = Arc::default();
        let result = outcome.clone();
        let encode: EncodeJoin = Box::new(move |notice: &JoinNotice<'_>, _| {
            let JoinNotice { joined, recovered, .. } = notice;
            let subscribed = encoder::subscribed(encoding, joined, recovered, was_recovering)?;
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(subscribed);
            Ok(None)
        });
        let joined = client.join_by_server(&room, from, Some(encode)).await;
        joined.map_err(|refusal| {
            let limit = refusal.code == Refusal::LIMIT_EXCEEDED.code;
            close::frame(if limit { close::ROOM_LIMIT } else { close::SERVER_ERROR })
        })?;
        let subscribed = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        // None if the application has made the session join already.
        subs.insert(room.to_string(), subscribed.unwrap_or_default());
    }
    let ping = endpoint.config().ping;
    Ok(ConnectReply {
        client: client.session().id().to_string(),
        version: VERSION.into(),
        expires: welcome.ttl.is_some(),
        ttl: seconds(welcome.ttl),
        data: welcome.data,
        subs,
        ping: ping.map_or(0, |ping| seconds(Some(ping.interval)).max(1)),
        pong: ping.is_some(),
        node: endpoint.hub().node().to_string(),
    })
}

impl Encoding {
    const fn protocol(self) -> Protocol {
        match self {
            Self::Json => Protocol::CentrifugeJson,
            Self::Protobuf => Protocol::CentrifugeProtobuf,
        }
    }
}
