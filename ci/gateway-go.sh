# Go 1.24, grpc-go, grpc-gateway and coder/websocket of Debian 13, unpacked and not installed.
# ci/gateway-peers.sh and ci/gateway-race.sh source this file:
#
#   gateway_go FOLDER                    unpacks them into FOLDER/root, unless they are there
#   gateway_go_build FOLDER SOURCE OUT   builds the program in a folder, or of an import path, with
#                                        GATEWAY_GOPATH before the unpacked sources; GOOS and GOARCH
#                                        choose a target

gateway_go_packages=(
  golang-1.24-go golang-1.24-src golang-google-grpc-dev golang-github-grpc-ecosystem-grpc-gateway-dev
  golang-nhooyr-websocket-dev
)

# shellcheck source=ci/debian13.sh
. ci/debian13.sh

gateway_go() {
  local folder=$1 names
  # The stamp has the names, so that another list unpacks again.
  [ "$(cat "$folder/unpacked" 2>/dev/null)" != "${gateway_go_packages[*]}" ] || return 0
  printf 'gateway-go: downloading Go and sources of Debian 13\n'
  rm -rf "$folder"
  debian13_begin "$folder"
  # All that the sources import is a package golang-*; the rest of the dependencies is the system's.
  names=$(debian13_apt --no-install-recommends --simulate install "${gateway_go_packages[@]}" |
    awk '/^Inst golang-/ { print $2 }')
  # shellcheck disable=SC2086
  debian13_unpack "$folder/root" $names
  # Without modules, /v2 is a folder.
  ln -s . "$folder/root/usr/share/gocode/src/github.com/grpc-ecosystem/grpc-gateway/v2"
  printf '%s\n' "${gateway_go_packages[*]}" >"$folder/unpacked"
}

gateway_go_build() {
  local root=$1/root package=$2 out
  out=$(realpath -m "$3")
  (
    [ ! -d "$package" ] || { cd "$package" && package=.; }
    GOROOT=$root/usr/lib/go-1.24 GOPATH=${GATEWAY_GOPATH:+$GATEWAY_GOPATH:}$root/usr/share/gocode \
      GO111MODULE=off GOCACHE=$1/cache GOTOOLCHAIN=local CGO_ENABLED=0 \
      "$root/usr/lib/go-1.24/bin/go" build -o "$out" "$package"
  )
}
