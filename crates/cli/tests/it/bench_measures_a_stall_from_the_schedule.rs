//! `sockeye bench` at a rate counts a stall of the server for every message that was due meanwhile.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::program;

/// Length of the stall that the test asks for, in seconds.
const STALL: f64 = 1.0;

/// Stops the server for a second in a test of `seconds` at `rate` messages a second, and compares
/// the percentiles with those of the schedule: of the messages that were due in the stall, each
/// waited for the rest of it.
fn measure(rate: u32, seconds: u32) {
    let server = program::Server::start(&[]);
    let url = format!("ws://{}/echo", server.address);
    let file = std::env::temp_dir().join(format!("sockeye-bench-{}-{seconds}", std::process::id()));
    let duration = format!("{seconds}s");
    let per_second = rate.to_string();
    let mut bench = program::sockeye(&["bench", &url, "-c", "5", "--in-flight", "1"])
        .args(["--rate", &per_second, "--duration", &duration, "--json"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first line of progress comes a second after the begin.
    let mut progress = BufReader::new(bench.stderr.take().unwrap());
    progress.read_line(&mut String::new()).unwrap();
    server.signal("STOP");
    thread::sleep(Duration::from_secs_f64(STALL));
    server.signal("CONT");
    let rest = thread::spawn(move || progress.lines().for_each(drop));
    assert!(bench.wait().unwrap().success());
    rest.join().unwrap();
    let result: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    std::fs::remove_file(&file).unwrap();

    let micros = |times: &str, name: &str| result[times][name].as_f64().unwrap();
    let messages = f64::from(rate * seconds);
    assert_eq!(result["schema"], "sockeye-bench/1");
    assert_eq!(result["due"].as_f64(), Some(messages));
    assert_eq!(result["answered"], result["due"]);
    // The scheduler may have made the stall longer than asked: the first message that was due in it
    // waited for all of it.
    let stall = micros("response", "max_us") / 1e6;
    assert!((STALL * 0.97..STALL * 1.5).contains(&stall), "{result:#}");
    for (name, quantile) in [("p95_us", 0.95), ("p99_us", 0.99), ("p99.9_us", 0.999)] {
        let expected = (stall - (1.0 - quantile) * f64::from(seconds)) * 1e6;
        let actual = micros("response", name);
        let difference = (actual - expected).abs();
        assert!(difference <= 0.03 * expected, "{name}: {actual} for {expected}: {result:#}");
    }
    // Only one message of each connection was in flight, of thousands in all.
    assert!(micros("service", "p99_us") < micros("response", "p99_us") / 2.0, "{result:#}");
}

#[test]
fn percentiles_of_a_short_test_are_those_of_the_schedule() {
    // Few messages wait, so that a server that was built without optimisation catches up quickly.
    measure(250, 4);
}

#[test]
#[ignore = "takes ten seconds; ci/nightly.sh runs it"]
fn percentiles_of_a_long_test_are_those_of_the_schedule() {
    measure(1000, 10);
}
