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

/// Number of measurements of which one has to hold. On a machine with other work, the server may
/// catch up slowly after the stall, which the percentiles then rightly show.
const ATTEMPTS: usize = 5;

/// The load of a test.
#[derive(Clone, Copy)]
struct Load {
    connections: u32,
    /// Messages per second.
    rate: u32,
    seconds: u32,
}

/// Asserts that one of the measurements has the percentiles of the schedule.
fn assert_measured(load: Load) {
    let mut problems = String::new();
    for _ in 0..ATTEMPTS {
        match compare(&measure(load), load) {
            Ok(()) => return,
            Err(problem) => problems = problems + &problem + "\n",
        }
    }
    panic!("none of {ATTEMPTS} measurements holds:\n{problems}");
}

/// Stops the server for a second in a test, and returns the result.
fn measure(load: Load) -> Value {
    let server = program::Server::start(&[]);
    let url = format!("ws://{}/echo", server.address);
    let file =
        std::env::temp_dir().join(format!("sockeye-bench-{}-{}", std::process::id(), load.seconds));
    let (connections, rate) = (load.connections.to_string(), load.rate.to_string());
    let duration = format!("{}s", load.seconds);
    let mut bench = program::sockeye(&["bench", &url, "-c", &connections, "--in-flight", "1"])
        .args(["--rate", &rate, "--duration", &duration, "--json"])
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
    assert_eq!(result["schema"], "sockeye-bench/1");
    assert_eq!(result["due"].as_f64(), Some(f64::from(load.rate * load.seconds)));
    assert_eq!(result["answered"], result["due"]);
    result
}

/// Compares the percentiles with those of the schedule: of the messages that were due in the stall,
/// each waited for the rest of it.
fn compare(result: &Value, load: Load) -> Result<(), String> {
    let micros = |times: &str, name: &str| result[times][name].as_f64().unwrap();
    // The scheduler may have made the stall longer than asked: the first message that was due in it
    // waited for all of it.
    let stall = micros("response", "max_us") / 1e6;
    if !(STALL * 0.97..STALL * 1.5).contains(&stall) {
        return Err(format!("the stall took {stall} s"));
    }
    for (name, quantile) in [("p95_us", 0.95), ("p99_us", 0.99), ("p99.9_us", 0.999)] {
        let expected = (stall - (1.0 - quantile) * f64::from(load.seconds)) * 1e6;
        let actual = micros("response", name);
        if (actual - expected).abs() > 0.03 * expected {
            return Err(format!("{name}: {actual} for {expected}, the stall took {stall} s"));
        }
    }
    // Only one message of each connection was in flight, fewer than one in a hundred.
    let (service, response) = (micros("service", "p99_us"), micros("response", "p99_us"));
    if service >= response / 2.0 {
        return Err(format!("p99 of the service time: {service}, response time: {response}"));
    }
    Ok(())
}

#[test]
fn percentiles_of_a_short_test_are_those_of_the_schedule() {
    // Few messages wait, so that a server that was built without optimisation catches up quickly.
    assert_measured(Load { connections: 2, rate: 100, seconds: 4 });
}

#[test]
#[ignore = "takes ten seconds; ci/nightly.sh runs it"]
fn percentiles_of_a_long_test_are_those_of_the_schedule() {
    assert_measured(Load { connections: 5, rate: 1000, seconds: 10 });
}
