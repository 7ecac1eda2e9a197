//! The metrics of the hub, in the recorder of the process.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use sockeye_hub::HubMetrics;
use sockeye_hub::bus::LocalMetrics;

/// Records the current metrics of a node, and of the histories in its memory.
pub(super) fn record(metrics: &HubMetrics, histories: &LocalMetrics) {
    for (name, value) in gauges(metrics, histories) {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let value = value as f64;
        gauge!(name).set(value);
    }
    for (name, reason, value) in counters(metrics, histories) {
        match reason {
            Some(reason) => counter!(name, "reason" => reason).absolute(value),
            None => counter!(name).absolute(value),
        }
    }
}

/// Describes the metrics. Called once the recorder is installed.
pub(super) fn describe() {
    for (name, text) in [
        ("sockeye_hub_sessions", "Sessions of this node"),
        ("sockeye_hub_users", "Users with sessions of this node"),
        ("sockeye_hub_rooms", "Rooms that have sessions of this node"),
        ("sockeye_hub_memberships", "Sessions of this node, once for each of their rooms"),
        ("sockeye_hub_queued_messages", "Messages that wait for sessions that read too slowly"),
        ("sockeye_hub_queued_bytes", "Bytes of these messages"),
        ("sockeye_hub_bus_up", "1 while the link to the bus is up"),
        ("sockeye_hub_bus_events_waiting", "Events of the bus that wait for this node"),
        ("sockeye_hub_publish_microseconds_max", "Longest time until an acknowledgement"),
        ("sockeye_hub_fan_out_microseconds_max", "Longest time of a delivery to all sessions"),
        ("sockeye_hub_histories", "Rooms with a history in the memory of this process"),
        ("sockeye_hub_histories_bytes", "Memory of these histories"),
        ("sockeye_hub_nodes", "Nodes of the hub that this node knows, itself included"),
        ("sockeye_hub_members", "Sessions in rooms with presence, over all nodes"),
    ] {
        describe_gauge!(name, text);
    }
    for (name, text) in [
        ("sockeye_hub_publications_total", "Publications that were published on this node"),
        ("sockeye_hub_publications_failed_total", "Publications that failed as the bus did"),
        ("sockeye_hub_publications_received_total", "Publications that came from the bus"),
        ("sockeye_hub_publish_microseconds_total", "Time until publications were acknowledged"),
        ("sockeye_hub_deliveries_total", "Deliveries of publications to sessions of this node"),
        ("sockeye_hub_fan_outs_total", "Publications that were delivered to sessions"),
        ("sockeye_hub_fan_out_microseconds_total", "Time that their delivery took"),
        (DROPPED, "Publications that sessions did not receive as they read too slowly"),
        ("sockeye_hub_publications_skipped_total", "Publications left to be read from history"),
        ("sockeye_hub_recoveries_total", "Sessions that recovered all that they had missed"),
        (GAPS, "Gaps that sessions were told of"),
        ("sockeye_hub_holes_healed_total", "Holes in the events of the bus that were healed"),
        ("sockeye_hub_bus_outages_total", "Times that the link to the bus broke"),
        ("sockeye_hub_bus_events_lost_total", "Events that the node did not take in time"),
        ("sockeye_hub_histories_evicted_total", "Histories removed to stay within the limits"),
        ("sockeye_hub_nodes_expired_total", "Other nodes that died without a shutdown"),
        ("sockeye_hub_presence_holes_total", "Changes of the presence that were found missing"),
        ("sockeye_hub_presence_snapshots_total", "Parts of the presence that were read again"),
        (REFUSED, "Sessions and heartbeats of other nodes beyond the bounds of the presence"),
        ("sockeye_hub_panics_total", "Panics of hooks and encoders"),
    ] {
        describe_counter!(name, Unit::Count, text);
    }
}

const DROPPED: &str = "sockeye_hub_publications_dropped_total";
const GAPS: &str = "sockeye_hub_gaps_total";
const REFUSED: &str = "sockeye_hub_presence_refused_total";

fn gauges(metrics: &HubMetrics, histories: &LocalMetrics) -> [(&'static str, u64); 14] {
    let number = |number: usize| number as u64;
    [
        ("sockeye_hub_sessions", number(metrics.sessions)),
        ("sockeye_hub_users", number(metrics.users)),
        ("sockeye_hub_rooms", number(metrics.rooms)),
        ("sockeye_hub_memberships", number(metrics.memberships)),
        ("sockeye_hub_queued_messages", number(metrics.queued)),
        ("sockeye_hub_queued_bytes", number(metrics.queued_bytes)),
        ("sockeye_hub_bus_up", metrics.bus.is_up.into()),
        ("sockeye_hub_bus_events_waiting", metrics.bus.waiting_events),
        ("sockeye_hub_publish_microseconds_max", micros(metrics.bus.publish_time.max)),
        ("sockeye_hub_fan_out_microseconds_max", micros(metrics.fan_out_time.max)),
        ("sockeye_hub_nodes", number(metrics.presence.nodes + 1)),
        ("sockeye_hub_members", number(metrics.presence.members)),
        ("sockeye_hub_histories", number(histories.rooms)),
        ("sockeye_hub_histories_bytes", number(histories.bytes)),
    ]
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Returns the counters, each with its label `reason`, if it has one.
fn counters(
    metrics: &HubMetrics,
    histories: &LocalMetrics,
) -> [(&'static str, Option<&'static str>, u64); 27] {
    let (gaps, presence) = (&metrics.gaps_by_reason, &metrics.presence);
    [
        ("sockeye_hub_publications_total", None, metrics.publications),
        ("sockeye_hub_publications_failed_total", None, metrics.failed_publications),
        ("sockeye_hub_publications_received_total", None, metrics.received_publications),
        ("sockeye_hub_publish_microseconds_total", None, micros(metrics.bus.publish_time.total)),
        ("sockeye_hub_deliveries_total", None, metrics.deliveries),
        ("sockeye_hub_fan_outs_total", None, metrics.fan_out_time.count),
        ("sockeye_hub_fan_out_microseconds_total", None, micros(metrics.fan_out_time.total)),
        (DROPPED, Some("slow"), metrics.dropped_slow),
        (DROPPED, Some("expired"), metrics.dropped_expired),
        (DROPPED, Some("superseded"), metrics.superseded),
        (DROPPED, Some("ended"), metrics.discarded),
        ("sockeye_hub_publications_skipped_total", None, metrics.skipped),
        ("sockeye_hub_recoveries_total", None, metrics.recoveries),
        (GAPS, Some("epoch"), gaps.epoch),
        (GAPS, Some("trimmed"), gaps.trimmed),
        (GAPS, Some("rolled_back"), gaps.rolled_back),
        (GAPS, Some("limit"), gaps.limit),
        ("sockeye_hub_holes_healed_total", None, metrics.holes),
        ("sockeye_hub_bus_outages_total", None, metrics.bus.outages),
        ("sockeye_hub_bus_events_lost_total", None, metrics.bus.lost_events),
        ("sockeye_hub_histories_evicted_total", None, histories.evictions),
        ("sockeye_hub_nodes_expired_total", None, presence.expired_nodes),
        ("sockeye_hub_presence_holes_total", None, presence.holes),
        ("sockeye_hub_presence_snapshots_total", None, presence.snapshots),
        (REFUSED, Some("members"), presence.refused_members),
        (REFUSED, Some("nodes"), presence.refused_nodes),
        ("sockeye_hub_panics_total", None, metrics.panics),
    ]
}
