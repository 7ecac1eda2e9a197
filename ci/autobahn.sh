#!/usr/bin/env bash
# Prints, on its last line, the path of `wstest`, the program of the Autobahn test suite. Installs
# the suite into the cache folder if it is missing: half a minute, once.
#
# The suite needs Python 2.7: $PYTHON2, pyenv's, or `python2.7` on PATH. Without Python 2.7, use the
# suite's public container image, which has everything; see conformance/README.md.
set -euo pipefail

suite=25.10.1
folder=${SOCKEYE_CACHE:-$HOME/.cache/sockeye}/autobahn-$suite
say() { printf 'autobahn: %s\n' "$*" >&2; }

if [ -f "$folder/installed" ] && "$folder/venv/bin/wstest" --help >/dev/null 2>&1; then
  echo "$folder/venv/bin/wstest"
  exit 0
fi

python=
pyenv_root=${PYENV_ROOT:-$HOME/.pyenv}
for candidate in "${PYTHON2:-}" "$pyenv_root"/versions/2.7.*/bin/python2.7 python2.7; do
  if [ -n "$candidate" ] && "$candidate" -c 'import sys; assert sys.version_info[:2] == (2, 7)' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  say "no Python 2.7 found. Install one (pyenv install 2.7.18), name one in PYTHON2, or set WSTEST
  to a command that runs the suite in its container, as conformance/README.md describes."
  exit 1
fi

say "installing Autobahn test suite $suite with $python"
rm -rf "$folder"
mkdir -p "$folder"
{
  # Python 2.7 has no venv module, and its pip must not write into the system's folders.
  "$python" -m pip install -q --target "$folder/virtualenv" virtualenv==20.15.1
  PYTHONPATH=$folder/virtualenv "$python" -m virtualenv -q "$folder/venv"
  "$folder/venv/bin/pip" install -q "autobahntestsuite==$suite"
} >"$folder/install.log" 2>&1 </dev/null || { cat "$folder/install.log" >&2; exit 1; }
"$folder/venv/bin/wstest" --help >/dev/null
touch "$folder/installed"
echo "$folder/venv/bin/wstest"
