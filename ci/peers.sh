#!/usr/bin/env bash
# Installs the peers of the interoperability tests: Python `websockets`, `h2` and
# `centrifuge-python`, npm `ws`, `@moq/qmux`, `centrifuge` and `playwright-core`, Chromium, curl,
# iproute2, redis-server, nats-server and pebble. Does nothing if all of them are installed.
#
#   target/peers/venv/bin/python          has `websockets`, `h2` and `centrifuge`
#   target/peers/node/node_modules        has `ws`, `@moq/qmux`, `centrifuge` and `playwright-core`
#                                         (set NODE_PATH to it)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

peers=$PWD/target/peers
say() { printf 'peers: %s\n' "$*"; }
fail() { printf 'peers: %s\n' "$*" >&2; exit 1; }

# Shows a long installer's output only when it fails.
quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    fail "failed: $*"
  fi
  rm -f "$log"
}

# The stamp is a copy of the manifest that was installed: a changed manifest installs again.
installed() { cmp -s "$1" "$2"; }

debian_packages() {
  local missing=()
  command -v chromium >/dev/null || missing+=(chromium)
  command -v curl >/dev/null || missing+=(curl)
  command -v ip >/dev/null || missing+=(iproute2)
  command -v redis-server >/dev/null || missing+=(redis-server)
  command -v pebble >/dev/null || missing+=(pebble)
  [ -x /usr/sbin/nats-server ] || [ -x /usr/bin/nats-server ] || missing+=(nats-server)
  if [ ${#missing[@]} -eq 0 ]; then
    return
  fi
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    fail "not found: ${missing[*]}. Install them with your system's package manager
       (on Debian: sudo apt-get install ${missing[*]}), then run this again."
  fi
  say "installing ${missing[*]}"
  quietly apt-get update -qq
  # In runlevel 1 Debian starts no service: each test starts its own server.
  quietly env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

python_packages() {
  local manifest=tests/peers/requirements.txt venv=$peers/venv
  if installed "$manifest" "$venv/installed.txt" && "$venv/bin/python" -c 'import centrifuge, h2, websockets' 2>/dev/null; then
    return
  fi
  command -v python3 >/dev/null || fail "not found: python3 (3.10 or newer)"
  say "installing $(grep -v '^#' "$manifest" | xargs)"
  rm -rf "$venv"
  quietly python3 -m venv "$venv"
  quietly "$venv/bin/python" -m pip install --disable-pip-version-check -q -r "$manifest"
  cp "$manifest" "$venv/installed.txt"
}

node_packages() {
  local manifest=tests/peers/package.json node=$peers/node
  if installed "$manifest" "$node/installed.json" && [ -d "$node/node_modules/ws" ]; then
    return
  fi
  command -v npm >/dev/null || fail "not found: node (20 or newer) with npm"
  say "installing $(node -p 'Object.entries(require("./tests/peers/package.json").dependencies).map(p => p.join(" ")).join(", ")')"
  rm -rf "$node"
  mkdir -p "$node"
  cp "$manifest" "$node/package.json"
  quietly npm install --prefix "$node" --no-package-lock --no-audit --no-fund --ignore-scripts
  cp "$manifest" "$node/installed.json"
}

mkdir -p "$peers"
debian_packages
python_packages
node_packages
say "ready: $("$peers/venv/bin/python" -c 'import h2, websockets; print("websockets", websockets.__version__ + ", h2", h2.__version__)'), $(
  NODE_PATH=$peers/node/node_modules node -p '["ws", "centrifuge", "playwright-core"].map(n => n + " " + require(process.env.NODE_PATH + "/" + n + "/package.json").version).join(", ")'
), $(curl --version | head -n 1 | cut -d' ' -f1,2), redis-server $(redis-server --version | sed 's/.* v=\([^ ]*\).*/\1/')"
