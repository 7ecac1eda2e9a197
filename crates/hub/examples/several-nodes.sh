#!/usr/bin/env bash
# Several nodes on one machine, without containers: a broker and three servers, which are one hub.
#
#   several-nodes.sh                over Redis: needs redis-server
#   several-nodes.sh nats           over NATS: needs nats-server
#   several-nodes.sh redis --once   shows a message crossing, then stops
#
# All of it listens on free ports of 127.0.0.1, keeps its files in a temporary folder, and is gone
# after Ctrl+C. Needs curl. SOCKEYE is the program; by default that of PATH, or else it is built.
set -euo pipefail
# Debian has nats-server there.
PATH=$PATH:/usr/sbin

broker=${1:-redis}
once=${2:-}
case $broker in
  redis | nats) ;;
  *) echo "unknown broker: $broker; expected redis or nats" >&2 && exit 2 ;;
esac
for program in "$broker-server" curl; do
  command -v "$program" >/dev/null || { echo "not found: $program" >&2 && exit 3; }
done
sockeye=${SOCKEYE:-$(command -v sockeye || true)}
if [ -z "$sockeye" ]; then
  cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
  cargo build --quiet -p sockeye-cli
  sockeye=${CARGO_TARGET_DIR:-target}/debug/sockeye
fi

work=$(mktemp -d)
broker_process=
nodes=
stop() {
  trap '' INT TERM
  # The servers first: they tell each other that their members leave.
  for process in $nodes $broker_process; do
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Starts the broker. Another program may use the port: then it is tried again with another one.
start_broker() {
  local port ready log=$work/broker.log
  : >"$log"
  for _ in {1..20}; do
    port=$((20000 + RANDOM))
    case $broker in
      redis)
        redis-server --bind 127.0.0.1 --port "$port" --save '' --dir "$work" >"$log" 2>&1 &
        ready='Ready to accept connections'
        ;;
      nats)
        nats-server -a 127.0.0.1 -p "$port" -js -sd "$work" >"$log" 2>&1 &
        ready='Server is ready'
        ;;
    esac
    broker_process=$!
    while kill -0 "$broker_process" 2>/dev/null; do
      if grep -q "$ready" "$log"; then
        url=$broker://127.0.0.1:$port
        return
      fi
      sleep 0.05
    done
  done
  cat "$log" >&2
  exit 1
}

# Starts a server, whose first line ends with its URL.
start_node() {
  local name=$1 line=
  : >"$work/$name"
  "$sockeye" serve --listen 127.0.0.1:0 --bus "$url" --api-key-file "$work/key" \
    >"$work/$name" 2>"$work/$name.log" &
  local process=$!
  nodes="$nodes $process"
  until read -r line <"$work/$name"; do
    kill -0 "$process" 2>/dev/null || { cat "$work/$name.log" >&2 && exit 1; }
    sleep 0.05
  done
  urls+=("${line##* }")
  printf '%-8s%s\n' "$name" "${line##* }"
}

start_broker
printf '%-8s%s\n' broker "$url"
key=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
echo "$key" >"$work/key"
urls=()
for number in 1 2 3; do start_node "node $number"; done

# A message that is posted to the first node is in the history that the last one reads.
message='{"text":"hello from node 1"}'
curl -fsS --noproxy '*' -o /dev/null -d "$message" "${urls[0]}rooms/news/messages"
history=$(curl -fsS --noproxy '*' -H "X-API-Key: $key" -d '{"channel":"news","limit":1}' "${urls[2]}api/history")
echo "posted $message to node 1; node 3 reads $history"
[ "$once" != --once ] || exit 0

echo "open ${urls[0]}chat and ${urls[2]}chat: they share their rooms. Ctrl+C stops all nodes."
wait
