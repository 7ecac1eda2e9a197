use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Hub, Shared};
use crate::core::history::GapReason;
use crate::core::outbox::OutboxCounts;
use crate::core::presence::PresenceMetrics;

/// The sizes of a node, and the sums of what it has done since it started: see [`Hub::metrics`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubMetrics {
    /// The sessions of this node.
    pub sessions: usize,
    /// The users that have sessions of this node.
    pub users: usize,
    /// The rooms that have sessions of this node.
    pub rooms: usize,
    /// The sum of the sessions of this node over these rooms.
    pub memberships: usize,
    /// Publications that were published on this node.
    pub publications: u64,
    /// Publications that failed, because the bus did.
    pub failed_publications: u64,
    /// Publications that came from the bus: of other nodes, and of this one to rooms with history.
    pub received_publications: u64,
    /// Deliveries of publications to sessions of this node, recovered ones included, and without
    /// those to sessions that are closing. A delivery is with the connection, or waits in the
    /// session's outbox, or was dropped there: see the counts below. What a connection has not
    /// written when it breaks is not counted.
    pub deliveries: u64,
    /// Messages that wait in outboxes, because their sessions read too slowly.
    pub queued: usize,
    /// Bytes of these messages.
    pub queued_bytes: usize,
    /// Publications dropped because their session read too slowly.
    pub dropped_slow: u64,
    /// Publications dropped because they waited longer than the maximum age.
    pub dropped_expired: u64,
    /// Publications replaced by a newer one with the same key.
    pub superseded: u64,
    /// Publications left to be read from the history, once their session has caught up, or whose
    /// session has left the room.
    pub skipped: u64,
    /// Publications that waited for sessions when they ended, or that connections did not take any
    /// more.
    pub discarded: u64,
    /// Recoveries of sessions that joined from a position, and received all that they had missed.
    pub recoveries: u64,
    /// Gaps that sessions were told of.
    pub gaps: u64,
    /// The gaps by their reasons.
    pub gaps_by_reason: GapCounts,
    /// Holes in the events of the bus that this node has healed by reading the history.
    pub holes: u64,
    /// Panics of hooks and encoders.
    pub panics: u64,
    /// The time that it takes to deliver a publication to the sessions of this node.
    pub fan_out_time: Timing,
    /// The bus.
    pub bus: BusMetrics,
    /// The presence, over all nodes.
    pub presence: PresenceMetrics,
}

/// The numbers of gaps by their [reasons](GapReason).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GapCounts {
    /// The store lost or replaced the history.
    pub epoch: u64,
    /// The publications were no longer retained.
    pub trimmed: u64,
    /// The store was rolled back.
    pub rolled_back: u64,
    /// More publications were missed than the limit.
    pub limit: u64,
}

/// The link of a node to its bus. How long a message takes to another node and back is measured by
/// [`Hub::node_reports`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusMetrics {
    /// `true` while the link is up.
    pub is_up: bool,
    /// The number of times that the link broke.
    pub outages: u64,
    /// Events that the node did not take in time. Publications with history among them were read
    /// from the history.
    pub lost_events: u64,
    /// Events that waited for the node when it took the last one.
    pub waiting_events: u64,
    /// The time from a publication until its acknowledgement, failed ones included.
    pub publish_time: Timing,
}

/// The number and the durations of something that happens again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// The number of times.
    pub count: u64,
    /// The sum of the durations.
    pub total: Duration,
    /// The longest duration.
    pub max: Duration,
}

/// The counters of a node.
#[derive(Debug)]
pub(crate) struct Counters {
    publications: AtomicU64,
    failed_publications: AtomicU64,
    received_publications: AtomicU64,
    deliveries: AtomicU64,
    recoveries: AtomicU64,
    gaps: [AtomicU64; 4],
    holes: AtomicU64,
    fan_out: Stopwatch,
    publish: Stopwatch,
    bus_is_up: AtomicBool,
    outages: AtomicU64,
    lost_events: AtomicU64,
    waiting_events: AtomicU64,
    /// The sums of the outboxes of sessions that have ended. Changed while the registry is locked
    /// for writing.
    ended: [AtomicU64; 5],
}

#[derive(Debug, Default)]
struct Stopwatch {
    count: AtomicU64,
    total: AtomicU64,
    max: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            publications: AtomicU64::default(),
            failed_publications: AtomicU64::default(),
            received_publications: AtomicU64::default(),
            deliveries: AtomicU64::default(),
            recoveries: AtomicU64::default(),
            gaps: Default::default(),
            holes: AtomicU64::default(),
            fan_out: Stopwatch::default(),
            publish: Stopwatch::default(),
            // The bus reports when its link breaks.
            bus_is_up: AtomicBool::new(true),
            outages: AtomicU64::default(),
            lost_events: AtomicU64::default(),
            waiting_events: AtomicU64::default(),
            ended: Default::default(),
        }
    }
}

impl Counters {
    pub(super) fn on_published(&self, since: Instant, succeeded: bool) {
        self.publish.record(since);
        add(if succeeded { &self.publications } else { &self.failed_publications }, 1);
    }

