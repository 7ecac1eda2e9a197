#!/usr/bin/env bash
# Checks that the generated code in git is what the definitions of the services generate.
#
#   cargo run --manifest-path codegen/Cargo.toml   generates it anew
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

echo "codegen: cargo run --manifest-path codegen/Cargo.toml -- --check"
cargo run --quiet --locked --manifest-path codegen/Cargo.toml -- --check
