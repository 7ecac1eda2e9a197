# Installs what foreign programs need. Other scripts, which have a function `say`, source this file:
#
#   foreign_debian PACKAGE...         Debian's packages, which only root can install
#   foreign_python MANIFEST FOLDER    a virtual environment in FOLDER/venv
#   foreign_node MANIFEST FOLDER      the packages of a package.json in FOLDER/node
#
# The stamps of Python and Node are copies of the manifests: a changed manifest installs again.

foreign_debian() {
  [ $# -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    say "not found: $*. Install them as root, then run this again." >&2
    exit 1
  fi
  say "installing $*"
  apt-get update -qq
  # In runlevel 1 Debian starts no service: each test starts its own.
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

foreign_python() {
  local manifest=$1 venv=$2/venv
  ! cmp -s "$manifest" "$venv/installed.txt" || return 0
  say "installing $(grep -v '^#' "$manifest" | xargs)"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --disable-pip-version-check -q -r "$manifest"
  cp "$manifest" "$venv/installed.txt"
}

foreign_node() {
  local manifest=$1 node=$2/node
  ! cmp -s "$manifest" "$node/installed.json" || return 0
  say "installing the packages of $manifest"
  rm -rf "$node"
  mkdir -p "$node"
  cp "$manifest" "$node/package.json"
  npm install --prefix "$node" --no-package-lock --no-audit --no-fund --ignore-scripts --silent
  cp "$manifest" "$node/installed.json"
}
