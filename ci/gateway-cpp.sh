# grpc++ of Debian, for an upstream in C++. ci/gateway-peers.sh sources this file after ci/foreign.sh:
#
#   gateway_cpp SCRIPTS GOOGLE WORK OUT   builds the upstream of SCRIPTS/cpp, with the definitions of
#                                         Google's APIs in GOOGLE/google, in the folder WORK

gateway_cpp_packages=(g++ libgrpc++-dev libprotobuf-dev pkg-config protobuf-compiler protobuf-compiler-grpc)

gateway_cpp() {
  local scripts=$1 google=$2 work=$3 out=$4 missing=() package
  for package in "${gateway_cpp_packages[@]}"; do
    dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  foreign_debian "${missing[@]}"
  rm -rf "$work"
  mkdir -p "$work"
  # The library has no code for Google's APIs.
  protoc -I "$scripts" -I "$google" --cpp_out="$work" --grpc_out="$work" \
    --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" \
    interop.proto google/api/annotations.proto google/api/http.proto google/rpc/status.proto
  # shellcheck disable=SC2046
  g++ -std=c++17 -O1 -I "$work" -o "$out" "$scripts/cpp/upstream.cc" \
    "$work"/{interop.pb,interop.grpc.pb,google/api/annotations.pb,google/api/http.pb,google/rpc/status.pb}.cc \
    -lgrpc++_reflection $(pkg-config --cflags --libs grpc++ protobuf) -pthread
}
