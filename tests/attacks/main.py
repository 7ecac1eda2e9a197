"""Runs every attack that once succeeded against `sockeye serve`: see ci/attacks.sh.

Fails if an attack exceeds its bounds.
"""

import argparse
import contextlib
import dataclasses
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence

import kinds
import wire
from server import MEBIBYTE, Attackers, LegitimateClient, Server

TLS = ("--self-signed",)
# Maximum number of connections of the server: one more than a small attack opens, for the
# legitimate client.
MAX_CONNECTIONS = 50


@dataclasses.dataclass
class Attack:
    """An attack, and the bounds of the resources that it may use."""

    name: str
    attack: Callable
    # Printed and bounded: peak memory beyond the start, cores in use, the longest wait of the
    # legitimate client.
    memory: float  # MiB
    cores: float = 2.5
    delay: float = 0.35  # s
    flags: Sequence[str] = ()
    processes: int = 1
    seconds: float = 3
    quick: bool = False
    files: int | None = None
    legitimate_client: bool = True
    # Checks the server after the attack, while the attackers keep their connections; yields error
    # messages.
    check: Callable = lambda _: ()
    # Maximum memory after the attackers have gone, as a factor of the start and in MiB; `None` if
    # not measured.
    after: tuple[float, float] | None = None


def clients_are_served(server):
    """Checks that as many new clients can connect as the attack held connections."""
    wait_until_idle(server)
    connections, deadline = [], time.monotonic() + 15
    while len(connections) < MAX_CONNECTIONS - 2 and time.monotonic() < deadline:
        with contextlib.suppress(OSError, wire.Disconnected):
            stream = wire.dial(server, "http/1.1", timeout=deadline - time.monotonic())
            stream.sendall(wire.head(server, "/healthz"))
            if stream.recv(1000).startswith(b"HTTP/1.1 200"):
                connections.append(stream)
    if len(connections) < MAX_CONNECTIONS - 2:
        yield f"{len(connections)} of {MAX_CONNECTIONS - 2} clients were served after the attackers had become idle"


def wait_until_idle(server):
    """Waits until the server has filled the socket buffers and is idle."""
    deadline, before = time.monotonic() + 60, -1.0
    while time.monotonic() < deadline and server.processor() - before > 0.05:
        before = server.processor()
        time.sleep(0.5)


def all_were_disconnected(server):
    """Checks that no connection of the attackers is left."""
    os.set_blocking(server.survivor_pipe[0], False)
    with contextlib.suppress(BlockingIOError):
        left = len(os.read(server.survivor_pipe[0], 1 << 16))
        if left:
            yield f"{left} connections were never closed"


def log_is_not_forged(server):
    """Checks that no peer has forged a line of the log, and that no character reorders one."""
    log = server.log_lines()
    if any(line.startswith("FORGED") for line in log):
        yield "a peer wrote a line of the log"
    if any(mark in line for line in log for mark in "\u2028\u202e"):
        yield "the log contains a control character of bidirectional text"
    if not any("FORGED" in line for line in log):
        yield "the log does not contain the text of the peer"


def log_is_short(server):
    """Checks that the log is not flooded."""
    log = server.log_lines()
    if len(log) > 30:
        yield f"the log has {len(log)} lines"


def log_names_the_peer(server):
    yield from log_is_short(server)
    warnings = [line for line in server.log_lines() if "WARN" in line and " more in " not in line]
    without_peer = [line for line in warnings if "peer=127.0.0.1:" not in line]
    if without_peer:
        yield f"the log line names no peer: {without_peer[0]}"


def rebinding_is_refused(server):
    """Checks that a host name that resolves to loopback gets neither pages nor WebSockets."""
    for path, request in [("/", wire.head), ("/echo", wire.upgrade_head), ("/grpc", wire.upgrade_head)]:
        stream = wire.dial(server)
        host = f"evil.example:{server.address[1]}"
        origin = f"Origin: http://{host}\r\n".encode()
        stream.sendall(request(server, path, extra=origin, host=host))
        status = wire.read_head(stream)[9:12]
        if status in (b"200", b"101"):
            yield f"{path} answered {status.decode()} to {host}"


def no_attack(*_):
    """Does nothing: the requests of the check are the attack."""


