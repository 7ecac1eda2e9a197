#!/usr/bin/env bash
# Builds a rustup toolchain that rustup itself lacks on this machine, from the packages `rustc-web`
# that Debian 12 provides for its browsers. Needs root on Debian, since their LLVM is installed; the
# compiler itself is only unpacked. Repeated calls cost nothing.
#
#   ci/debian-rustc.sh NAME [VERSION]    NAME: the toolchain to link
#                                        VERSION: such as 1.85, else the newest
#
# The toolchain has rustc, rustdoc and the standard library of this machine, with rustup's cargo.
# Beside them are the sources of the standard library, for ci/wasm-toolchain.sh.
set -euo pipefail

name=$1
version=${2:-}
folder=${SOCKEYE_CACHE:-$HOME/.cache/sockeye}/rustc/$name
host=x86_64-unknown-linux-gnu
say() { printf 'debian-rustc: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

if [ -f "$folder/unpacked" ]; then
  rustup toolchain link "$name" "$folder" >&2
  # Fails if the folder was copied from another machine: its LLVM is missing then.
  if rustup run "$name" cargo -V >/dev/null 2>&1 && rustup run "$name" rustc -V >/dev/null 2>&1; then
    exit 0
  fi
fi

[ "$(uname -m)" = x86_64 ] || fail "works on x86_64 only"
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then fail "needs apt-get and root"; fi
# Lists may be missing or old on a fresh machine: an old list names packages that are gone.
apt-get update -qq >&2
full=$(apt-cache madison rustc-web | awk -v want="$version" '!found && index($3, want) == 1 { found = 1; print $3 }')
[ -n "$full" ] || fail "Debian's archive here has no rustc-web ${version:-at all}"
short=$(cut -d. -f1,2 <<<"$full")
llvm=$(apt-cache show "libstd-rust-web-$short=$full" |
  awk '/^Depends:/ && !found && match($0, /libllvm[0-9]+/) { found = 1; print substr($0, RSTART, RLENGTH) }')
[ -n "$llvm" ] || fail "cannot tell which LLVM rustc-web $full needs"
say "unpacking rustc-web $full with $llvm"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# apt-get drops its privileges for downloads.
chmod 755 "$work"
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$llvm" >/dev/null </dev/null
(
  cd "$work"
  apt-get download -qq "rustc-web=$full" "libstd-rust-web-dev=$full" "libstd-rust-web-$short=$full" \
    "rust-web-src=$full" 2>/dev/null
  for package in *.deb; do dpkg -x "$package" root; done
)

usr=$work/root/usr
rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/lib"
mv "$usr/bin/rustc" "$usr/bin/rustdoc" "$folder/bin/"
mv "$usr"/lib/x86_64-linux-gnu/librustc_driver-*.so "$folder/lib/"
rm -rf "$usr/lib/rustlib/src"
mv "$usr/lib/rustlib" "$folder/lib/rustlib"
mkdir -p "$folder/lib/rustlib/src/rust" "$folder/lib/rustlib/$host/bin"
mv "$usr"/src/rustc-*/library "$folder/lib/rustlib/src/rust/library"

stable=$(rustup run stable rustc --print sysroot)
# Debian's rustc has no linker for foreign targets, and without a cargo in the toolchain rustup
# would use one of its choice.
ln -s "$stable/lib/rustlib/$host/bin/rust-lld" "$folder/lib/rustlib/$host/bin/rust-lld"
ln -s "$stable/bin/cargo" "$folder/bin/cargo"
rustup toolchain link "$name" "$folder" >&2
touch "$folder/unpacked"
say "linked $name: $(rustup run "$name" rustc -V)"
