#!/usr/bin/env bash
# Runs Sockeye against foreign clients, servers and proxies, and prints a line for each. Installs
# and builds them below target/compatibility and from Debian's packages.
#
#   ci/compatibility.sh                 all rows of docs/compatibility.md
#   ci/compatibility.sh --quick         those that are installed and run in a minute
#   ci/compatibility.sh gorilla nginx   the rows whose names contain one of the words
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work_dir=$PWD/target/compatibility
scripts=tests/compatibility
say() { printf 'compatibility: %s\n' "$*"; }

packages=(nginx-light haproxy apache2-bin nghttp2-proxy)
names=("$@")
quick=
if [ "${1:-}" = --quick ]; then
  quick=1
  names=(aiohttp tornado undici 'nginx proxy' 'HAProxy proxy' apache nghttpx)
else
  packages+=(golang-go golang-github-gorilla-websocket-dev golang-nhooyr-websocket-dev g++ libboost1.81-dev
    libtomcat10-java default-jdk-headless)
fi

# shellcheck source=ci/foreign.sh
. ci/foreign.sh

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
foreign_debian "${missing[@]}"

mkdir -p "$work_dir"
foreign_python $scripts/requirements.txt "$work_dir"
foreign_node $scripts/package.json "$work_dir"
if [ -z "$quick" ]; then
  [ "$work_dir/go-peer" -nt $scripts/go/main.go ] ||
    GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$work_dir/go-cache go build -o "$work_dir/go-peer" $scripts/go/main.go
  [ "$work_dir/beast" -nt $scripts/beast.cpp ] ||
    g++ -std=c++17 -O1 -o "$work_dir/beast" $scripts/beast.cpp -pthread
  [ "$work_dir/java/Peer.class" -nt $scripts/java/Peer.java ] ||
    javac -cp '/usr/share/java/*' -nowarn -d "$work_dir/java" $scripts/java/Peer.java
fi

# The features of the whole workspace are those of ci/test.sh, so that nothing is compiled twice.
cargo build --quiet --workspace --all-features --bin sockeye --example compatibility_client
built=${CARGO_TARGET_DIR:-target}/debug
PYTHONDONTWRITEBYTECODE=1 python3 $scripts/run.py "$built/sockeye" "$built/examples/compatibility_client" "$work_dir" "${names[@]}"