ATTACKS = [
    # B2: memory of unfinished messages and heads.
    Attack("unfinished-deflated", kinds.unfinished_deflated(200), 512, processes=2, seconds=2, quick=True, after=(1.1, 8)),
    Attack("unfinished-messages", kinds.unfinished_messages(100), 512, processes=2, seconds=20, after=(1.1, 8)),
    Attack("unfinished-heads", kinds.unfinished_heads(500), 128, processes=2, seconds=3),
    Attack("unread-echoes", kinds.unread_echoes(50), 512, processes=2, seconds=20),
    # B3: a message that arrives byte by byte.
    Attack("slow-messages", kinds.slow_messages(20), 16, seconds=9, quick=True, cores=0.5,
           flags=("--idle-timeout", "2s"), check=all_were_disconnected),
    Attack("slow-messages-with-pongs", kinds.slow_messages(20, answer_pings=True), 16, seconds=120, cores=0.5,
           flags=("--idle-timeout", "2s"), check=all_were_disconnected),
    # B4: DNS rebinding.
    Attack("rebinding", no_attack, 16, seconds=0, quick=True, check=rebinding_is_refused),
    # D1: resets.
    Attack("window-resets", kinds.window_resets, 64, flags=TLS, seconds=4, quick=True),
    Attack("window-resets-longer", kinds.window_resets, 64, flags=TLS, seconds=30, processes=4),
    Attack("rapid-resets", kinds.rapid_resets, 64, flags=TLS, seconds=5, processes=4),
    Attack("grpc-resets", kinds.grpc_resets, 128, seconds=4, processes=8, quick=True),
    # D2: responses that the client never reads.
    Attack("silent-pages", kinds.silent_pages(7), 64, processes=7, seconds=4, quick=True, check=clients_are_served,
           flags=("--max-connections", str(MAX_CONNECTIONS), "--write-timeout", "2s")),
    Attack("silent-answers", kinds.silent_answers(7), 64, processes=7, seconds=4, check=clients_are_served,
           flags=(*TLS, "--max-connections", str(MAX_CONNECTIONS), "--write-timeout", "2s",
                  "--handshake-timeout", "2s")),
    # D3: WebSockets whose window never opens.
    Attack("zero-window", kinds.zero_window_websockets(10), 256, flags=TLS, processes=1, seconds=5, quick=True),
    Attack("zero-window-more", kinds.zero_window_websockets(25), 512, flags=TLS, processes=2, seconds=30),
    # D4, D5: the log.
    Attack("forged-log", kinds.forged_log, 16, seconds=1, flags=("-v",), quick=True, check=log_is_not_forged),
    Attack("log-flood-of-resets", kinds.rapid_resets, 64, flags=TLS, seconds=3, quick=True, check=log_names_the_peer),
    Attack("log-flood-of-descriptors", kinds.descriptors(80), 16, seconds=4, files=40, quick=True,
           legitimate_client=False, check=log_is_short),
    # D6: floods of short frames.
    *(Attack(attack_name, attack, 32, flags=flags, processes=4, seconds=2, quick=quick)
      for attack_name, attack, flags, quick in [
          ("window-updates", kinds.window_updates, TLS, True),
          ("unknown-frames", kinds.unknown_frames, TLS, False),
          ("http2-pings", kinds.http2_pings, TLS, True),
          ("http2-settings", kinds.http2_settings, TLS, False),
          ("empty-messages", kinds.empty_messages, (), True),
          ("empty-fragments", kinds.empty_fragments, (), False),
          ("pings", kinds.pings, (), True),
          ("pongs", kinds.pongs, (), False),
          ("pipelined-requests", kinds.pipelined_requests, (), True),
      ]),
    # Ten thousand hostile connections of one kind use less than a gibibyte.
    *(Attack(f"10000-{attack_name}", attack, 1024, flags=flags, processes=5, seconds=90, delay=5)
      for attack_name, attack, flags in [
          ("idle", kinds.idle_websockets(2_000), ()),
          ("unfinished-deflated", kinds.unfinished_deflated(2_000), ()),
          ("unfinished-messages", kinds.unfinished_messages(2_000, 64 << 10), ()),
          ("unfinished-heads", kinds.unfinished_heads(2_000), ("--handshake-timeout", "10m")),
          ("silent-pages", kinds.silent_pages(2_000, seconds_each=0.03), ("--write-timeout", "10m")),
          ("unread-echoes", kinds.unread_echoes(2_000, seconds_each=0.03), ("--write-timeout", "10m")),
          ("silent-answers", kinds.silent_answers(2_000), (*TLS, "--write-timeout", "10m")),
          ("zero-window", kinds.zero_window_websockets(2_000, seconds_each=0.05), (*TLS, "--write-timeout", "10m")),
      ]),
]


