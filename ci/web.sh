#!/usr/bin/env bash
# Runs the tests of sockeye-web in a headless browser, in a page and in a worker.
#
#   ci/web.sh             in Chromium
#   ci/web.sh firefox     in Firefox: see ci/browsers.sh, which installs that
#   ci/web.sh --prepare   only installs and builds what they need
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

browser=${1:-chromium}
target=wasm32-unknown-unknown
say() { printf 'web: %s\n' "$*"; }
fail() { printf 'web: %s\n' "$*" >&2; exit 1; }

install_chromium() {
  if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then
    return
  fi
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    fail "not found: chromium and chromedriver. Install them with your system's package manager, then run this again."
  fi
  say "installing chromium and chromium-driver"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    chromium chromium-driver >/dev/null
}

# The tests are told the address when they are compiled: a page has no environment.
start_peer() {
  output=$(mktemp)
  "$peer" >"$output" &
  peer_id=$!
  trap 'kill "$peer_id" 2>/dev/null || true; rm -f "$output"' EXIT
  for _ in $(seq 100); do
    read -r SOCKEYE_WEB_TEST_PEER <"$output" && break
    sleep 0.1
  done || true
  [ -n "${SOCKEYE_WEB_TEST_PEER:-}" ] || fail "the server of the tests did not start"
  export SOCKEYE_WEB_TEST_PEER
}

toolchain=$(ci/wasm-toolchain.sh | tail -n 1)
[ "$browser" = firefox ] || install_chromium
runner=$(ci/wasm-bindgen.sh | tail -n 1)/wasm-bindgen-test-runner
say "building the server of the tests"
peer=$(cargo build --quiet -p sockeye-web --example test_peer --message-format json |
  sed -n 's/.*"name":"test_peer".*"executable":"\([^"]*\)".*/\1/p')
[ -x "$peer" ] || fail "the server of the tests was not built"
# One folder for each compiler, since the libraries of one mean nothing to another.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/wasm-$toolchain
say "building the examples"
cargo +"$toolchain" build --quiet -p sockeye-web --examples --target "$target"
if [ "$browser" = --prepare ]; then
  cargo +"$toolchain" test --quiet -p sockeye-web --tests --target "$target" --no-run
  exit 0
fi

case $browser in
  chromium) CHROMEDRIVER=$(command -v chromedriver) && export CHROMEDRIVER ;;
  firefox) [ -n "${GECKODRIVER:-}" ] || fail "GECKODRIVER is not set: run ci/browsers.sh" ;;
  *) fail "unknown browser: $browser" ;;
esac
start_peer
say "cargo test -p sockeye-web --tests --target $target, in $browser, with a server at $SOCKEYE_WEB_TEST_PEER"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$runner WASM_BINDGEN_TEST_TIMEOUT=600
cargo +"$toolchain" test -p sockeye-web --tests --target "$target"
