#!/usr/bin/env bash
# Measures `sockeye tunnel` beside two socat relays and rusty-penguin, and prints a table: see
# bench/tunnel/race.py. rusty-penguin is built below target/tunnel-race. For a quiet machine.
#
#   ci/tunnel-race.sh                 five rounds
#   ci/tunnel-race.sh --reverse       from the server to the client
#   PROGRAMS='before=FILE now=FILE'   the programs to compare, with their names in the table; by default
#                                     the program of this tree, which is built first
#   PENGUIN=no                        leaves out rusty-penguin
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work_dir=$PWD/target/tunnel-race

# shellcheck source=ci/foreign.sh
. ci/foreign.sh

missing=()
for program in iperf3 socat; do
  command -v "$program" >/dev/null || missing+=("$program")
done
foreign_debian "${missing[@]}"

if [ -z "${PROGRAMS:-}" ]; then
  cargo build --quiet --release -p sockeye-cli
  PROGRAMS=sockeye=${CARGO_TARGET_DIR:-target}/release/sockeye
fi
flags=()
for program in $PROGRAMS; do
  flags+=(--program "$program")
done
if [ "${PENGUIN:-}" != no ]; then
  [ -x "$work_dir/bin/penguin" ] || CARGO_TARGET_DIR=$work_dir/build \
    cargo install --quiet --root "$work_dir" --version 0.8.4 rusty-penguin
  flags+=(--penguin "$work_dir/bin/penguin")
fi
PYTHONDONTWRITEBYTECODE=1 python3 bench/tunnel/race.py "${flags[@]}" "$@"
