#!/usr/bin/env bash
# Simulates the rooms and the presence of the hub over many seeds: a store that loses and rolls
# back, a bus that drops, repeats and reorders, nodes and sessions that come and go. A failure prints
# its seed.
#
#   ci/hub-simulation.sh          10,000 seeds
#   ci/hub-simulation.sh 100000   as many as this
#   HUB_SIMULATION_SEED=42 ci/hub-simulation.sh   this one, with a trace
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export HUB_SIMULATION_SEEDS=${1:-10000}
echo "hub-simulation: $HUB_SIMULATION_SEEDS seeds"
cargo test --release -p sockeye-hub --test simulation -- --nocapture
