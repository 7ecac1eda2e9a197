#!/usr/bin/env bash
# Builds the documentation of all crates with every feature; each warning is an error. ci/test.sh
# compiles and runs the examples in it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

echo "docs: cargo doc --workspace --all-features --no-deps with -D warnings"
RUSTDOCFLAGS="-D warnings ${RUSTDOCFLAGS:-}" cargo doc --workspace --all-features --no-deps
