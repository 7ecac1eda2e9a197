# Packages of Debian 13, unpacked and not installed. Other scripts source this file:
#
#   debian13_begin FOLDER             asks for the lists of packages, in FOLDER/apt
#   debian13_apt ARGUMENT...          apt-get with these lists
#   debian13_unpack ROOT PACKAGE...   unpacks packages into ROOT, and ends what was begun

debian13_begin() {
  local keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror
  debian13=$1/apt
  mkdir -p "$debian13"/{state/lists/partial,cache/archives/partial,debs}
  # The mirror of this system has the other suites too.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | awk '!/security/ && !mirror { print mirror = $0 }')
  echo "deb [signed-by=$keys] $mirror trixie main" >"$debian13/sources.list"
  debian13_apt update
}

debian13_apt() {
  apt-get -qq -o "Dir::Etc::sourcelist=$debian13/sources.list" -o Dir::Etc::sourceparts=- \
    -o "Dir::State=$debian13/state" -o "Dir::State::status=/dev/null" -o "Dir::Cache=$debian13/cache" \
    -o APT::Sandbox::User=root "$@"
}

debian13_unpack() {
  local root=$1 package
  shift
  mkdir -p "$root"
  (cd "$debian13/debs" && debian13_apt download "$@")
  for package in "$debian13"/debs/*.deb; do dpkg -x "$package" "$root"; done
  rm -rf "$debian13"
}
