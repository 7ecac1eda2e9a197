#!/usr/bin/env bash
# Runs all tests of all crates: unit, property, integration, interoperability with peers of other
# makes, and the examples in the documentation. Arguments go to `cargo test`:
#
#   ci/test.sh                          everything
#   ci/test.sh -p sockeye-proto header  only the tests of one crate with `header` in their name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ci/peers.sh
# A missing peer fails its tests here; without this variable they are skipped with a message.
export SOCKEYE_REQUIRE_PEERS=1
if [ $# -eq 0 ]; then
  set -- --workspace
fi
echo "test: cargo test --all-features $*"
cargo test --all-features "$@"
