#!/usr/bin/env bash
# Runs the tests of ci/web.sh in Chromium and in Firefox, and the tests of native programs that need
# Firefox. Installs Firefox and geckodriver if they are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'browsers: %s\n' "$*"; }
fail() { printf 'browsers: %s\n' "$*" >&2; exit 1; }

if ! command -v firefox-esr >/dev/null && ! command -v firefox >/dev/null; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    fail "not found: firefox. Install it with your system's package manager, then run this again."
  fi
  say "installing firefox-esr"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends firefox-esr >/dev/null
fi

if ! GECKODRIVER=$(command -v geckodriver); then
  tools=${XDG_CACHE_HOME:-$HOME/.cache}/sockeye/geckodriver
  GECKODRIVER=$tools/bin/geckodriver
  if [ ! -x "$GECKODRIVER" ]; then
    say "installing geckodriver"
    CARGO_TARGET_DIR=$tools/target \
      cargo install --quiet geckodriver --version 0.37.1 --locked --root "$tools"
    rm -rf "$tools/target"
  fi
fi

ci/web.sh chromium
GECKODRIVER=$GECKODRIVER ci/web.sh firefox
say "the tests of native programs that need Firefox"
ci/test.sh --workspace --test it firefox -- --ignored
