#!/usr/bin/env bash
# Puts the real nginx, HAProxy and Apache of Debian, with the configurations of packaging/proxies and
# their default timeouts, before `sockeye serve`, `gateway`, `tunnel serve` and `exec`: WebSockets that
# are idle for longer than the timeouts stay open, calls pass, a terminal is resumed, and Sockeye sees
# the client's address. Takes about 80 s, most of which is the silence.
#
#   ci/proxies.sh             all proxies
#   ci/proxies.sh nginx 5     one of them, with 5 s of silence
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'proxies: %s\n' "$*"; }

# shellcheck source=ci/foreign.sh
. ci/foreign.sh

missing=()
for package in nginx-light haproxy apache2-bin; do
  command -v "${package%-*}" >/dev/null || [ -x "/usr/sbin/${package%-*}" ] || missing+=("$package")
done
foreign_debian "${missing[@]}"

if [ -z "${PROGRAM:-}" ]; then
  cargo build --quiet --workspace --all-features --bin sockeye
  PROGRAM=${CARGO_TARGET_DIR:-target}/debug/sockeye
fi
PYTHONDONTWRITEBYTECODE=1 python3 tests/proxies/run.py "$PROGRAM" "$@"
