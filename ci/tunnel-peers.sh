#!/usr/bin/env bash
# Runs foreign programs through `sockeye tunnel`:
#
#   ci/tunnel-peers.sh network   ssh, scp, git and psql through 20 s of network loss, in namespaces
#   ci/tunnel-peers.sh cuts      1 GiB through nginx, with ten cuts and a restart of nginx
#
# Without an argument, runs both. Needs root for Debian's packages and for namespaces. Its speed beside
# rivals is measured by ci/tunnel-race.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'tunnel-peers: %s\n' "$*"; }
fail() { printf 'tunnel-peers: %s\n' "$*" >&2; exit 1; }
# shellcheck source=ci/foreign.sh
. ci/foreign.sh

profile=${TUNNEL_PROFILE:-release}
sockeye=$PWD/target/$profile/sockeye
[ "$profile" = debug ] && sockeye=$PWD/target/debug/sockeye
work=$(mktemp -d)
started=()
namespaces=()

finish() {
  local id
  for id in "${started[@]}"; do kill "$id" 2>/dev/null || true; done
  for id in "${namespaces[@]}"; do ip netns del "$id" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

# Starts a program in the background, with its output in a file: start NAME COMMAND...
start() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 </dev/null &
  started+=($!)
}

# Waits until a command succeeds, for up to 30 s.
eventually() {
  local attempt
  for attempt in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  cat "$work"/*.log >&2
  fail "still fails after ${attempt} attempts: $*"
}

# Waits for a line in the output of a program: has NAME TEXT
has() { eventually grep -q "$2" "$work/$1.log"; }

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

install_foreign() {
  local missing=()
  command -v sshd >/dev/null || [ -x /usr/sbin/sshd ] || missing+=(openssh-server)
  command -v ssh >/dev/null || missing+=(openssh-client)
  command -v psql >/dev/null || missing+=(postgresql-client)
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
  command -v socat >/dev/null || missing+=(socat)
  command -v pv >/dev/null || missing+=(pv)
  command -v ip >/dev/null || missing+=(iproute2)
  [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
  foreign_debian "${missing[@]}"
}

build() {
  [ -x "$sockeye" ] || cargo build --release -p sockeye-cli
}

# ssh, scp, git and psql, each while the link between the ends is down for 20 s.
network() {
  local there=sockeye-there-$$ here=sockeye-here-$$ data
  ip netns add "$there" && namespaces+=("$there")
  ip netns add "$here" && namespaces+=("$here")
  ip link add "st$$" type veth peer name "sh$$"
  ip link set "st$$" netns "$there"
  ip link set "sh$$" netns "$here"
  ip -n "$there" addr add 10.99.0.1/24 dev "st$$"
  ip -n "$here" addr add 10.99.0.2/24 dev "sh$$"
  local link
  for link in "$there st$$" "$here sh$$"; do
    # shellcheck disable=SC2086
    set -- $link
    ip -n "$1" link set lo up
    ip -n "$1" link set "$2" up
  done
  printf 'a-token-of-the-peers\n' >"$work/token"

  # sshd and PostgreSQL in the namespace of the server.
  ssh-keygen -q -t ed25519 -N '' -f "$work/host_key"
  ssh-keygen -q -t ed25519 -N '' -f "$work/key"
  cp "$work/key.pub" "$work/authorized_keys"
  chmod 755 "$work"
  mkdir -p /run/sshd
  cat >"$work/sshd_config" <<CONFIG
Port 2022
ListenAddress 127.0.0.1
HostKey $work/host_key
AuthorizedKeysFile $work/authorized_keys
StrictModes no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
CONFIG
  start sshd ip netns exec "$there" "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$work/sshd_config"
  local bin
  bin=$(dirname "$(find /usr/lib/postgresql -name initdb | sort | tail -n1)")
  data=$work/postgres
  mkdir "$data"
  chown postgres "$data"
  su postgres -c "$bin/initdb -D $data -A trust" >/dev/null
  start postgres ip netns exec "$there" su postgres -c \
    "$bin/postgres -D $data -h 127.0.0.1 -p 5432 -k $data"

  start serve ip netns exec "$there" "$sockeye" tunnel serve --listen 10.99.0.1:8080 \
    --token-file "$work/token" --allow 127.0.0.1:2022 --allow 127.0.0.1:5432
  has serve 'Sockeye listens'
  start open ip netns exec "$here" "$sockeye" tunnel open http://10.99.0.1:8080/tunnel \
    --token-file "$work/token" -L 2022:127.0.0.1:2022 -L 5432:127.0.0.1:5432
  has open 'Forwarding 127.0.0.1:5432'

  local ssh="ssh -i $work/key -p 2022 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
  eventually ip netns exec "$here" $ssh root@127.0.0.1 true
  eventually ip netns exec "$here" psql -q -h 127.0.0.1 -U postgres -c 'select 1'
  head -c 200000000 /dev/urandom >"$work/file"
  git init -q --bare "$work/there.git"
  git init -q "$work/here"
  head -c 50000000 /dev/urandom >"$work/here/file"
  git -C "$work/here" add file
  git -C "$work/here" -c user.name=peer -c user.email=peer@example.com commit -qm file

  # A command each that takes longer than the begin of the loss.
  ip netns exec "$here" $ssh root@127.0.0.1 \
    'for i in $(seq 60); do echo line $i; sleep 0.5; done' >"$work/ssh.out" &
  local by_ssh=$!
  ip netns exec "$here" psql -qAt -h 127.0.0.1 -U postgres \
    -c 'select pg_sleep(10)' -c 'select count(*) from generate_series(1, 1000000)' >"$work/psql.out" &
  local by_psql=$!
  ip netns exec "$here" scp -q -l 200000 -P 2022 -i "$work/key" -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$work/file" "root@127.0.0.1:$work/copy" &
  local by_scp=$!
  GIT_SSH_COMMAND=$ssh ip netns exec "$here" \
    git -C "$work/here" push -q "ssh://root@127.0.0.1:2022$work/there.git" HEAD:refs/heads/main &
  local by_git=$!
  sleep 2
  say "the link is down for 20 s"
  ip -n "$there" link set "st$$" down
  sleep 20
  ip -n "$there" link set "st$$" up
  wait "$by_ssh" || fail "ssh failed"
  [ "$(tail -n1 "$work/ssh.out")" = 'line 60' ] && [ "$(wc -l <"$work/ssh.out")" = 60 ] || fail "ssh lost lines"
  wait "$by_psql" || fail "psql failed"
  [ "$(tail -n1 "$work/psql.out")" = 1000000 ] || fail "psql lost its answer"
  wait "$by_scp" || fail "scp failed"
  cmp "$work/file" "$work/copy" || fail "scp copied another file"
  wait "$by_git" || fail "git failed"
  [ "$(git -C "$work/there.git" rev-parse main)" = "$(git -C "$work/here" rev-parse HEAD)" ] || fail "git lost a commit"
  say "ssh, scp, git and psql went on after 20 s without a network"
}

nginx_config() {
  cat >"$work/nginx.conf" <<CONFIG
daemon off;
pid $work/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path $work/nginx-body;
  server {
    listen 127.0.0.1:$1;
    location / {
      proxy_pass http://127.0.0.1:$2;
      proxy_http_version 1.1;
      proxy_set_header Upgrade \$http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_set_header Host \$host;
    }
  }
}
CONFIG
}

# Whether the client has opened at least this many WebSockets.
connected() { [ "$(grep -c 'client connected' "$work/cut-serve.log")" -ge "$1" ]; }

# 1 GiB from a socat here to a socat there, through nginx, which is stopped eleven times.
cuts() {
  local front back sink target id number
  front=$(free_port)
  back=$(free_port)
  sink=$(free_port)
  target=$(free_port)
  printf 'a-token-of-the-peers\n' >"$work/token"
  head -c $((1 << 30)) /dev/urandom >"$work/gigabyte"
  start sink socat -u "TCP-LISTEN:$sink,bind=127.0.0.1,reuseaddr" "CREATE:$work/received"
  local by_sink=${started[-1]}
  start cut-serve "$sockeye" -v tunnel serve --listen "127.0.0.1:$back" --token-file "$work/token" \
    --allow "127.0.0.1:$sink"
  has cut-serve 'Sockeye listens'
  nginx_config "$front" "$back"
  start nginx nginx -e stderr -c "$work/nginx.conf"
  eventually curl -sf "http://127.0.0.1:$front/healthz"
  start cut-open "$sockeye" tunnel open "http://127.0.0.1:$front/tunnel" --token-file "$work/token" \
    -L "$target:127.0.0.1:$sink"
  has cut-open 'Forwarding'
  # 40 MB/s, so that the cuts fall within the transfer.
  socat -u "EXEC:pv -q -L 40M $work/gigabyte" "TCP:127.0.0.1:$target" &
  local by_source=$!
  for number in $(seq 10); do
    # Only a WebSocket that is there can be cut.
    eventually connected "$number"
    sleep 2
    # The workers of nginx hold the connections.
    pkill -KILL -P "$(cat "$work/nginx.pid")" || true
    if [ "$number" = 5 ]; then
      id=$(cat "$work/nginx.pid")
      kill "$id"
      eventually sh -c "! kill -0 $id"
      sleep 3
      start nginx-again nginx -e stderr -c "$work/nginx.conf"
    fi
  done
  wait "$by_source" || fail "the source failed"
  wait "$by_sink" || fail "the sink failed"
  local sent received
  sent=$(sha256sum <"$work/gigabyte")
  received=$(sha256sum <"$work/received")
  [ "$sent" = "$received" ] || fail "the checksums differ"
  # Each cut made the client open another WebSocket, of one session.
  connected 11 || fail "fewer cuts than expected"
  [ "$(grep -c 'session begun' "$work/cut-serve.log")" = 1 ] || fail "another session began"
  say "1 GiB arrived through ten cuts and a restart of nginx: $sent"
}

install_foreign
build
case ${1:-all} in
  network | cuts) "$1" ;;
  all) network; cuts ;;
  *) fail "expected network or cuts, not $1" ;;
esac
