//! Idle connections exchange one message each, and the server's memory is measured where the system
//! reports it.

use sockeye_load::{LoadError, TrafficPattern};

use crate::tcp_echo::{load, serve};

#[test]
fn memory_is_measured_over_all_connections() {
    let load = load(serve(103, |_| {})).pattern(TrafficPattern::Idle);
    assert!(matches!(load.run(), Err(LoadError::NoProcess)));
    let report = load.server_process(std::process::id()).run().unwrap();
    assert_eq!(report.messages, 3);
    assert_eq!(report.memory.is_some(), cfg!(target_os = "linux"));
}
