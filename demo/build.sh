#!/usr/bin/env bash
# Builds the client of the demo for browsers, and puts it where `sockeye serve` finds it: target/demo. Says how large it
# is, as it travels.
#
#   demo/build.sh         as small as it can be
#   demo/build.sh --dev   quickly, with the profile `dev` and without the optimiser
#
# Needs cargo and `rustup target add wasm32-unknown-unknown`; as root on Debian it makes a compiler for that target by
# itself. Where npm is found, binaryen's optimiser makes the client a fifth smaller.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

profile=wasm
case "${1:-}" in
  --dev) profile=dev ;;
  '') ;;
  *) echo "demo: unknown argument: $1 (known: --dev)" >&2; exit 2 ;;
esac
binaryen=132.0.0
target=wasm32-unknown-unknown
folder=${CARGO_TARGET_DIR:-$PWD/target}
say() { printf 'demo: %s\n' "$*"; }

toolchain=$(ci/wasm-toolchain.sh | tail -n 1)
tools=$(ci/wasm-bindgen.sh | tail -n 1)
say "compiling the client"
# One folder for each compiler, since the libraries of one mean nothing to another.
CARGO_TARGET_DIR=$folder/wasm-$toolchain \
  cargo +"$toolchain" build -p sockeye-demo-client --profile "$profile" --target "$target"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$tools/wasm-bindgen" --target web --no-typescript --out-name client --out-dir "$work/demo" \
  "$folder/wasm-$toolchain/$target/${profile/dev/debug}/sockeye_demo_client.wasm"
if [ "$profile" = wasm ] && command -v npm >/dev/null; then
  optimiser=${XDG_CACHE_HOME:-$HOME/.cache}/sockeye/binaryen-$binaryen
  [ -x "$optimiser/node_modules/.bin/wasm-opt" ] ||
    npm install --silent --no-fund --no-audit --prefix "$optimiser" "binaryen@$binaryen"
  say "optimising it"
  # The features that the compiler uses for this target: every browser of the last years has them.
  "$optimiser/node_modules/.bin/wasm-opt" -Oz --enable-bulk-memory --enable-multivalue --enable-mutable-globals \
    --enable-nontrapping-float-to-int --enable-reference-types --enable-sign-ext \
    -o "$work/demo/client_bg.wasm" "$work/demo/client_bg.wasm"
fi

# A server that runs meanwhile never finds half of it.
rm -rf "$folder/demo"
mv "$work/demo" "$folder/demo"
length=$(gzip -9 -c "$folder/demo/client_bg.wasm" | wc -c)
say "$folder/demo/client_bg.wasm: $(($(wc -c <"$folder/demo/client_bg.wasm") / 1024)) KiB, $((length / 1024)) KiB gzipped"
