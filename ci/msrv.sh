#!/usr/bin/env bash
# Checks the library crates with the oldest compiler that they promise to support: `rust-version` of
# the workspace. That compiler is rustup's if installed, else Debian's (x86_64, root). The program
# and the gRPC crate have other minimum versions, tested by ci/lint.sh and ci/test.sh only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

crates=(sockeye-proto sockeye)
version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$version" ] || { echo "msrv: Cargo.toml states no rust-version" >&2; exit 1; }

if rustup run "$version" rustc -V >/dev/null 2>&1; then
  toolchain=$version
else
  toolchain=sockeye-msrv-$version
  ci/debian-rustc.sh "$toolchain" "$version" || {
    echo "msrv: install it with: rustup toolchain install $version --profile minimal" >&2
    exit 1
  }
fi

echo "msrv: $(rustup run "$toolchain" rustc -V)"
for crate in "${crates[@]}"; do
  echo "msrv: cargo check -p $crate --lib --all-features"
  # A separate folder: two compilers in one would rebuild everything at each change of compiler.
  CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/msrv \
    cargo +"$toolchain" check -p "$crate" --lib --all-features
done

# On this target the crate is empty except for lints and documentation.
echo "msrv: cargo rustc -p sockeye-web --lib --profile check -- --cfg clippy"
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/msrv \
  cargo +"$toolchain" rustc -p sockeye-web --lib --profile check -- --cfg clippy
