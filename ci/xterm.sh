#!/usr/bin/env bash
# Fetches the terminal of the page of `sockeye exec --pty` from npm by name and version, and compares
# it with crates/cli/page/xterm. With --update, replaces the files there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

terminal=@xterm/xterm@6.0.0
fit=@xterm/addon-fit@0.11.0
kept=$PWD/crates/cli/page/xterm

fetched=$(mktemp -d)
trap 'rm -rf "$fetched"' EXIT

# Unpacks a package into a folder.
package() {
  local archive
  mkdir -p "$2"
  archive=$(cd "$2" && npm pack --silent "$1")
  tar -xzf "$2/$archive" -C "$2" --strip-components=1
}

# The last line names a map that is not kept.
script() { sed '/^\/\/# sourceMappingURL=/d' "$1"; }

package "$terminal" "$fetched/terminal"
package "$fit" "$fetched/fit"
mkdir "$fetched/files"
script "$fetched/terminal/lib/xterm.mjs" >"$fetched/files/xterm.mjs"
script "$fetched/fit/lib/addon-fit.mjs" >"$fetched/files/addon-fit.mjs"
cp "$fetched/terminal/css/xterm.css" "$fetched/files/xterm.css"
cp "$fetched/terminal/LICENSE" "$fetched/files/LICENSE"

if [ "${1:-}" = --update ]; then
  mkdir -p "$kept"
  cp "$fetched/files/"* "$kept/"
fi
diff -r "$fetched/files" "$kept"
echo "xterm: crates/cli/page/xterm is $terminal and $fit"
