//! The scenarios by name.

use crate::cycle::Payload;

/// One kind of load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What the command line calls it: `echo-20B-100c-16f` is 20 bytes, 100 connections, 16 in flight.
    pub name: String,
    /// What messages are made of.
    pub payload: Payload,
    /// Payload bytes of each message.
    pub length: usize,
    /// Connections open at once.
    pub connections: usize,
    /// Messages on their way per connection.
    pub in_flight: usize,
}

/// Every scenario, in the order of the table.
pub fn all() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for (length, label) in [(20, "20B"), (16 * 1024, "16KiB")] {
        for in_flight in [1, 16] {
            scenarios.push(echo(Payload::Binary, length, label, 100, in_flight));
        }
    }
    scenarios
}

fn echo(
    payload: Payload,
    length: usize,
    label: &str,
    connections: usize,
    in_flight: usize,
) -> Scenario {
    let name = format!("echo-{label}-{connections}c-{in_flight}f");
    Scenario { name, payload, length, connections, in_flight }
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
}
