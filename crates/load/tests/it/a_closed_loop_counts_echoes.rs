//! A closed loop counts echoes and their latency, and an open loop what it sent too.

use sockeye_load::TrafficPattern;

use crate::tcp_echo::{load, serve};

#[test]
fn a_closed_loop_counts_echoes_and_an_open_loop_also_counts_sent_messages() {
    let echo = load(serve(3, |_| {})).run().unwrap();
    assert!(echo.messages > 0 && echo.sent.is_none());
    let latency = echo.latency.unwrap();
    assert_eq!(latency.messages(), echo.messages);
    assert!(latency.min() <= latency.quantile(0.5) && latency.quantile(0.99) <= latency.max());
    let open = load(serve(3, |_| {})).pattern(TrafficPattern::OpenLoop).run().unwrap();
    assert!(open.sent >= Some(open.messages) && open.latency.is_none());
}

/// Longer than the buffer of one read and than what a socket takes at once.
#[test]
fn long_messages_are_sent_and_received_in_parts() {
    let report = load(serve(2, |_| {})).connections(2).length(3_000_000).run().unwrap();
    assert!(report.messages > 0);
}

#[cfg(target_os = "linux")]
#[test]
fn processor_time_is_measured_of_the_client_and_of_a_named_server() {
    let unnamed = load(serve(3, |_| {})).run().unwrap();
    assert!(unnamed.server.is_none());
    let report = load(serve(3, |_| {})).server_process(std::process::id()).run().unwrap();
    assert!(report.server.is_some() && report.client.is_some());
}
