//! The streams of a session, and their limits.

use std::collections::{BTreeMap, VecDeque};

use super::receiving::RecvHalf;
use super::sending::SendHalf;
use super::{Config, Direction, StreamId, TransportParameters, Violation};
use crate::Role;

/// A stream that either program or the peer still uses.
#[derive(Debug)]
pub(super) struct Stream {
    /// `None` if the peer alone sends.
    pub(super) send: Option<SendHalf>,
    /// `None` if this end alone sends.
    pub(super) recv: Option<RecvHalf>,
    /// Whether the program knows of the stream.
    is_accepted: bool,
    /// Whether the stream no longer counts as open.
    is_closed: bool,
}

/// The streams of one direction.
#[derive(Debug)]
struct Kind {
    /// The number of streams that this end has opened.
    opened: u64,
    /// The peer's limit of `opened`.
    limit: u64,
    /// The limit that the peer was told to be too low.
    reported: Option<u64>,
    /// The number of streams that the peer has opened.
    peer_opened: u64,
    /// The limit of `peer_opened`, as the peer knows it.
    peer_limit: u64,
    /// The number of the peer's streams that are closed.
    peer_closed: u64,
    /// Maximum number of the peer's streams that are open.
    max_open: u64,
    /// The peer's streams that the program has not accepted.
    accept_queue: VecDeque<StreamId>,
}

#[derive(Debug)]
pub(super) struct Streams {
    role: Role,
    /// The window of a new stream.
    window: u64,
    table: BTreeMap<StreamId, Stream>,
    bi: Kind,
    uni: Kind,
}

/// The result of the removal of a stream.
pub(super) enum Closed {
    /// The stream is open, or was closed before.
    No,
    /// The peer may open another stream.
    PeerStream,
}

