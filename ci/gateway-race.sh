#!/usr/bin/env bash
# Measures the CPU time of a call in the gateway beside Envoy and grpc-gateway, and prints a table:
# see bench/gateway/race.py. Installs and builds all of it below target/gateway-race. For a quiet
# machine.
#
#   ci/gateway-race.sh                      five rounds of all paths
#   ci/gateway-race.sh --rounds 3 'JSON'    flags and names for race.py
#   PROGRAM='target/release/sockeye gateway'
#                                           the gateway, as words; by default the program, which is
#                                           built first
#   GO=no                                   leaves out grpc-gateway, whose compiler and sources are
#                                           300 MB; the upstream is then ours
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work_dir=$PWD/target/gateway-race
scripts=bench/gateway
say() { printf 'gateway-race: %s\n' "$*"; }

# shellcheck source=ci/foreign.sh
. ci/foreign.sh

missing=()
command -v h2load >/dev/null || missing+=(nghttp2-client)
command -v curl >/dev/null || missing+=(curl)
foreign_debian "${missing[@]}"

mkdir -p "$work_dir/generated"
foreign_python $scripts/requirements.txt "$work_dir"
python=$work_dir/venv/bin/python
protoc() {
  local google
  google=$("$python" -c 'import google.api; print(list(google.api.__path__)[0])')
  "$python" -m grpc_tools.protoc -I $scripts -I "${google%/google/api}" "$@" order.proto
}
protoc --include_imports --descriptor_set_out="$work_dir/generated/order.binpb"

if [ "${GO:-}" = no ]; then
  rm -f "$work_dir/go-upstream" "$work_dir/grpc-gateway"
elif [ ! "$work_dir/grpc-gateway" -nt $scripts/grpc-gateway/main.go ] || [ ! "$work_dir/go-upstream" -nt $scripts/upstream/main.go ]; then
  # shellcheck source=ci/gateway-go.sh
  . ci/gateway-go.sh
  go=$PWD/target/gateway-go
  gateway_go "$go"
  say "building grpc-gateway and the upstream"
  gateway_go_build "$go" $scripts/upstream "$work_dir/go-upstream"
  plugins=$work_dir/plugins
  mkdir -p "$plugins" "$work_dir/go/src"
  gateway_go_build "$go" google.golang.org/protobuf/cmd/protoc-gen-go "$plugins/protoc-gen-go"
  gateway_go_build "$go" google.golang.org/grpc/cmd/protoc-gen-go-grpc "$plugins/protoc-gen-go-grpc"
  gateway_go_build "$go" github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway \
    "$plugins/protoc-gen-grpc-gateway"
  PATH=$plugins:$PATH protoc --go_out="$work_dir/go/src" --go-grpc_out="$work_dir/go/src" \
    --grpc-gateway_out="$work_dir/go/src"
  GATEWAY_GOPATH=$work_dir/go gateway_go_build "$go" $scripts/grpc-gateway "$work_dir/grpc-gateway"
fi
if [ ! -e "$work_dir/go-upstream" ]; then
  say "building the upstream"
  cargo build --quiet --release -p sockeye-gateway --example echo_upstream
  cp "${CARGO_TARGET_DIR:-target}/release/examples/echo_upstream" "$work_dir/echo-upstream"
fi
if [ -z "${PROGRAM:-}" ]; then
  cargo build --quiet --release -p sockeye-cli
  PROGRAM="${CARGO_TARGET_DIR:-target}/release/sockeye gateway"
fi
PYTHONDONTWRITEBYTECODE=1 "$python" $scripts/race.py "$PROGRAM" "$work_dir" "$@"
