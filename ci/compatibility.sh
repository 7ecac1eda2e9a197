#!/usr/bin/env bash
# Runs Sockeye against foreign clients, servers and proxies, and prints a line for each. Installs
# and builds them below target/compatibility and from Debian's packages.
#
#   ci/compatibility.sh                 all rows of docs/compatibility.md
#   ci/compatibility.sh --quick         those that are installed and run in a minute
#   ci/compatibility.sh gorilla nginx   the rows whose names contain one of the words
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

place=$PWD/target/compatibility
here=tests/compatibility
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

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    say "not found: ${missing[*]}. Install them as root, then run this again." >&2
    exit 1
  fi
  say "installing ${missing[*]}"
  apt-get update -qq
  # In runlevel 1 Debian starts no service: each row starts its own proxy.
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

mkdir -p "$place"
if ! cmp -s $here/requirements.txt "$place/venv/installed.txt"; then
  say "installing $(grep -v '^#' $here/requirements.txt | xargs)"
  rm -rf "$place/venv"
  python3 -m venv "$place/venv"
  "$place/venv/bin/python" -m pip install --disable-pip-version-check -q -r $here/requirements.txt
  cp $here/requirements.txt "$place/venv/installed.txt"
fi
if ! cmp -s $here/package.json "$place/node/installed.json"; then
  rm -rf "$place/node"
  mkdir -p "$place/node"
  cp $here/package.json "$place/node/package.json"
  npm install --prefix "$place/node" --no-package-lock --no-audit --no-fund --ignore-scripts --silent
  cp $here/package.json "$place/node/installed.json"
fi
if [ -z "$quick" ]; then
  [ "$place/go-peer" -nt $here/go/main.go ] ||
    GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$place/go-cache go build -o "$place/go-peer" $here/go/main.go
  [ "$place/beast" -nt $here/beast.cpp ] ||
    g++ -std=c++17 -O1 -o "$place/beast" $here/beast.cpp -pthread
  [ "$place/java/Peer.class" -nt $here/java/Peer.java ] ||
    javac -cp '/usr/share/java/*' -nowarn -d "$place/java" $here/java/Peer.java
fi

# The features of the whole workspace are those of ci/test.sh, so that nothing is compiled twice.
cargo build --quiet --workspace --all-features --bin sockeye --example compatibility_client
built=${CARGO_TARGET_DIR:-target}/debug
PYTHONDONTWRITEBYTECODE=1 python3 $here/run.py "$built/sockeye" "$built/examples/compatibility_client" "$place" "${names[@]}"
