#!/usr/bin/env bash
# Prints, on its last line, the folder with the programs of wasm-bindgen: the command line tools in
# the version of Cargo.lock, which must be that of the library. Kept in ~/.cache/sockeye; built from
# source if missing, in a minute or two.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/sockeye/wasm-bindgen-$version
if [ ! -x "$tools/bin/wasm-bindgen" ]; then
  printf 'wasm-bindgen: installing wasm-bindgen-cli %s\n' "$version" >&2
  # Its lock file names versions that do not build together.
  CARGO_TARGET_DIR=$tools/target CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=1 \
    cargo install --quiet --debug wasm-bindgen-cli --version "$version" --root "$tools" >&2
  rm -rf "$tools/target"
fi
echo "$tools/bin"
