#!/usr/bin/env bash
# Builds a release for this machine below target/release-VERSION: an archive with the program, its
# completions, manual pages, documentation, systemd units, and the licences of all that is built
# into it; the bill of materials of the program (CycloneDX); and the SHA-256 of both. The archive of
# a commit is the same wherever it is made with the same program: times are those of the commit,
# owners are root. The program has ACME and OTLP.
#
#   ci/release.sh                        for this machine
#   ci/release.sh TARGET                 for another target of rustc, whose program this machine must
#                                        be able to run, such as x86_64-unknown-linux-musl: a
#                                        static program (needs musl-gcc, of Debian's musl-tools)
#   PROGRAM=target/debug/sockeye ci/release.sh   packs a program that is built already, as a trial
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
version=$(cargo metadata --format-version 1 --no-deps --locked |
  python3 -c 'import json, sys; print(next(p["version"] for p in json.load(sys.stdin)["packages"] if p["name"] == "sockeye-cli"))')
name=sockeye-$version-$target
features=sockeye-cli/acme,sockeye-cli/otlp
out=target/release-$version
stage=$out/$name

program=${PROGRAM:-}
if [ -z "$program" ]; then
  cargo build --release --locked -p sockeye-cli --features "$features" --target "$target"
  program=${CARGO_TARGET_DIR:-target}/$target/release/sockeye
fi

rm -rf "$stage"
mkdir -p "$stage/completions"
install -m 755 "$program" "$stage/sockeye"
if [[ $target == *-musl ]]; then
  # It needs no other file, as in an image made from scratch.
  root=$(mktemp -d)
  cp "$stage/sockeye" "$root/"
  unshare --map-root-user chroot "$root" /sockeye --version
  rm -rf "$root"
fi
"$stage/sockeye" completions bash >"$stage/completions/sockeye.bash"
"$stage/sockeye" completions zsh >"$stage/completions/_sockeye"
"$stage/sockeye" completions fish >"$stage/completions/sockeye.fish"
"$stage/sockeye" man "$stage/man"
# In the same places as here, so that links between pages and commands in them hold.
mkdir "$stage/packaging"
cp -r packaging/systemd packaging/proxies packaging/logrotate "$stage/packaging/"
cp -r docs README.md CHANGELOG.md SECURITY.md LICENSE-APACHE LICENSE-MIT packaging/INSTALL.md "$stage/"

time=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
crates=$(mktemp)
trap 'rm -f "$crates"' EXIT
cargo metadata --format-version 1 --locked --features "$features" --filter-platform "$target" >"$crates"
SOURCE_DATE_EPOCH=$time python3 packaging/sbom.py sockeye-cli <"$crates" >"$out/$name.cdx.json"
mkdir "$stage/licences"
python3 packaging/licences.py sockeye-cli <"$crates" >"$stage/licences/crates.txt"
cp "$(rustc --print sysroot)/share/doc/rust/COPYRIGHT-library.html" "$stage/licences/rust-library.html"
if [[ $target == *-musl ]]; then
  cp /usr/share/doc/musl-dev/copyright "$stage/licences/musl.txt"
fi
tar --create --sort=name --mtime="@$time" --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r-w \
  --directory "$out" "$name" | gzip --no-name -9 >"$out/$name.tar.gz"
rm -rf "$stage"
(cd "$out" && sha256sum "$name.tar.gz" "$name.cdx.json" >"$name.sha256")
printf 'release: %s\n' "$out/$name.tar.gz" "$out/$name.cdx.json" "$out/$name.sha256"
