#!/usr/bin/env bash
# Soaks servers under 2,000 connections of mixed behaviour, with drains in between: see
# soak/README.md. Exits with status 0 only if no connection, task or file was leaked, memory is
# within 10 % of the value after the warm-up, nothing panicked, and every accepted message was sent
# or counted as dropped. Linux only; needs some 4,000 open files.
#
#   ci/soak.sh [SECONDS]               duration of the soak of each server: 600
#   KINDS="pull split push push-uring" the servers
#   CONNECTIONS=2000                   number of concurrent connections
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-600}
read -r -a kinds <<<"${KINDS:-pull split push push-uring}"
ulimit -n "$(ulimit -H -n)"
cargo build --release -p sockeye-soak
failed=()
for kind in "${kinds[@]}"; do
  "${CARGO_TARGET_DIR:-target}/release/soak-driver" "$kind" --seconds "$seconds" \
    --connections "${CONNECTIONS:-2000}" || failed+=("$kind")
done
[ ${#failed[@]} -eq 0 ] || { echo "soak: failed: ${failed[*]}" >&2; exit 1; }
echo "soak: all checks passed for ${kinds[*]}"
