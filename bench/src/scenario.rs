//! The scenarios by name.

use clap::ValueEnum;
use sockeye_load::{DeflateMode, PayloadKind, TrafficPattern};

use crate::mode::{Certificate, Mode};

/// The subject of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Group {
    /// Echo of binary messages.
    Echo,
    /// Echo of text with multi-byte UTF-8 sequences.
    Utf8,
    /// Echo with permessage-deflate.
    Deflate,
    /// Echo over TLS.
    Tls,
    /// Echo over HTTP/2.
    Http2,
    /// Fan-out: one connection sends, all receive.
    FanOut,
    /// Fan-out to a room of up to 10,000 connections.
    Hub,
    /// The test of the README of dgrr/websocket.
    Dgrr,
    /// Memory of idle connections.
    Memory,
}

/// One kind of load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The name on the command line: `echo-20B-100c-16f` is 20 bytes, 100 connections, 16 in
    /// flight, and `http2-20B-4c-100s-1f` has 100 streams on each of 4 connections.
    pub name: String,
    /// The group of the scenario.
    pub group: Group,
    /// The traffic pattern.
    pub pattern: TrafficPattern,
    /// The content of messages.
    pub payload: PayloadKind,
    /// Payload bytes of each message.
    pub length: usize,
    /// Connections open at once.
    pub connections: usize,
    /// HTTP/2 streams on each connection; `None` over HTTP/1.1.
    pub streams: Option<usize>,
    /// Messages in flight per connection, or per stream.
    pub in_flight: usize,
    /// The kind of permessage-deflate, if any.
    pub deflate: Option<DeflateMode>,
    /// `true` if connections use TLS.
    pub tls: bool,
    /// Counted time in seconds, where the scenario itself specifies it.
    pub seconds: Option<u32>,
}

/// Messages per second on each connection of the open loop.
pub const RATE: u32 = 10_000;

const KIB: usize = 1024;

/// Returns every scenario, in the order of the table.
pub fn all() -> Vec<Scenario> {
    let mut all = echo_of_every_size();
    for (length, in_flight) in [(512, 1), (512, 16), (16 * KIB, 1)] {
        let utf8 = echo(Group::Utf8, "utf8", length, 100, in_flight);
        all.push(Scenario { payload: PayloadKind::Utf8, ..utf8 });
    }
    for (deflate, name) in [
        (DeflateMode::Takeover, "deflate-takeover"),
        (DeflateMode::NoTakeover, "deflate-no-takeover"),
    ] {
        let deflated = echo(Group::Deflate, name, KIB, 100, 1);
        all.push(Scenario { payload: PayloadKind::Json, deflate: Some(deflate), ..deflated });
    }
    for length in [20, KIB, 16 * KIB] {
        all.push(Scenario { tls: true, ..echo(Group::Tls, "tls", length, 100, 1) });
    }
    for (length, connections, streams, in_flight) in [
        (20, 100, 1, 1),
        (20, 100, 1, 16),
        (512, 100, 1, 1),
        (16 * KIB, 100, 1, 1),
        (KIB * KIB, 10, 1, 1),
        (20, 4, 100, 1),
    ] {
        all.push(Scenario {
            name: format!("http2-{}-{connections}c-{streams}s-{in_flight}f", size_label(length)),
            streams: Some(streams),
            ..echo(Group::Http2, "http2", length, connections, in_flight)
        });
    }
    for in_flight in [1, 16] {
        all.push(fan_out(Group::FanOut, "fan-out", 64, 1000, in_flight));
    }
    for connections in [1000, 5000, 10_000] {
        for in_flight in [1, 16] {
            all.push(fan_out(Group::Hub, "hub", 128, connections, in_flight));
        }
    }
    all.push(Scenario {
        name: "dgrr-22B-100c".to_owned(),
        pattern: TrafficPattern::OpenLoop,
        payload: PayloadKind::Ascii,
        seconds: Some(10),
        ..echo(Group::Dgrr, "dgrr", 22, 100, 1)
    });
    all.push(Scenario {
        name: "memory-10000c".to_owned(),
        pattern: TrafficPattern::Idle,
        ..echo(Group::Memory, "memory", 20, 10_000, 1)
    });
    all
}

