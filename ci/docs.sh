#!/usr/bin/env bash
# Builds the documentation of our crates with every feature; each warning is an error.
# The examples in it are compiled and run by ci/test.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

echo "docs: cargo doc --workspace --all-features --no-deps with -D warnings"
RUSTDOCFLAGS="-D warnings ${RUSTDOCFLAGS:-}" cargo doc --workspace --all-features --no-deps
