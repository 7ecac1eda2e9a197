//! The progress callback is called while connections open, during the warm-up and while messages
//! count, and no more often than asked.

use std::time::Duration;

use sockeye_load::RunPhase;

use crate::tcp_echo::{load, serve};

#[test]
fn progress_is_reported_in_every_phase() {
    let mut phases = Vec::new();
    let mut last = None;
    let report = load(serve(3, |_| {})).run_with_progress(Duration::ZERO, |progress| {
        assert!((1..=3).contains(&progress.connections));
        if phases.last() != Some(&progress.phase) {
            phases.push(progress.phase);
            last = None;
        }
        let latency = progress.latency.map_or(0, sockeye_load::Latency::messages);
        assert_eq!(latency, progress.messages);
        assert!(last <= Some((progress.elapsed, progress.messages)), "both only grow");
        last = Some((progress.elapsed, progress.messages));
    });
    assert_eq!(phases, [RunPhase::Opening, RunPhase::WarmUp, RunPhase::Counted]);
    assert!(last.unwrap().1 <= report.unwrap().messages);
}

#[test]
fn a_long_interval_reports_the_beginning_only() {
    let mut calls = 0;
    load(serve(3, |_| {})).run_with_progress(Duration::MAX, |_| calls += 1).unwrap();
    assert_eq!(calls, 1);
}
