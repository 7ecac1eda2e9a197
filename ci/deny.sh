#!/usr/bin/env bash
# Checks licences, banned crates and sources of all dependencies against deny.toml.
#
#   DENY_ADVISORIES=1   also the advisory database, which is fetched from the network: for a
#                       scheduled job, since a new advisory must not fail an unchanged commit
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! cargo deny --version >/dev/null 2>&1; then
  echo "deny: installing cargo-deny (some minutes, once)"
  # cargo-deny runs for seconds: optimising it would take longer than it saves.
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug cargo-deny --version '^0.20'
fi

checks=(licenses bans sources)
if [ -n "${DENY_ADVISORIES:-}" ]; then
  checks+=(advisories)
fi
echo "deny: cargo deny check ${checks[*]}"
cargo deny --workspace --all-features check "${checks[@]}"
