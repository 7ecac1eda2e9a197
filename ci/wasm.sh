#!/usr/bin/env bash
# Checks sockeye for wasm32-unknown-unknown, then builds a small program that drives sockeye-proto,
# and shows that this program imports nothing from its host: no clock, no randomness, no files, no
# JavaScript.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=wasm32-unknown-unknown
toolchain=$(ci/wasm-toolchain.sh | tail -n 1)
# An absolute folder, since the second build runs elsewhere; one for each compiler, since a compiler
# cannot use the libraries of another.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/wasm-$toolchain

echo "wasm: cargo check -p sockeye-proto --all-features --target $target"
cargo +"$toolchain" check -p sockeye-proto --all-features --target "$target"

echo "wasm: cargo check -p sockeye --target $target"
cargo +"$toolchain" check -p sockeye --target "$target"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
cat >"$work/Cargo.toml" <<EOF
[package]
name = "proto-in-wasm"
version = "0.0.0"
# In edition 2024 the attribute that names an exported function would be unsafe.
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
sockeye-proto = { path = "$PWD/crates/proto", features = ["deflate"] }

[workspace]
EOF
cp ci/wasm-probe.rs "$work/src/lib.rs"
cp Cargo.lock "$work/" 2>/dev/null || true

echo "wasm: building ci/wasm-probe.rs, which drives it"
(cd "$work" && cargo +"$toolchain" build --release --target "$target")
node ci/wasm-imports.mjs "$CARGO_TARGET_DIR/$target/release/proto_in_wasm.wasm"
