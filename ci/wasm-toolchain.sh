#!/usr/bin/env bash
# Prints, on its last line, the name of a toolchain that builds for wasm32-unknown-unknown:
#
#   cargo +"$(ci/wasm-toolchain.sh | tail -n 1)" build --target wasm32-unknown-unknown
#
# That is the active toolchain if it has the target (`rustup target add wasm32-unknown-unknown`). On
# a Debian machine without it, and as root, the script builds one from Debian's compiler, with the
# standard library compiled for the target from its sources: about a minute, once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=wasm32-unknown-unknown
name=sockeye-wasm32
say() { printf 'wasm-toolchain: %s\n' "$*" >&2; }

libraries() { printf '%s/lib/rustlib/%s/lib' "$(rustup run "$1" rustc --print sysroot)" "$target"; }
has_target() { compgen -G "$(libraries "$1" 2>/dev/null)/libstd-*.rlib" >/dev/null; }

active=$(rustup show active-toolchain | cut -d' ' -f1)
for candidate in "$active" "$name"; do
  if has_target "$candidate"; then
    say "$candidate has $target"
    echo "$candidate"
    exit 0
  fi
done

say "$active has no $target"
# ci/debian-rustc.sh needs root, apt-get and x86-64, and reports if one is missing.
if ! ci/debian-rustc.sh "$name" >&2; then
  say "install it with:  rustup target add $target${active:+ --toolchain $active}"
  exit 1
fi
if ! has_target "$name"; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/src"
  : >"$work/src/lib.rs"
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$work/Cargo.toml"
  say "compiling the standard library for $target"
  # Without embed-bitcode a profile with `lto = true` does not link; `test` is for `cargo test`.
  (
    cd "$work"
    env -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER RUSTFLAGS=-Cembed-bitcode=yes RUSTC_BOOTSTRAP=1 \
      CARGO_TARGET_DIR="$work/target" \
      cargo +"$name" build --quiet --release --target "$target" \
      -Zbuild-std=core,alloc,std,panic_abort,proc_macro,test >&2
  )
  mkdir -p "$(libraries "$name")"
  find "$work/target/$target/release/deps" -name '*.rlib' ! -name 'libempty-*' \
    -exec cp {} "$(libraries "$name")/" \;
fi
has_target "$name"
say "$name has $target"
echo "$name"