def run(attack, program):
    """Runs one attack. Returns a line of the table, and the errors."""
    failures = []
    with Server(program, attack.flags, attack.files) as server:
        server.survivor_pipe = os.pipe()
        legitimate_client = LegitimateClient(server) if attack.legitimate_client else None
        time.sleep(0.3)
        start, processor, begun = server.memory(), server.processor(), time.monotonic()
        server.reset_peak()
        attackers = Attackers(server, attack.attack, attack.processes, begun + attack.seconds)
        # All attackers keep their connections until every one has finished, so that all are open at
        # the same time.
        while attackers.done.n_waiting < attack.processes and time.monotonic() < begun + attack.seconds + 15:
            time.sleep(0.05)
        failures += attack.check(server)
        elapsed = time.monotonic() - begun
        cores = (server.processor() - processor) / max(elapsed, 0.1)
        peak = (server.peak() - start) / MEBIBYTE
        delays, lag, client_error = legitimate_client.finish() if legitimate_client else ([], 0, None)
        attackers.wait(1)
        if not server.is_running():
            failures.append("the server has exited")
        if client_error:
            failures.append(f"the legitimate client: {client_error}")
        after = memory_afterwards(server, start, attack.after) / MEBIBYTE if attack.after else None
    delays.sort()
    median = delays[len(delays) // 2] if delays else 0
    longest = delays[-1] if delays else 0
    if peak > attack.memory:
        failures.append(f"{peak:.0f} MiB of memory, at most {attack.memory}")
    if cores > attack.cores:
        failures.append(f"{cores:.2f} cores, at most {attack.cores}")
    # On a busy machine every process wakes up late.
    if longest > attack.delay + 2 * lag:
        failures.append(f"the legitimate client waited {longest * 1000:.0f} ms, at most {attack.delay * 1000:.0f}")
    start /= MEBIBYTE
    if after is not None and after > start * attack.after[0] + attack.after[1]:
        failures.append(f"{after:.0f} MiB left afterwards, {start:.0f} before")
    left = f"{after:6.0f}" if after is not None else "     -"
    line = f"{attack.name:28}{start:6.0f}{peak:8.0f}{left}{cores:7.2f}"
    line += f"{median * 1000:8.1f}{longest * 1000:8.1f}{lag * 1000:8.1f}"
    return line, failures


def memory_afterwards(server, start, bound):
    """Returns the memory after the attackers have gone and the server has had time to free it."""
    deadline = time.monotonic() + 8
    while (now := server.memory()) > start * bound[0] + bound[1] * MEBIBYTE and time.monotonic() < deadline:
        time.sleep(0.2)
    return now


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="the program `sockeye`")
    parser.add_argument("--quick", action="store_true", help="those that take few seconds, at most a minute in all")
    parser.add_argument("--list", action="store_true", help="the names of all attacks")
    parser.add_argument("names", nargs="*", help="attacks to run: all where none is named")
    options = parser.parse_args()
    if options.list:
        print(*(attack.name for attack in ATTACKS), sep="\n")
        return 0
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, 20_000), files))
    chosen = [attack for attack in ATTACKS if attack.name in options.names or not options.names]
    if options.quick:
        chosen = [attack for attack in chosen if attack.quick]
    print("attack                       start    peak  after  cores  median longest     lag")
    print("                                       MiB    MiB            ms      ms      ms")
    failed = 0
    for attack in chosen:
        try:
            line, failures = run(attack, options.program)
        except Exception as error:  # an attack that cannot run counts as failed
            line, failures = f"{attack.name:28}", [repr(error)]
        failed += bool(failures)
        print(line, "FAILED" if failures else "passed", flush=True)
        for problem in failures:
            print(f"    {problem}", flush=True)
    print(f"attacks: {len(chosen) - failed} of {len(chosen)} passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
