#!/usr/bin/env bash
# Checks that every Rust file is formatted according to rustfmt.toml. `cargo fmt --all` formats
# them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

echo "fmt: cargo fmt --all --check"
cargo fmt --all --check
for manifest in fuzz/Cargo.toml bench/Cargo.toml codegen/Cargo.toml tests/qmux/Cargo.toml; do
  if [ -f "$manifest" ]; then
    echo "fmt: the same for $manifest, which is a workspace of its own"
    cargo fmt --manifest-path "$manifest" --check
  fi
done