    pub(super) fn on_received(&self) {
        add(&self.received_publications, 1);
    }

    pub(super) fn on_fan_out(&self, since: Instant, deliveries: u64) {
        self.fan_out.record(since);
        add(&self.deliveries, deliveries);
    }

    pub(super) fn on_delivered(&self) {
        add(&self.deliveries, 1);
    }

    pub(super) fn on_recovered(&self) {
        add(&self.recoveries, 1);
    }

    pub(super) fn on_gap(&self, reason: GapReason) {
        let [epoch, trimmed, rolled_back, limit] = &self.gaps;
        let counter = match reason {
            GapReason::Epoch => epoch,
            GapReason::Trimmed => trimmed,
            GapReason::RolledBack => rolled_back,
            GapReason::Limit => limit,
        };
        add(counter, 1);
    }

    pub(super) fn on_healed(&self) {
        add(&self.holes, 1);
    }

    pub(super) fn on_link(&self, is_up: bool) {
        let was_up = self.bus_is_up.swap(is_up, Ordering::Relaxed);
        if was_up && !is_up {
            add(&self.outages, 1);
        }
    }

    pub(super) fn on_lost(&self, events: u64) {
        add(&self.lost_events, events);
    }

    pub(super) fn on_event_taken(&self, waiting: usize) {
        self.waiting_events.store(waiting as u64, Ordering::Relaxed);
    }

    /// Adds the sums of a session's outbox, as the session ends. What still waited was discarded.
    pub(super) fn on_ended(&self, counts: &OutboxCounts) {
        let [slow, expired, superseded, skipped, discarded] = Dropped::of(counts).0;
        let discarded = discarded.saturating_sub(slow + expired + superseded + skipped);
        for (sum, number) in self.ended.iter().zip([slow, expired, superseded, skipped, discarded])
        {
            add(sum, number);
        }
    }
}

/// Publications of an outbox that were not written, by reason: slow, expired, superseded, skipped;
/// and the number of all that were pushed and not popped.
struct Dropped([u64; 5]);

impl Dropped {
    fn of(counts: &OutboxCounts) -> Self {
        let slow = counts.dropped_newest + counts.dropped_oldest;
        let unwritten = counts.pushed.saturating_sub(counts.popped);
        Self([slow, counts.expired, counts.superseded, counts.skipped, unwritten])
    }
}

impl Stopwatch {
    fn record(&self, since: Instant) {
        let nanos = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        add(&self.count, 1);
        add(&self.total, nanos);
        self.max.fetch_max(nanos, Ordering::Relaxed);
    }

    fn read(&self) -> Timing {
        Timing {
            count: read(&self.count),
            total: Duration::from_nanos(read(&self.total)),
            max: Duration::from_nanos(read(&self.max)),
        }
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl<S> Hub<S> {
    /// Returns the sizes and counts of this node. Looks at the queue of every session of the node,
    /// and so takes time in proportion to them: for one call each some seconds.
    pub fn metrics(&self) -> HubMetrics {
        self.shared.metrics()
    }
}

impl<S> Shared<S> {
    fn metrics(&self) -> HubMetrics {
        let counters = &self.counters;
        let topics = self.rooms().topics.counts();
        let [epoch, trimmed, rolled_back, limit] = counters.gaps.each_ref().map(read);
        let mut metrics = HubMetrics {
            rooms: topics.rooms,
            memberships: topics.memberships,
            publications: read(&counters.publications),
            failed_publications: read(&counters.failed_publications),
            received_publications: read(&counters.received_publications),
            deliveries: read(&counters.deliveries),
            recoveries: read(&counters.recoveries),
            gaps: epoch + trimmed + rolled_back + limit,
            gaps_by_reason: GapCounts { epoch, trimmed, rolled_back, limit },
            holes: read(&counters.holes),
            panics: self.panics.count(),
            fan_out_time: counters.fan_out.read(),
            bus: BusMetrics {
                is_up: counters.bus_is_up.load(Ordering::Relaxed),
                outages: read(&counters.outages),
                lost_events: read(&counters.lost_events),
                waiting_events: read(&counters.waiting_events),
                publish_time: counters.publish.read(),
            },
            presence: self.presence().metrics(),
            ..HubMetrics::default()
        };
        // While it is locked, no session ends: none is counted twice or not at all.
        let registry = self.registry();
        let [slow, expired, superseded, skipped, discarded] = counters.ended.each_ref().map(read);
        metrics.sessions = registry.len();
        metrics.users = registry.user_count();
        metrics.dropped_slow = slow;
        metrics.dropped_expired = expired;
        metrics.superseded = superseded;
        metrics.skipped = skipped;
        metrics.discarded = discarded;
        for session in registry.iter() {
            let session = session.connection.metrics();
            let [slow, expired, superseded, skipped, _] = Dropped::of(&session.publications).0;
            metrics.queued += session.queued;
            metrics.queued_bytes += session.queued_bytes;
            metrics.dropped_slow += slow;
            metrics.dropped_expired += expired;
            metrics.superseded += superseded;
            metrics.skipped += skipped;
        }
        metrics
    }
}
