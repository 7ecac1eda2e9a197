"""Measures tunnels side by side on loopback: throughput and processor time by iperf3, and echoes beside
a stream whose target does not read.

Each round measures all paths one after the other, so that other work on the machine affects all of
them alike; the table has the medians. Run by ci/tunnel-race.sh.
"""

import argparse
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
HOST = "127.0.0.1"
ECHO_LENGTH = 64
# Seconds.
ECHO_TIMEOUT = 10
RUNS = 5


def free_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def wait_for(port):
    """Waits until a port accepts connections, for up to 30 s."""
    for _ in range(300):
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"tunnel-race: nothing listens on port {port}")


def ticks_of(process):
    """Returns the processor time of a process so far, in ticks, or None after its end."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[11]) + int(fields[12])


def family(process):
    """Returns a process and its children, as those of socat."""
    try:
        with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
            return [process, *map(int, file.read().split())]
    except OSError:
        return [process]


class Meter:
    """Measures the processor time of groups of processes, children that end meanwhile included."""

    def __init__(self, groups):
        self.groups = groups
        self.first = [self.sample(group) for group in groups]
        self.last = [dict(first) for first in self.first]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    @staticmethod
    def sample(group):
        found = {id: ticks_of(id) for process in group for id in family(process)}
        return {id: ticks for id, ticks in found.items() if ticks is not None}

    def run(self):
        while not self.stop.wait(0.05):
            for last, group in zip(self.last, self.groups):
                last.update(self.sample(group))

    def finish(self):
        """Returns the seconds of each group."""
        self.stop.set()
        self.thread.join()
        for last, group in zip(self.last, self.groups):
            last.update(self.sample(group))
        spent = zip(self.first, self.last)
        return [
            sum(ticks - first.get(id, 0) for id, ticks in last.items()) / TICKS
            for first, last in spent
        ]


class Path:
    """A way to the targets: the port for each target, and the processes of each end."""

    def __init__(self, name, ports, ends):
        self.name, self.ports, self.ends = name, ports, ends
        self.rates, self.costs = [], []
        self.idle, self.stalled = [], []


class Race:
    def __init__(self, options, log):
        self.options, self.log = options, log
        self.processes = []
        self.targets = {}

    def start(self, *command):
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        self.processes.append(process)
        return process.pid

    def finish(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def start_targets(self):
        iperf, echo, silent = free_port(), free_port(), free_port()
        self.start("iperf3", "-s", "-B", HOST, "-p", iperf)
        self.start("socat", f"TCP-LISTEN:{echo},bind={HOST},fork,reuseaddr,nodelay", "EXEC:cat")
        # Accepts and reads nothing.
        listener = socket.create_server((HOST, silent))
        threading.Thread(target=accept_and_hold, args=(listener,), daemon=True).start()
        wait_for(echo)
        time.sleep(0.5)
        self.targets = {"iperf": iperf, "echo": echo, "silent": silent}

    def sockeye(self, name, program):
        back = free_port()
        allow = [f"--allow={HOST}:{port}" for port in self.targets.values()]
        server = self.start(program, "tunnel", "serve", "--listen", f"{HOST}:{back}", *allow)
        wait_for(back)
        ports = {target: free_port() for target in self.targets}
        forwards = [f"-L{ports[name]}:{HOST}:{port}" for name, port in self.targets.items()]
        client = self.start(program, "tunnel", "open", f"http://{HOST}:{back}/tunnel", *forwards)
        wait_for(ports["iperf"])
        return Path(name, ports, [[client], [server]])

    def penguin(self, program):
        back = free_port()
        server = self.start(program, "server", "--host", HOST, "--port", back)
        wait_for(back)
        ports = {target: free_port() for target in self.targets}
        forwards = [f"{HOST}:{ports[name]}:{HOST}:{port}" for name, port in self.targets.items()]
        client = self.start(program, "client", f"ws://{HOST}:{back}/ws", *forwards)
        wait_for(ports["iperf"])
        return Path("rusty-penguin", ports, [[client], [server]])

    def relays(self):
        """Two relays by socat, one after the other, for each target."""
        ports, ends = {}, [[], []]
        for name, target in self.targets.items():
            for end in ends:
                port = free_port()
                options = f"bind={HOST},fork,reuseaddr,nodelay"
                listen = f"TCP-LISTEN:{port},{options}"
                end.append(self.start("socat", "-b", 65536, listen, f"TCP:{HOST}:{target},nodelay"))
                wait_for(port)
                target = port
            ports[name] = target
        return Path("two socat", ports, ends)

    def throughput(self, path):
        command = ["iperf3", "-c", HOST, "-p", str(path.ports["iperf"]), "-J"]
        command += ["-t", str(self.options.seconds)] + (["-R"] if self.options.reverse else [])
        for _ in range(50):
            meter = Meter(path.ends)
            try:
                result = subprocess.run(command, capture_output=True, check=False, timeout=60)
            except subprocess.TimeoutExpired:
                sys.exit(f"tunnel-race: iperf3 hangs through {path.name}")
            finally:
                seconds = meter.finish()
            # The end of the run before may still be on its way.
            if b"the server is busy" not in result.stdout:
                break
            time.sleep(0.1)
        end = json.loads(result.stdout).get("end", {}).get("sum_received")
        if not end or not end["bytes"]:
            sys.exit(f"tunnel-race: iperf3 failed through {path.name}: {result.stdout[-300:]}")
        path.rates.append(end["bits_per_second"] / 1e9)
        path.costs.append([cost / (end["bytes"] / 2**30) for cost in seconds])

    def echoes(self, path):
        """Returns the times of echoes one after the other, in µs, sorted; that of a path which
        does not answer in time is infinite."""
        with socket.create_connection((HOST, path.ports["echo"]), timeout=ECHO_TIMEOUT) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            message, times = b"e" * ECHO_LENGTH, []
            for number in range(self.options.echoes + 50):
                begun = time.perf_counter()
                stream.sendall(message)
                left = ECHO_LENGTH
                while left:
                    try:
                        received = len(stream.recv(left))
                    except TimeoutError:
                        return [math.inf]
                    if not received:
                        return [math.inf]
                    left -= received
                # The first ones are a warm-up.
                if number >= 50:
                    times.append((time.perf_counter() - begun) * 1e6)
        return sorted(times)

    def latency(self, path):
        """Measures echoes with and without a stream beside them that fills every buffer, in turns:
        a burst of other work on the machine then lies in few of the short runs."""
        for _ in range(RUNS):
            path.idle.append(self.echoes(path))
            with socket.create_connection((HOST, path.ports["silent"])) as bulk:
                bulk.setblocking(False)
                fill(bulk)
                path.stalled.append(self.echoes(path))


def accept_and_hold(listener):
    held = []
    while True:
        held.append(listener.accept()[0])


def fill(stream):
    """Writes until nothing was taken for half a second."""
    chunk, last = bytes(1 << 16), time.monotonic()
    while time.monotonic() < last + 0.5:
        try:
            stream.send(chunk)
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)


def percentile(times, share):
    return times[min(len(times) - 1, int(len(times) * share))]


def rows(paths, baseline):
    base = statistics.median(baseline.rates)
    for path in paths:
        rate = statistics.median(path.rates)
        client, server = (statistics.median(cost) for cost in zip(*path.costs))
        row = [path.name, f"{rate:.2f}", f"{rate / base:.2f}"]
        row += [f"{client:.2f}", f"{server:.2f}"]
        if path.idle:
            idle = statistics.median(percentile(times, 0.99) for times in path.idle)
            stalled = statistics.median(percentile(times, 0.99) for times in path.stalled)
            row += [f"{idle:.0f}", f"{stalled:.0f}", f"{stalled / idle:.2f}"]
        yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each run of iperf3")
    parser.add_argument("--echoes", type=int, default=300, help="of each run; 0 for none")
    parser.add_argument("--reverse", action="store_true", help="from the server to the client")
    parser.add_argument(
        "--program", action="append", metavar="NAME=FILE", help="sockeye; repeatable, to compare"
    )
    parser.add_argument("--penguin", metavar="FILE", help="rusty-penguin; left out by default")
    options = parser.parse_args()
    with tempfile.TemporaryFile() as log:
        race = Race(options, log)
        try:
            race.start_targets()
            programs = [name.partition("=") for name in options.program or []]
            paths = [race.sockeye(name, program) for name, _, program in programs]
            baseline = race.relays()
            paths.append(baseline)
            if options.penguin:
                paths.append(race.penguin(options.penguin))
            for number in range(options.rounds):
                print(f"tunnel-race: round {number + 1}", file=sys.stderr)
                for path in paths:
                    race.throughput(path)
                for path in paths if options.echoes else []:
                    race.latency(path)
        finally:
            race.finish()
    head = ["", "Gbit/s", "of two socat", "client, CPU s/GiB", "server, CPU s/GiB"]
    if options.echoes:
        head += ["echo p99, µs", "beside a stalled stream", "ratio"]
    print("| " + " | ".join(head) + " |")
    print("|---|" + "--:|" * (len(head) - 1))
    for row in rows(paths, baseline):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
