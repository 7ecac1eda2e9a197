#!/usr/bin/env bash
# Builds the client of the demo as `demo/build.sh` does, and fails if it is larger than a page
# should load: 200 KiB gzipped, after optimisation.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

limit=$((200 * 1024))
demo/build.sh
client=${CARGO_TARGET_DIR:-$PWD/target}/demo/client_bg.wasm
length=$(gzip -9 -c "$client" | wc -c)
echo "demo: $length bytes gzipped, of $limit allowed"
[ "$length" -le "$limit" ] || ! command -v npm >/dev/null || { echo "demo: the client is too large" >&2; exit 1; }
