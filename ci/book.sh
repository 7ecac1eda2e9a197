#!/usr/bin/env bash
# Builds the book of docs/ into target/book; each warning and each link to a missing file is an
# error. ci/test.sh compiles the programs in it. mdbook is kept in ~/.cache/sockeye; built from
# source if missing, in a minute or two.
#
#   ci/book.sh             builds
#   ci/book.sh --prepare   installs mdbook only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.5.3
tools=${XDG_CACHE_HOME:-$HOME/.cache}/sockeye/mdbook-$version
if [ ! -x "$tools/bin/mdbook" ]; then
  printf 'book: installing mdbook %s\n' "$version"
  # Without its server and its search.
  CARGO_TARGET_DIR=$tools/target CARGO_PROFILE_DEV_DEBUG=0 \
    cargo install --quiet --locked --debug mdbook --version "$version" --no-default-features --root "$tools"
  rm -rf "$tools/target"
fi
if [ "${1:-}" = --prepare ]; then
  exit
fi

# Links from one page to another, and to files of the repository. Anchors are not checked.
broken=0
while IFS=: read -r page link; do
  target=${link%%#*}
  if [ -n "$target" ] && [ ! -e "$(dirname "$page")/$target" ]; then
    printf 'book: %s links to %s, which does not exist\n' "$page" "$link" >&2
    broken=1
  fi
done < <(grep -oHE '\]\([^)]+\)' ./*.md docs/*.md docs/*/*.md | sed -E 's/\]\((.*)\)$/\1/' | grep -vE ':(https?|mailto):')
# Every page is in the table of contents.
for page in docs/*.md docs/*/*.md; do
  if [ "$page" != docs/SUMMARY.md ] && ! grep -qF "(${page#docs/})" docs/SUMMARY.md; then
    printf 'book: %s is not in docs/SUMMARY.md\n' "$page" >&2
    broken=1
  fi
done
[ $broken = 0 ]

log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$tools/bin/mdbook" build 2>&1 | tee "$log"
if grep -qE 'WARN|ERROR' "$log"; then
  exit 1
fi
printf 'book: %s pages in target/book\n' "$(grep -c '](' docs/SUMMARY.md)"
