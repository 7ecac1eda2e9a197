#!/usr/bin/env bash
# Runs the Autobahn test suite against Sockeye in both roles at once, the server role by tasks and
# by callbacks (with each backend that the system has), and compares every result with
# conformance/expected/. Reports for a browser are left in
# target/conformance/{server,push,io-uring,client}/.
#
#   ci/conformance.sh            all cases
#   ci/conformance.sh --quick    without the slow ones, selected by conformance/quick.json
#
#   AUTOBAHN_SERVER, AUTOBAHN_CLIENT   other programs to test, with the arguments of the examples
#                                      autobahn_server and autobahn_client
#   WSTEST                             the command of the suite, if ci/autobahn.sh cannot install it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

selection=conformance/all.json
# A case that hangs ends by itself; this is the timeout of a peer that hangs.
suite_timeout=3600
profile=release
case "${1:-}" in
  # With the build of the tests, so that a change is not compiled twice.
  --quick) selection=conformance/quick.json suite_timeout=600 profile=dev ;;
  '') ;;
  *) echo "conformance: unknown argument: $1" >&2; exit 2 ;;
esac

read -r -a wstest <<<"${WSTEST:-$(ci/autobahn.sh | tail -n 1)}"
if [ -z "${AUTOBAHN_SERVER:-}" ] || [ -z "${AUTOBAHN_CLIENT:-}" ]; then
  echo "conformance: building the examples autobahn_server and autobahn_client"
  # The features of the whole workspace are those of ci/test.sh.
  cargo build --profile "$profile" --workspace --all-features --example autobahn_server --example autobahn_client
fi
examples=${CARGO_TARGET_DIR:-target}/${profile/dev/debug}/examples
read -r -a our_server <<<"${AUTOBAHN_SERVER:-$examples/autobahn_server}"
read -r -a our_client <<<"${AUTOBAHN_CLIENT:-$examples/autobahn_client}"

out=$PWD/target/conformance
rm -rf "$out"
mkdir -p "$out/client"

started=()
stop_all() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
}
trap stop_all EXIT

# until_true SECONDS WHAT COMMAND...: polls COMMAND until it succeeds, and fails after SECONDS.
until_true() {
  local tries=$(($1 * 10)) what=$2
  shift 2
  until "$@" 2>/dev/null; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "conformance: $what did not happen" >&2; return 1; }
    sleep 0.1
  done
}
accepts() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Sockeye's servers, with the suite as client. An AUTOBAHN_SERVER is one server only.
servers=(server)
if [ -z "${AUTOBAHN_SERVER:-}" ]; then
  servers+=(push)
  # Not every system allows io_uring: there the program ends at once, and prints why.
  if timeout 2 "${our_server[@]}" 127.0.0.1:0 io-uring >/dev/null 2>&1 || [ $? -eq 124 ]; then
    servers+=(io-uring)
  else
    echo "conformance: no io_uring here, so that backend is not tested"
  fi
fi
suites=()
for name in "${servers[@]}"; do
  mkdir -p "$out/$name"
  mode=()
  [ "$name" = server ] || mode=("$name")
  "${our_server[@]}" 127.0.0.1:0 "${mode[@]}" >"$out/$name/program.log" 2>"$out/$name/program.err" &
  started+=($!)
  until_true 30 "the line 'listening on' of $name" grep -q '^listening on ' "$out/$name/program.log"
  address=$(sed -n 's/^listening on //p' "$out/$name/program.log")
  python3 conformance/spec.py fuzzingclient "ws://$address" "$out/$name" "$selection" >"$out/$name/spec.json"
  timeout "$suite_timeout" "${wstest[@]}" -m fuzzingclient -s "$out/$name/spec.json" >"$out/$name/suite.log" 2>&1 &
  suites+=($!)
  started+=($!)
done

# The suite as server, with Sockeye's client.
port=$(free_port)
python3 conformance/spec.py fuzzingserver "ws://127.0.0.1:$port" "$out/client" "$selection" >"$out/client/spec.json"
"${wstest[@]}" -m fuzzingserver -u 0 -s "$out/client/spec.json" >"$out/client/suite.log" 2>&1 &
started+=($!)
until_true 30 "the suite's listening on port $port" accepts "$port"
timeout "$suite_timeout" "${our_client[@]}" "ws://127.0.0.1:$port" >"$out/client/program.log" 2>"$out/client/program.err" &
as_client=$!
started+=("$as_client")

echo "conformance: running $selection: ${servers[*]} client"
failed=0
for index in "${!servers[@]}"; do
  wait "${suites[$index]}" || { echo "conformance: the suite failed: see $out/${servers[$index]}/" >&2; failed=1; }
done
wait "$as_client" || { echo "conformance: our client failed: see $out/client/" >&2; failed=1; }

for name in "${servers[@]}" client; do
  role=server
  [ "$name" != client ] || role=client
  python3 conformance/compare.py "$name" "$out/$name/index.json" "conformance/expected/$role.json" "$selection" || failed=1
done
exit "$failed"