/// Returns one scenario of each group that does not take long.
pub fn quick() -> Vec<Scenario> {
    const NAMES: [&str; 6] = [
        "echo-20B-100c-1f",
        "echo-20B-100c-16f",
        "echo-16KiB-100c-1f",
        "deflate-no-takeover-1KiB-100c-1f",
        "tls-1KiB-100c-1f",
        "fan-out-64B-1000c-1f",
    ];
    all().into_iter().filter(|scenario| NAMES.contains(&scenario.name.as_str())).collect()
}

fn echo_of_every_size() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for length in [20, 512, KIB, 16 * KIB, KIB * KIB] {
        for connections in [10, 100, 500] {
            for in_flight in [1, 16] {
                let small = length <= KIB;
                // One more scenario, as the difference between libraries is largest there.
                let extra = length == 16 * KIB && connections == 100;
                if in_flight == 1 || small || extra {
                    scenarios.push(echo(Group::Echo, "echo", length, connections, in_flight));
                }
            }
        }
    }
    scenarios
}

fn fan_out(
    group: Group,
    prefix: &str,
    length: usize,
    connections: usize,
    in_flight: usize,
) -> Scenario {
    Scenario {
        pattern: TrafficPattern::FanOut,
        payload: PayloadKind::Ascii,
        ..echo(group, prefix, length, connections, in_flight)
    }
}

fn echo(
    group: Group,
    prefix: &str,
    length: usize,
    connections: usize,
    in_flight: usize,
) -> Scenario {
    Scenario {
        name: format!("{prefix}-{}-{connections}c-{in_flight}f", size_label(length)),
        group,
        pattern: TrafficPattern::Echo,
        payload: PayloadKind::Binary,
        length,
        connections,
        streams: None,
        in_flight,
        deflate: None,
        tls: false,
        seconds: None,
    }
}

fn size_label(length: usize) -> String {
    match length {
        length if length.is_multiple_of(KIB * KIB) => format!("{}MiB", length / (KIB * KIB)),
        length if length.is_multiple_of(KIB) => format!("{}KiB", length / KIB),
        length => format!("{length}B"),
    }
}

impl Scenario {
    /// Returns the mode that the scenario requires of a server.
    pub fn mode(&self, certificate: &Certificate) -> Mode {
        Mode {
            deflate: self.deflate,
            tls: self.tls.then(|| certificate.clone()),
            http2: self.streams.is_some(),
            fan_out: self.pattern == TrafficPattern::FanOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        let scenarios = all();
        let names: HashSet<_> = scenarios.iter().map(|scenario| &scenario.name).collect();
        assert_eq!(names.len(), scenarios.len());
    }

    #[test]
    fn names_say_size_connections_and_messages_in_flight() {
        assert_eq!(echo(Group::Echo, "echo", 1, 1, 1).name, "echo-1B-1c-1f");
        assert_eq!(echo(Group::Tls, "tls", 16 * KIB, 100, 1).name, "tls-16KiB-100c-1f");
        assert_eq!(echo(Group::Echo, "echo", KIB * KIB, 500, 16).name, "echo-1MiB-500c-16f");
    }

    #[test]
    fn echo_runs_at_every_size_and_number_of_connections() {
        let echoes = all().into_iter().filter(|scenario| scenario.group == Group::Echo);
        let one: HashSet<_> = echoes
            .filter(|scenario| scenario.in_flight == 1)
            .map(|scenario| (scenario.length, scenario.connections))
            .collect();
        assert_eq!(one.len(), 15);
    }

    #[test]
    fn every_group_has_a_scenario_and_every_quick_one_exists() {
        let groups: HashSet<_> = all().into_iter().map(|scenario| scenario.group).collect();
        assert_eq!(groups.len(), Group::value_variants().len());
        assert_eq!(quick().len(), 6);
    }

    #[test]
    fn the_mode_has_exactly_the_abilities_of_the_scenarios_group() {
        let certificate = Certificate { chain: "a".into(), key: "b".into() };
        for scenario in all() {
            let mode = scenario.mode(&certificate);
            assert_eq!(mode.tls.is_some(), scenario.group == Group::Tls);
            assert_eq!(mode.deflate.is_some(), scenario.group == Group::Deflate);
            assert_eq!(mode.http2, scenario.group == Group::Http2);
            let fan_out = matches!(scenario.group, Group::FanOut | Group::Hub);
            assert_eq!(mode.fan_out, fan_out);
        }
    }
}