impl Streams {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        Self {
            role,
            window: config.stream_window.into(),
            table: BTreeMap::new(),
            bi: Kind::new(config.max_bi_streams.into()),
            uni: Kind::new(config.max_uni_streams.into()),
        }
    }

    pub(super) fn send_half(&mut self, id: StreamId) -> Option<&mut SendHalf> {
        self.table.get_mut(&id)?.send.as_mut()
    }

    pub(super) fn recv_half(&mut self, id: StreamId) -> Option<&mut RecvHalf> {
        self.table.get_mut(&id)?.recv.as_mut()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.table.values_mut()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Applies the peer's limits of streams.
    pub(super) fn on_parameters(&mut self, peer: &TransportParameters) {
        self.bi.limit = peer.initial_max_streams_bidi;
        self.uni.limit = peer.initial_max_streams_uni;
    }

    /// Handles `MAX_STREAMS`. Returns whether the limit has risen.
    pub(super) fn on_limit(&mut self, direction: Direction, limit: u64) -> bool {
        let kind = self.kind(direction);
        let risen = limit > kind.limit;
        kind.limit = kind.limit.max(limit);
        risen
    }

    /// Opens a stream, unless the peer's limit is reached.
    pub(super) fn open(
        &mut self,
        direction: Direction,
        peer: &TransportParameters,
    ) -> Option<StreamId> {
        let (role, window) = (self.role, self.window);
        let kind = self.kind(direction);
        if kind.opened >= kind.limit {
            return None;
        }
        let id = StreamId::new(role, direction, kind.opened);
        kind.opened += 1;
        let (limit, recv) = match direction {
            Direction::Bidirectional => {
                (peer.initial_max_stream_data_bidi_remote, Some(RecvHalf::new(window)))
            }
            Direction::Unidirectional => (peer.initial_max_stream_data_uni, None),
        };
        let send = Some(SendHalf::new(limit, false));
        self.table.insert(id, Stream { send, recv, is_accepted: true, is_closed: false });
        Some(id)
    }

    /// Returns the limit for a `STREAMS_BLOCKED` frame, once for each limit.
    pub(super) fn report_blocked(&mut self, direction: Direction) -> Option<u64> {
        let kind = self.kind(direction);
        let is_new = kind.opened >= kind.limit && kind.reported != Some(kind.limit);
        is_new.then(|| {
            kind.reported = Some(kind.limit);
            kind.limit
        })
    }

    /// Returns the next stream of the peer.
    pub(super) fn accept(&mut self, direction: Direction) -> Option<StreamId> {
        let id = self.kind(direction).accept_queue.pop_front()?;
        if let Some(stream) = self.table.get_mut(&id) {
            stream.is_accepted = true;
        }
        Some(id)
    }

    /// Returns the half that receives the data of a frame; `None` if the stream was closed. Opens
    /// the stream if the peer does so by the frame.
    pub(super) fn receiver(
        &mut self,
        id: StreamId,
        peer: &TransportParameters,
    ) -> Result<(bool, Option<&mut RecvHalf>), Violation> {
        if id.initiator() == self.role && id.direction() == Direction::Unidirectional {
            return Err(Violation::NotTheSender { id });
        }
        let is_new = self.refer(id, peer)?;
        Ok((is_new, self.recv_half(id)))
    }

    /// Returns the half to which the frame of a receiver refers; `None` if the stream was closed.
    /// Opens the stream if the peer does so by the frame.
    pub(super) fn sender(
        &mut self,
        id: StreamId,
        peer: &TransportParameters,
    ) -> Result<(bool, Option<&mut SendHalf>), Violation> {
        if id.initiator() != self.role && id.direction() == Direction::Unidirectional {
            return Err(Violation::NotTheReceiver { id });
        }
        let is_new = self.refer(id, peer)?;
        Ok((is_new, self.send_half(id)))
    }

    /// Returns the limit for a `MAX_STREAMS` frame that is sent now.
    pub(super) fn announce(&mut self, direction: Direction) -> u64 {
        let kind = self.kind(direction);
        kind.peer_limit = kind.peer_closed + kind.max_open;
        kind.peer_limit
    }

    /// Removes a stream that neither the program nor the peer uses any longer.
    pub(super) fn close(&mut self, id: StreamId) -> Closed {
        let Some(stream) = self.table.get_mut(&id) else { return Closed::No };
        let is_done = stream.send.as_ref().is_none_or(SendHalf::is_done)
            && stream.recv.as_ref().is_none_or(RecvHalf::is_done);
        if !is_done || !stream.is_accepted {
            return Closed::No;
        }
        let was_closed = std::mem::replace(&mut stream.is_closed, true);
        let is_released = stream.send.as_ref().is_none_or(|half| half.is_released)
            && stream.recv.as_ref().is_none_or(|half| half.is_released);
        if is_released {
            self.table.remove(&id);
        }
        if was_closed || id.initiator() == self.role {
            return Closed::No;
        }
        self.kind(id.direction()).peer_closed += 1;
        Closed::PeerStream
    }

    fn kind(&mut self, direction: Direction) -> &mut Kind {
        match direction {
            Direction::Bidirectional => &mut self.bi,
            Direction::Unidirectional => &mut self.uni,
        }
    }

    /// Checks that a stream exists or existed, or opens a stream of the peer with all before it.
    /// Returns whether it was opened.
    fn refer(&mut self, id: StreamId, peer: &TransportParameters) -> Result<bool, Violation> {
        let (is_own, window) = (id.initiator() == self.role, self.window);
        let direction = id.direction();
        let kind = match direction {
            Direction::Bidirectional => &mut self.bi,
            Direction::Unidirectional => &mut self.uni,
        };
        if is_own {
            //= https://www.rfc-editor.org/rfc/rfc9000#section-19.8
            //# An endpoint MUST terminate the connection with error STREAM_STATE_ERROR
            //# if it receives a STREAM frame for a locally initiated stream that has
            //# not yet been created, or for a send-only stream.
            let is_known = id.index() < kind.opened;
            return if is_known { Ok(false) } else { Err(Violation::StreamNotOpened { id }) };
        }
        if id.index() >= kind.peer_limit {
            return Err(Violation::StreamLimit { id, limit: kind.peer_limit });
        }
        let is_new = id.index() >= kind.peer_opened;
        //= https://www.rfc-editor.org/rfc/rfc9000#section-3.2
        //# Before a stream is created, all streams of the same type with lower-
        //# numbered stream IDs MUST be created.
        while kind.peer_opened <= id.index() {
            let id = StreamId::new(id.initiator(), direction, kind.peer_opened);
            kind.peer_opened += 1;
            kind.accept_queue.push_back(id);
            let send = (direction == Direction::Bidirectional)
                .then(|| SendHalf::new(peer.initial_max_stream_data_bidi_local, true));
            let recv = Some(RecvHalf::new(window));
            self.table.insert(id, Stream { send, recv, is_accepted: false, is_closed: false });
        }
        Ok(is_new)
    }
}

impl Kind {
    const fn new(max_open: u64) -> Self {
        Self {
            opened: 0,
            limit: 0,
            reported: None,
            peer_opened: 0,
            peer_limit: max_open,
            peer_closed: 0,
            max_open,
            accept_queue: VecDeque::new(),
        }
    }
}
