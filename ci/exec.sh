#!/usr/bin/env bash
# Looks at `sockeye exec` with foreign programs, and measures it:
#
#   ci/exec.sh screens     xterm.js compares what early and late viewers of tmux and vttest see
#   ci/exec.sh figures     memory under `yes`, Ctrl-C, and the processes of 1,000 connections
#   ci/exec.sh reattach    the time until Chromium has its screen back
#
# Without an argument, runs all, which takes about two minutes. LIMIT_MS (100) is the limit of the times.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'exec: %s\n' "$*"; }

# shellcheck source=ci/foreign.sh
. ci/foreign.sh

missing=()
for package in tmux vttest chromium; do
  command -v "$package" >/dev/null || missing+=("$package")
done
foreign_debian "${missing[@]}"
foreign_node tests/exec/package.json target/exec

if [ -z "${SOCKEYE:-}" ]; then
  cargo build --quiet --workspace --all-features --bin sockeye
  SOCKEYE=$PWD/${CARGO_TARGET_DIR:-target}/debug/sockeye
fi
BROWSER=$(command -v chromium)
export SOCKEYE BROWSER MODULES=$PWD/target/exec/node/node_modules

if [ $# -eq 0 ]; then
  set -- screens figures reattach
fi
for part; do
  case $part in
    screens | figures) node "tests/exec/$part.mjs" ;;
    reattach) node crates/cli/tests/it/browser/reattach.mjs ;;
    *)
      say "no part: $part" >&2
      exit 2
      ;;
  esac
done
say "done"
