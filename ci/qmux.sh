#!/usr/bin/env bash
# Runs the interoperability tests with the crate `qmux`, whose dependencies are not in the lock file
# of the libraries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} \
  cargo test --manifest-path tests/qmux/Cargo.toml --locked
