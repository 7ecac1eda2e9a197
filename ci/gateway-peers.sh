#!/usr/bin/env bash
# Runs the gateway between upstreams and clients of other makes, and prints a line for each. Installs
# and builds them below target/gateway-peers and from Debian's packages.
#
#   ci/gateway-peers.sh                    all rows, grpc-go as an upstream included
#   ci/gateway-peers.sh --quick            does not install grpc-go, whose compiler and sources are 300 MB
#   ci/gateway-peers.sh --prepare          only installs what --quick needs
#   ci/gateway-peers.sh browser 'buf curl' the rows whose names contain one of the words
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

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v curl >/dev/null || missing+=(curl)
if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    say "not found: ${missing[*]}. Install them as root, then run this again." >&2
    exit 1
  fi
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

mkdir -p "$work_dir"
# The stamps are copies of the manifests that were installed: a changed manifest installs again.
if ! cmp -s $scripts/requirements.txt "$work_dir/venv/installed.txt"; then
  say "installing $(grep -v '^#' $scripts/requirements.txt | xargs)"
  rm -rf "$work_dir/venv"
  python3 -m venv "$work_dir/venv"
  "$work_dir/venv/bin/python" -m pip install --disable-pip-version-check -q -r $scripts/requirements.txt
  cp $scripts/requirements.txt "$work_dir/venv/installed.txt"
fi
if ! cmp -s $scripts/package.json "$work_dir/node/installed.json"; then
  say "installing the packages of $scripts/package.json"
  rm -rf "$work_dir/node"
  mkdir -p "$work_dir/node"
  cp $scripts/package.json "$work_dir/node/package.json"
  npm install --prefix "$work_dir/node" --no-package-lock --no-audit --no-fund --ignore-scripts --silent
  cp $scripts/package.json "$work_dir/node/installed.json"
fi
# Modules of Node find their packages beside them.
cp $scripts/*.mjs crates/gateway/js/sockeye-grpc.js "$work_dir/node/"

if [ ! "$work_dir/generated/interop.binpb" -nt $scripts/interop.proto ]; then
  mkdir -p "$work_dir/generated"
  google=$("$work_dir/venv/bin/python" -c 'import google.api, os; print(os.path.dirname(list(google.api.__path__)[0]))')
  "$work_dir/venv/bin/python" -m grpc_tools.protoc -I $scripts -I "$(dirname "$google")" \
    --python_out="$work_dir/generated" --grpc_python_out="$work_dir/generated" \
    --include_imports --descriptor_set_out="$work_dir/generated/interop.binpb" interop.proto
fi
if [ -z "$quick" ] && [ ! "$work_dir/go-upstream" -nt $scripts/go/main.go ]; then
  # shellcheck source=ci/gateway-go.sh
  . ci/gateway-go.sh
  gateway_go "$PWD/target/gateway-go"
  say "building the upstream on grpc-go"
  gateway_go_build "$PWD/target/gateway-go" $scripts/go "$work_dir/go-upstream"
fi

[ -z "$prepare" ] || exit 0
if [ -z "${PROGRAM:-}" ]; then
  # The features of the whole workspace are those of ci/test.sh, so that nothing is compiled twice.
  cargo build --quiet --workspace --all-features --bin sockeye
  PROGRAM="${CARGO_TARGET_DIR:-target}/debug/sockeye gateway"
fi
say "the gateway is $PROGRAM"
PYTHONDONTWRITEBYTECODE=1 python3 $scripts/run.py "$PROGRAM" "$work_dir" "$@"
