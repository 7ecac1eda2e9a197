#!/usr/bin/env bash
# Runs every fuzz target of fuzz/ for some time and stops at the first finding, whose input is then
# in fuzz/artifacts/. The targets start from fuzz/seeds/ and keep new inputs in fuzz/corpus/. Needs
# a nightly compiler.
#
#   ci/fuzz.sh [TARGET...]   these targets only
#   SECONDS_EACH=600         duration of each target
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${SECONDS_EACH:-600}
if ! cargo +nightly --version >/dev/null 2>&1; then
  echo "fuzz: needs a nightly compiler: rustup toolchain install nightly --profile minimal" >&2
  exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: installing cargo-fuzz (a minute, once)"
  cargo install --quiet --locked cargo-fuzz --version '^0.13'
fi

if [ $# -gt 0 ]; then
  targets=("$@")
else
  mapfile -t targets < <(cargo +nightly fuzz list)
fi
[ ${#targets[@]} -gt 0 ] || { echo "fuzz: there are no targets" >&2; exit 1; }
for target in "${targets[@]}"; do
  echo "fuzz: $target for $seconds s"
  # timeout: an input that takes 10 s is a finding as well.
  mkdir -p "fuzz/corpus/$target"
  cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -timeout=10 -print_final_stats=1
done
echo "fuzz: no finding in ${targets[*]}"
