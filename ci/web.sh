#!/usr/bin/env bash
# Runs the tests of sockeye-web, sockeye-grpc and the client of sockeye-hub in a headless browser, in
# a page and in a worker.
#
#   ci/web.sh             in Chromium
#   ci/web.sh firefox     in Firefox: see ci/browsers.sh, which installs that
#   ci/web.sh --prepare   only installs and builds the prerequisites
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

browser=${1:-chromium}
target=wasm32-unknown-unknown
say() { printf 'web: %s\n' "$*"; }
fail() { printf 'web: %s\n' "$*" >&2; exit 1; }

# install PROGRAM... -- PACKAGE...: installs the packages unless all programs exist.
install() {
  local programs=() program missing=
  while [ "$1" != -- ]; do programs+=("$1") && shift; done
  shift
  for program in "${programs[@]}"; do command -v "$program" >/dev/null || missing=1; done
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    fail "not found: ${programs[*]}. Install them with your system's package manager, then run this again."
  fi
  say "installing $*"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Builds an example, and prints its path. The features of the whole workspace are those of
# ci/test.sh, so that nothing is compiled twice.
build_peer() {
  local peer
  peer=$(cargo build --quiet --workspace --all-features --example "$1" --message-format json |
    sed -n 's/.*"name":"'"$1"'".*"executable":"\([^"]*\)".*/\1/p')
  [ -x "$peer" ] || fail "the example $1 was not built"
  printf '%s\n' "$peer"
}

# The tests get the addresses at compile time: a page has no environment. Each server prints its
# address in its first line, which is stored in the variable named.
peers=()
outputs=$(mktemp -d)
trap 'kill "${peers[@]}" 2>/dev/null || true; rm -rf "$outputs"' EXIT
start_peer() {
  local peer=$1 variable=$2 address=
  "$peer" >"$outputs/$variable" &
  peers+=($!)
  for _ in $(seq 100); do
    read -r address <"$outputs/$variable" && break
    sleep 0.1
  done || true
  [ -n "$address" ] || fail "$peer did not start"
  export "$variable=$address"
}

toolchain=$(ci/wasm-toolchain.sh | tail -n 1)
[ "$browser" = firefox ] || install chromium chromedriver -- chromium chromium-driver
# The tests of TLS in the browser use ring, some of which is C.
install clang llvm-ar -- clang llvm
runner=$(ci/wasm-bindgen.sh | tail -n 1)/wasm-bindgen-test-runner
say "building the servers of the tests"
web_peer=$(build_peer test_peer)
grpc_peer=$(build_peer browser_peer)
tunnel_peer=$(build_peer tunnel_peer)
hub_peer=$(build_peer hub_browser_peer)
# Some scenarios move a gibibyte: without any optimisation a browser takes minutes for that.
export CARGO_PROFILE_DEV_OPT_LEVEL=1
# One folder for each compiler, since a compiler cannot use the libraries of another.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/wasm-$toolchain
say "building the examples"
cargo +"$toolchain" build --quiet -p sockeye-web --examples --target "$target"
# All crates at once, so that what they share is compiled with one set of features.
tests=(cargo +"$toolchain" test -p sockeye-web -p sockeye-grpc -p sockeye-hub --all-features
  --test page --test policy --test worker --target "$target")
if [ "$browser" = --prepare ]; then
  "${tests[@]}" --quiet --no-run
  exit
fi

case $browser in
  chromium) CHROMEDRIVER=$(command -v chromedriver) && export CHROMEDRIVER ;;
  firefox) [ -n "${GECKODRIVER:-}" ] || fail "GECKODRIVER is not set: run ci/browsers.sh" ;;
  *) fail "unknown browser: $browser" ;;
esac
start_peer "$web_peer" SOCKEYE_WEB_TEST_PEER
start_peer "$grpc_peer" SOCKEYE_GRPC_TEST_PEER
start_peer "$tunnel_peer" SOCKEYE_GRPC_TEST_TUNNEL
start_peer "$hub_peer" SOCKEYE_HUB_TEST_PEER
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$runner WASM_BINDGEN_TEST_TIMEOUT=600
say "${tests[*]}, in $browser"
"${tests[@]}"
