#!/usr/bin/env bash
# Attacks `sockeye serve` in every way that once succeeded: memory of unfinished or unread data,
# resets, floods, DNS rebinding, forged and flooded logs. Prints for each the peak memory beyond the
# start, the cores in use and the delay of a legitimate client beside it, and exits with status 0
# only if all stay within their bounds. Linux and Python 3.11; the long set needs some 20,000 open
# files.
#
#   ci/attacks.sh                  all, in some 20 minutes
#   ci/attacks.sh --quick          those that take few seconds, in at most a minute
#   ci/attacks.sh NAME...          some (ci/attacks.sh --list prints the names)
#   PROGRAM=target/debug/sockeye   attacks this program instead of a release build
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ulimit -n "$(ulimit -H -n)"
program=${PROGRAM:-}
if [ -z "$program" ]; then
  cargo build --release -p sockeye-cli
  program=${CARGO_TARGET_DIR:-target}/release/sockeye
fi
exec python3 tests/attacks/main.py "$program" "$@"
