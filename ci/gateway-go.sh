# Go 1.24, grpc-go and grpc-gateway of Debian 13, unpacked and not installed. ci/gateway-peers.sh and
# ci/gateway-race.sh source this file:
#
#   gateway_go FOLDER                    unpacks them into FOLDER/root, unless they are there
#   gateway_go_build FOLDER SOURCE OUT   builds the program in a folder, or of an import path, with
#                                        GATEWAY_GOPATH before the unpacked sources

gateway_go_packages=(golang-1.24-go golang-1.24-src golang-google-grpc-dev golang-github-grpc-ecosystem-grpc-gateway-dev)

gateway_go() {
  local folder=$1 apt=$1/apt keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror names options package
  [ ! -e "$folder/unpacked" ] || return 0
  printf 'gateway-go: downloading Go, grpc-go and grpc-gateway of Debian 13\n'
  rm -rf "$folder"
  mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,debs} "$folder/root"
  # The mirror of this system has the other suites too.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | awk '!/security/ && !mirror { print mirror = $0 }')
  echo "deb [signed-by=$keys] $mirror trixie main" >"$apt/sources.list"
  options=(-qq -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State=$apt/state" -o "Dir::State::status=/dev/null" -o "Dir::Cache=$apt/cache"
    -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update
  # All that the sources import is a package golang-*; the rest of the dependencies is the system's.
  names=$(apt-get "${options[@]}" --no-install-recommends --simulate install "${gateway_go_packages[@]}" |
    awk '/^Inst golang-/ { print $2 }')
  # shellcheck disable=SC2086
  (cd "$apt/debs" && apt-get "${options[@]}" download $names)
  for package in "$apt"/debs/*.deb; do dpkg -x "$package" "$folder/root"; done
  # Without modules, /v2 is a folder.
  ln -s . "$folder/root/usr/share/gocode/src/github.com/grpc-ecosystem/grpc-gateway/v2"
  rm -rf "$apt"
  touch "$folder/unpacked"
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
