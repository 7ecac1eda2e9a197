use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Describes each metric to the recorder.
pub(super) fn describe() {
    for (name, unit, text) in COUNTERS {
        describe_counter!(*name, *unit, *text);
    }
    describe_gauge!(
        "sockeye_connections_open",
        Unit::Count,
        "WebSocket connections that are open now, or closing"
    );
    describe_histogram!(
        "sockeye_rtt_seconds",
        Unit::Seconds,
        "Round-trip times of WebSocket connections, by their keepalive pings"
    );
}

const COUNTERS: &[(&str, Unit, &str)] = &[
    ("sockeye_connections_opened_total", Unit::Count, "Opening handshakes that were done"),
    (
        "sockeye_connections_failed_total",
        Unit::Count,
        "WebSocket connections that ended with an error, by cause",
    ),
    (
        "sockeye_handshakes_refused_total",
        Unit::Count,
        "Opening handshakes that were refused, by status",
    ),
    ("sockeye_messages_received_total", Unit::Count, "Messages received"),
    (
        "sockeye_messages_received_bytes_total",
        Unit::Bytes,
        "Length of the messages received, after decompression",
    ),
    ("sockeye_messages_sent_total", Unit::Count, "Messages sent"),
    (
        "sockeye_messages_sent_bytes_total",
        Unit::Bytes,
        "Length of the messages sent, before compression",
    ),
    ("sockeye_messages_dropped_total", Unit::Count, "Messages that are not sent, by reason"),
    (
        "sockeye_wire_received_bytes_total",
        Unit::Bytes,
        "Bytes of frames received, control frames included",
    ),
    (
        "sockeye_wire_sent_bytes_total",
        Unit::Bytes,
        "Bytes of the frames that messages were sent in",
    ),
    ("sockeye_close_frames_received_total", Unit::Count, "Close frames received, by code"),
    ("sockeye_close_frames_sent_total", Unit::Count, "Close frames sent, by code"),
];
