#!/usr/bin/env bash
# Checks the library crates with the oldest compiler that they promise to support: `rust-version` of
# the workspace. That compiler is rustup's if installed, else Debian's (x86_64, root). The program
# and the gRPC crate have other minimum versions, tested by ci/lint.sh and ci/test.sh only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

crates=(-p sockeye-proto -p sockeye -p sockeye-hub -p sockeye-load)
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
# A separate folder: two compilers in one would rebuild everything at each change of compiler.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/msrv
echo "msrv: cargo check ${crates[*]} --lib --all-features"
cargo +"$toolchain" check "${crates[@]}" --lib --all-features

# On this target the crate is empty except for lints and documentation.
echo "msrv: cargo rustc -p sockeye-web --lib --profile check -- --cfg clippy"
cargo +"$toolchain" rustc -p sockeye-web --lib --profile check -- --cfg clippy
