#!/usr/bin/env bash
# Injects faults between three `sockeye serve` processes on Redis, NATS 2.9, NATS 2.14 and NATS
# clusters: partitions each way, processes that stand still or are killed, stores that lose
# everything or go back in time, lost acknowledgements, slow readers. Prints for each case the time
# until the hub works again, and fails if a client missed something without being told, or was told
# something that is not true. Linux, root, and iproute2; builds without optimisation.
#
#   ci/hub-faults.sh              all cases, in some 10 minutes
#   ci/hub-faults.sh redis::      those with `redis::` in their name
#   ci/hub-faults.sh --list       the names of all cases
#   CASES_AT_A_TIME=1             one after the other; default: 4
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'hub-faults: %s\n' "$*" >&2; exit 1; }

run=(cargo test --offline --all-features -p sockeye-cli --test it --)
if [ "${1:-}" = --list ]; then
  exec "${run[@]}" --ignored --list a_hub_heals_after::
fi
[ "$(id -u)" -eq 0 ] || fail "network namespaces need root: run sudo ci/hub-faults.sh"
command -v ip >/dev/null || fail "not found: ip (Debian package iproute2)"
command -v unshare >/dev/null || fail "not found: unshare (Debian package util-linux)"

ci/peers.sh
export SOCKEYE_REQUIRE_PEERS=1
cargo test --all-features -p sockeye-cli --test it --no-run

# All hosts are in namespaces of networks, mounts and processes that this command makes: the kernel
# removes them with all that is in them when the command ends, however it ends. The network of this
# machine is not touched.
mkdir -p /run/netns
# shellcheck disable=SC2016 # The words are those of the inner shell.
exec unshare --net --mount --pid --fork --kill-child --mount-proc bash -euc '
  mount -t tmpfs netns /run/netns
  ip link set lo up
  echo 1 >/proc/sys/net/ipv4/ip_forward
  # With a check of the way back, a partition in one direction would be one in both.
  for of in all default; do echo 0 >"/proc/sys/net/ipv4/conf/$of/rp_filter"; done
  # Small buffers of clients, so that a slow one is noticed soon.
  echo 4096 65536 262144 >/proc/sys/net/ipv4/tcp_rmem
  # The first process of a namespace ignores signals that it has no handler for.
  trap "exit 130" INT TERM
  "$@" &
  wait "$!"
' hub-faults "${run[@]}" --ignored --nocapture --test-threads "${CASES_AT_A_TIME:-4}" \
  "${@:-a_hub_heals_after::}"
