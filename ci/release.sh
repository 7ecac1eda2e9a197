#!/usr/bin/env bash
# Builds a release for this machine below target/release-VERSION: an archive with the program, its
# completions, manual pages, systemd units and licences; the bill of materials of the program
# (CycloneDX); and the SHA-256 of both. The archive of a commit is the same wherever it is made with
# the same program: times are those of the commit, owners are root. The program has ACME and OTLP.
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
cp -r packaging/systemd packaging/proxies "$stage/"
cp README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT docs/operations.md "$stage/"

time=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
cargo metadata --format-version 1 --locked --features "$features" --filter-platform "$target" |
  SOURCE_DATE_EPOCH=$time python3 packaging/sbom.py sockeye-cli >"$out/$name.cdx.json"
tar --create --sort=name --mtime="@$time" --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r-w \
  --directory "$out" "$name" | gzip --no-name -9 >"$out/$name.tar.gz"
rm -rf "$stage"
(cd "$out" && sha256sum "$name.tar.gz" "$name.cdx.json" >"$name.sha256")
printf 'release: %s\n' "$out/$name.tar.gz" "$out/$name.cdx.json" "$out/$name.sha256"
