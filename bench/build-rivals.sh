#!/usr/bin/env bash
# Builds the rivals that are not written in Rust, next to the programs of
# `cargo build --release --bins`:
#   uwebsockets   g++, and the headers of zlib and OpenSSL (Debian: g++ zlib1g-dev libssl-dev)
#   gorilla       Go and its package (Debian: golang-go golang-github-gorilla-websocket-dev)
# A rival that cannot be built is reported and skipped; the race skips it as well.
set -euo pipefail
cd "$(dirname "$0")"
out="${CARGO_TARGET_DIR:-target}/release"
mkdir -p "$out"
out="$(cd "$out" && pwd)"
built=0
objects="$(mktemp -d)"
trap 'rm -rf "$objects"' EXIT

# Uses the flags of the library's own makefiles, which compile for the build machine's processor;
# everything else in the race runs on any x86-64.
uwebsockets() {
    local source flags
    source="$(uwebsockets_source)" || return
    flags=(-O3 -march=native -flto=auto -DLIBUS_USE_OPENSSL "-I$source/src" "-I$source/uSockets/src")
    (cd "$objects" && "${CC:-cc}" "${flags[@]}" -w -std=c11 -c "$source"/uSockets/src/*.c \
        "$source"/uSockets/src/eventing/epoll_kqueue.c "$source"/uSockets/src/crypto/openssl.c) || return
    (cd "$objects" && "${CXX:-c++}" "${flags[@]}" -w -std=c++17 -c "$source"/uSockets/src/crypto/*.cpp) || return
    "${CXX:-c++}" "${flags[@]}" -std=c++20 rivals/uwebsockets/echo.cpp "$objects"/*.o \
        -lssl -lcrypto -lz -o "$out/uwebsockets"
}

# Prints the source folder in the crate that cargo unpacked.
uwebsockets_source() {
    local manifest
    manifest="$(cargo metadata --quiet --format-version 1 --manifest-path rivals/uwebsockets/Cargo.toml |
        grep -o '"manifest_path":"[^"]*/libuwebsockets-sys-[^"]*"' | cut -d'"' -f4)" || return
    echo "${manifest%/Cargo.toml}/uWebSockets"
}

# Debian installs packages of Go code in a separate GOPATH, without modules.
gorilla() {
    GO111MODULE=off GOPATH="$(go env GOPATH):/usr/share/gocode" \
        go build -o "$out/gorilla" ./rivals/gorilla
}

build() {
    local name="$1" tool="$2"
    if ! command -v "$tool" >/dev/null; then
        echo "not built: $name, as there is no $tool"
    elif "$name"; then
        echo "built: $out/$name"
        built=$((built + 1))
    else
        echo "not built: $name, see above"
    fi
}

build uwebsockets "${CXX:-c++}"
build gorilla go
[ "$built" -gt 0 ]
