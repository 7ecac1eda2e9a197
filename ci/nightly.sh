#!/usr/bin/env bash
# Runs the checks that take too long for .ci/run, one after the other, and continues after a
# failure: the generated code, the oldest compiler, the whole of Autobahn's suite, all foreign peers
# and proxies, those of the gateway, of the tunnel and of sockeye exec, Firefox, every combination
# of permessage-deflate's parameters with each peer, the size of the demo's client, the latency of
# calls from browsers, the models of the queues, the simulation of the hub's rooms, its faults with
# real brokers, the failovers of Redis, protobuf's conformance suite, sessions with the crate qmux,
# the fuzz targets for a minute each, the percentiles of sockeye bench, the files from npm, the
# packing of a release and the soak.
#
#   ci/nightly.sh                    all of it
#   ci/nightly.sh compatibility soak the steps named
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(
  codegen msrv conformance compatibility gateway-peers tunnel-peers exec proxies attacks browsers
  combinations demo latency models hub-simulation hub-faults redis-faults protobuf-conformance qmux
  fuzz bench xterm release soak
)
table=()
failed=0

for step in "${steps[@]}"; do
  case $step in
  codegen) command=(ci/codegen.sh) ;;
  msrv) command=(ci/msrv.sh) ;;
  conformance) command=(ci/conformance.sh) ;;
  compatibility) command=(ci/compatibility.sh) ;;
  gateway-peers) command=(ci/gateway-peers.sh) ;;
  tunnel-peers) command=(ci/tunnel-peers.sh) ;;
  # Its limit of 100 ms holds on a quiet machine: here only a stall is a failure.
  exec) command=(env LIMIT_MS=1000 ci/exec.sh) ;;
  proxies) command=(ci/proxies.sh) ;;
  attacks) command=(ci/attacks.sh) ;;
  browsers) command=(ci/browsers.sh) ;;
  combinations) command=(env SOCKEYE_ALL_COMBINATIONS=1 ci/test.sh -p sockeye --test it on_every_) ;;
  demo) command=(ci/demo.sh) ;;
  latency) command=(ci/latency.sh) ;;
  models) command=(ci/models.sh) ;;
  hub-simulation) command=(ci/hub-simulation.sh) ;;
  hub-faults) command=(ci/hub-faults.sh) ;;
  redis-faults) command=(ci/redis-faults.sh) ;;
  protobuf-conformance) command=(ci/protobuf-conformance.sh) ;;
  qmux) command=(ci/qmux.sh) ;;
  fuzz) command=(env SECONDS_EACH=60 ci/fuzz.sh) ;;
  bench) command=(ci/test.sh -p sockeye-cli --test it of_a_long_test -- --ignored) ;;
  xterm) command=(ci/xterm.sh) ;;
  # Packs the program of the tests, as one with all optimisations takes longest to build.
  release)
    cargo build --quiet --workspace --all-features --bin sockeye
    command=(env PROGRAM="${CARGO_TARGET_DIR:-target}/debug/sockeye" ci/release.sh)
    ;;
  soak) command=(ci/soak.sh) ;;
  *)
    printf 'nightly: no step is called %s\n' "$step" >&2
    exit 2
    ;;
  esac
  printf '\n=== %s: %s\n' "$step" "${command[*]}"
  begin=$SECONDS
  if "${command[@]}" </dev/null; then verdict=passed; else verdict=FAILED && failed=1; fi
  table+=("$(printf '%-20s %s %5s s' "$step" "$verdict" $((SECONDS - begin)))")
done

printf '\n'
printf '%s\n' "${table[@]}"
exit $failed
