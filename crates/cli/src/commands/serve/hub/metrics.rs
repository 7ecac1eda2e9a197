//! The metrics of the hub, in the recorder of the process.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use sockeye_hub::HubMetrics;

/// Records the current metrics of a node.
pub(super) fn record(metrics: &HubMetrics) {
    for (name, value) in gauges(metrics) {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let value = value as f64;
        gauge!(name).set(value);
    }
    for (name, reason, value) in counters(metrics) {
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
        ("sockeye_hub_recoveries_total", "Sessions that recovered all that they had missed"),
        (GAPS, "Gaps that sessions were told of"),
        ("sockeye_hub_holes_healed_total", "Holes in the events of the bus that were healed"),
        ("sockeye_hub_bus_outages_total", "Times that the link to the bus broke"),
        ("sockeye_hub_bus_events_lost_total", "Events that the node did not take in time"),
        ("sockeye_hub_nodes_expired_total", "Other nodes that died without a shutdown"),
        ("sockeye_hub_panics_total", "Panics of hooks and encoders"),
    ] {
        describe_counter!(name, Unit::Count, text);
    }
}

const DROPPED: &str = "sockeye_hub_publications_dropped_total";
const GAPS: &str = "sockeye_hub_gaps_total";

fn gauges(metrics: &HubMetrics) -> [(&'static str, usize); 9] {
    [
        ("sockeye_hub_sessions", metrics.sessions),
        ("sockeye_hub_users", metrics.users),
        ("sockeye_hub_rooms", metrics.rooms),
        ("sockeye_hub_memberships", metrics.memberships),
        ("sockeye_hub_queued_messages", metrics.queued),
        ("sockeye_hub_queued_bytes", metrics.queued_bytes),
        ("sockeye_hub_bus_up", metrics.bus.is_up.into()),
        ("sockeye_hub_nodes", metrics.presence.nodes + 1),
        ("sockeye_hub_members", metrics.presence.members),
    ]
}

/// Returns the counters, each with its label `reason`, if it has one.
fn counters(metrics: &HubMetrics) -> [(&'static str, Option<&'static str>, u64); 21] {
    let gaps = &metrics.gaps_by_reason;
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
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
        ("sockeye_hub_recoveries_total", None, metrics.recoveries),
        (GAPS, Some("epoch"), gaps.epoch),
        (GAPS, Some("trimmed"), gaps.trimmed),
        (GAPS, Some("rolled_back"), gaps.rolled_back),
        (GAPS, Some("limit"), gaps.limit),
        ("sockeye_hub_holes_healed_total", None, metrics.holes),
        ("sockeye_hub_bus_outages_total", None, metrics.bus.outages),
        ("sockeye_hub_bus_events_lost_total", None, metrics.bus.lost_events),
        ("sockeye_hub_nodes_expired_total", None, metrics.presence.expired_nodes),
        ("sockeye_hub_panics_total", None, metrics.panics),
    ]
}
