#!/usr/bin/env bash
# Runs the gateway between upstreams and clients of other makes, and prints a line for each. Installs
# and builds them below target/gateway-peers and from Debian's packages.
#
#   ci/gateway-peers.sh                    all rows, grpc-go and grpc++ as upstreams included
#   ci/gateway-peers.sh --quick            without these two, whose compilers and sources are large
#   ci/gateway-peers.sh --prepare          only installs what --quick needs
#   ci/gateway-peers.sh browser 'buf curl' the rows whose names contain one of the words
#   WASMWS=FOLDER                          runs the row of wasmws with its source in this folder, as no
#                                          package has it
#   PROGRAM='target/debug/sockeye gateway' the gateway, as words; by default the program as ci/test.sh
#                                          builds it, which is built first
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work_dir=$PWD/target/gateway-peers
scripts=tests/gateway
say() { printf 'gateway-peers: %s\n' "$*"; }

quick= prepare=
case "${1:-}" in
--quick) quick=1 && shift ;;
--prepare) quick=1 prepare=1 ;;
esac

# shellcheck source=ci/foreign.sh
. ci/foreign.sh

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v curl >/dev/null || missing+=(curl)
foreign_debian "${missing[@]}"

mkdir -p "$work_dir"
foreign_python $scripts/requirements.txt "$work_dir"
foreign_node $scripts/package.json "$work_dir"
# Modules of Node find their packages beside them.
cp $scripts/*.mjs crates/gateway/js/sockeye-grpc.js "$work_dir/node/"

google=$("$work_dir/venv/bin/python" -c 'import google.api, os; print(os.path.dirname(list(google.api.__path__)[0]))')
google=$(dirname "$google")
if [ ! "$work_dir/generated/interop.binpb" -nt $scripts/interop.proto ]; then
  mkdir -p "$work_dir/generated"
  "$work_dir/venv/bin/python" -m grpc_tools.protoc -I $scripts -I "$google" \
    --python_out="$work_dir/generated" --grpc_python_out="$work_dir/generated" \
    --include_imports --descriptor_set_out="$work_dir/generated/interop.binpb" interop.proto
fi
go=$PWD/target/gateway-go
if [ -z "$quick" ] && { [ ! "$work_dir/go-upstream" -nt $scripts/go/main.go ] ||
  [ ! "$work_dir/go-tunnel" -nt $scripts/go-tunnel/main.go ]; }; then
  # shellcheck source=ci/gateway-go.sh
  . ci/gateway-go.sh
  gateway_go "$go"
  say "building the programs on grpc-go"
  gateway_go_build "$go" $scripts/go "$work_dir/go-upstream"
  gateway_go_build "$go" $scripts/go-tunnel "$work_dir/go-tunnel"
fi
rm -f "$work_dir/wasmws.wasm"
if [ -z "$quick" ] && [ -n "${WASMWS:-}" ]; then
  # shellcheck source=ci/gateway-go.sh
  . ci/gateway-go.sh
  gateway_go "$go"
  say "building the client with wasmws"
  rm -rf "$work_dir/gopath"
  mkdir -p "$work_dir/gopath/src/github.com/tarndt/wasmws"
  # Its files for servers have constraints of Go before 1.17, which a compiler of today ignores.
  cp "$WASMWS"/*_js.go "$work_dir/gopath/src/github.com/tarndt/wasmws/"
  GATEWAY_GOPATH=$work_dir/gopath GOOS=js GOARCH=wasm \
    gateway_go_build "$go" $scripts/go-tunnel "$work_dir/wasmws.wasm"
  cp "$go/root/usr/share/go-1.24/lib/wasm/wasm_exec.js" "$work_dir/wasm_exec.js"
fi
if [ -z "$quick" ] && [ ! "$work_dir/cpp-upstream" -nt $scripts/cpp/upstream.cc ]; then
  # shellcheck source=ci/gateway-cpp.sh
  . ci/gateway-cpp.sh
  say "building the upstream on grpc++"
  gateway_cpp $scripts "$google" "$work_dir/cpp" "$work_dir/cpp-upstream"
fi

[ -z "$prepare" ] || exit 0
if [ -z "${PROGRAM:-}" ]; then
  # The features of the whole workspace are those of ci/test.sh, so that nothing is compiled twice.
  cargo build --quiet --workspace --all-features --bin sockeye
  PROGRAM="${CARGO_TARGET_DIR:-target}/debug/sockeye gateway"
fi
say "the gateway is $PROGRAM"
PYTHONDONTWRITEBYTECODE=1 python3 $scripts/run.py "$PROGRAM" "$work_dir" "$@"
