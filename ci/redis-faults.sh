#!/usr/bin/env bash
# Runs all tests of the bus over Redis with real servers, also those that ci/test.sh leaves out
# because they wait for failovers: primaries that are killed, with Sentinel and in a cluster, and
# connections of a cluster that end again and again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ci/peers.sh
export SOCKEYE_REQUIRE_PEERS=1
echo "redis-faults: cargo test -p sockeye-hub --all-features --test it redis:: -- --include-ignored"
cargo test -p sockeye-hub --all-features --test it redis:: -- --include-ignored
