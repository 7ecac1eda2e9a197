#!/usr/bin/env bash
# Measures unary calls from browsers: presses the button of the demo's page, and prints the times of
# 8,192 consecutive calls, each with a deadline, and those of bare echoes of 100 bytes before them
# in the same page. Fails if in Chromium the median of the rounds is over 1.5 times a bare echo. For
# a quiet machine.
#
#   ci/latency.sh                      in Chromium and in Firefox
#   ci/latency.sh chromium             in one of them
#   ROUNDS=7                           number of rounds
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# -gt 0 ] || set -- chromium firefox
ci/peers.sh
demo/build.sh
cargo build --release -p sockeye-cli
folder=${CARGO_TARGET_DIR:-$PWD/target}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for browser in "$@"; do
  # The bound holds for Chromium; in Firefox the results are only printed.
  limit=1.5
  [ "$browser" = chromium ] || limit=Infinity
  program=$(command -v "$browser" || command -v "$browser-esr") || {
    echo "latency: not found: $browser" >&2
    exit 1
  }
  SOCKEYE=$folder/release/sockeye BROWSER=$program MODULES=$PWD/target/peers/node/node_modules SCRATCH=$scratch \
    ROUNDS=${ROUNDS:-7} LIMIT=$limit node crates/cli/tests/it/browser/latency.mjs "$browser"
done
