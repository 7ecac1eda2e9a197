#!/usr/bin/env bash
# Runs all tests of all crates: unit, property, integration, interoperability with foreign peers,
# and the examples in the documentation. Arguments go to `cargo test`:
#
#   ci/test.sh                          everything
#   ci/test.sh -p sockeye-proto header  only the tests of one crate with `header` in their name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ci/peers.sh
# With this variable a missing peer fails its tests; without it they are skipped with a message.
export SOCKEYE_REQUIRE_PEERS=1
# Most tests wait for timeouts, leases and brokers: many at a time end sooner.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 4))}
if [ $# -gt 0 ]; then
  echo "test: cargo test --all-features $*"
  exec cargo test --all-features "$@"
fi
# The examples have no tests, and ci/lint.sh checks that they compile.
echo "test: cargo test --all-features --workspace --lib --bins --tests"
cargo test --all-features --workspace --lib --bins --tests
echo "test: the examples in the documentation"
cargo test --all-features --workspace --doc
# With all features the handler server runs on io_uring if the system has it.
echo "test: the handler server on readiness events"
SOCKEYE_BACKEND=readiness cargo test --all-features --workspace --test push
