#!/usr/bin/env python3
"""Measures the CPU time of a call in the gateway, beside Envoy and grpc-gateway.

    race.py PROGRAM FOLDER [--rounds 5] [--calls 20000] [--json FILE] [NAME...]

PROGRAM is the gateway, as words: `target/release/sockeye gateway`. FOLDER has what
ci/gateway-race.sh has built and installed; rivals that are not there are left out. With names, only
the dialects whose name contains one of them are measured.

All gateways stand before one upstream, which returns what it receives. Each first has to answer
rightly. A round then takes one sample of every gateway and dialect, in an order of its own: h2load
sends the calls over 8 connections, one at a time on each, and the user and system time of the
gateway's process during that is divided by their number. The time of other processes does not
count, so that it matters little how busy the machine is. The table has medians of the rounds.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import grpc
import order

HERE = pathlib.Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 8
WARM_UP_CALLS = 2000
START_LIMIT = 30  # seconds
LOAD_LIMIT = 300  # seconds, for one sample

METHOD = "/sockeye.race.Orders/Echo"
RULE = "/v1/orders"
WIRE, JSON = order.to_wire(order.order()), order.to_json(order.order())
ENVELOPE = bytes([0]) + len(WIRE).to_bytes(4, "big") + WIRE


class Failed(Exception):
    """A gateway that cannot take part, with the reason."""


class Dialect:
    """A way to make the call."""

    def __init__(self, name, path, media_type, body, http1, gateways):
        self.name, self.path, self.media_type, self.body = name, path, media_type, body
        self.http1, self.gateways = http1, gateways

    def flags(self):
        """Returns the flags that curl and h2load share."""
        flags = ["-H", f"content-type: {self.media_type}"]
        if self.is_grpc:
            flags += ["-H", "te: trailers"]
        if self.media_type == "application/proto":
            # Envoy translates Connect with this header only.
            flags += ["-H", "connect-protocol-version: 1"]
        return flags

    @property
    def is_grpc(self):
        return self.media_type == "application/grpc"

    def check(self, port, body_file):
        """Checks that the message comes back whole."""
        if self.is_grpc:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                same = channel.unary_unary(METHOD)(WIRE, timeout=10)
        else:
            version = "--http1.1" if self.http1 else "--http2-prior-knowledge"
            command = ["curl", "-sS", "--fail-with-body", "--max-time", "10", version, *self.flags(),
                       "--data-binary", f"@{body_file}", f"http://127.0.0.1:{port}{self.path}"]
            answer = subprocess.run(command, capture_output=True, timeout=20)
            if answer.returncode:
                raise Failed((answer.stderr + answer.stdout).decode(errors="replace").strip()[:200])
            same = self.message_of(answer.stdout)
        if same not in (WIRE, json.loads(JSON)):
            raise Failed(f"another message came back: {same!r}"[:200])

    def message_of(self, answer):
        if self.media_type == "application/json":
            return json.loads(answer)
        return answer[5:5 + len(WIRE)] if self.body is ENVELOPE else answer


EVERY, ALL_BUT_GO = ("sockeye", "envoy", "grpc-gateway"), ("sockeye", "envoy")
DIALECTS = [
    Dialect("gRPC", METHOD, "application/grpc", ENVELOPE, False, ALL_BUT_GO),
    Dialect("JSON, HTTP/1.1", RULE, "application/json", JSON, True, EVERY),
    Dialect("JSON, HTTP/2", RULE, "application/json", JSON, False, EVERY),
    Dialect("gRPC-Web, HTTP/1.1", METHOD, "application/grpc-web+proto", ENVELOPE, True, ALL_BUT_GO),
    Dialect("Connect, HTTP/1.1", METHOD, "application/proto", WIRE, True, ALL_BUT_GO),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A process that listens on a port of its own."""

    def __init__(self, name, command_of, folder):
        self.name, self.port = name, free_port()
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as output:
            command = [str(part) for part in command_of(self.port)]
            print(f"race: starting {' '.join(command)}", flush=True)
            self.process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)

    def wait(self):
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise Failed(f"{self.name} does not listen: " + self.log.read_text(errors="replace")[-500:])

    def cpu_seconds(self):
        """Returns the user and system time of all threads, those that have ended included."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, name):
        """Returns a value of the process's status, in MiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.M)[1]) / 1024

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def upstream(tools, folder):
    program = next((tools / name for name in ("go-upstream", "echo-upstream") if (tools / name).exists()), None)
    if program is None:
        raise Failed("there is no upstream: build it with ci/gateway-race.sh")
    return Process("upstream", lambda port: [program, f"127.0.0.1:{port}"], folder)


def gateways(program, tools, folder, back):
    """Starts every gateway that is there."""
    descriptors = tools / "generated/order.binpb"

    def sockeye(port):
        return [*program, "--listen", f"127.0.0.1:{port}", "--upstream", f"http://127.0.0.1:{back}",
                "--descriptor-set", descriptors]

    def envoy(port):
        configuration = folder / "envoy.yaml"
        text = (HERE / "envoy.yaml").read_text().replace("@PORT@", str(port)).replace("@UPSTREAM@", str(back))
        configuration.write_text(text.replace("@DESCRIPTORS@", str(descriptors)))
        return [tools / "venv/bin/envoy", "-c", configuration, "--log-level", "error", "--use-dynamic-base-id"]

    def grpc_gateway(port):
        return [tools / "grpc-gateway", f"127.0.0.1:{port}", f"127.0.0.1:{back}"]

    yield Process("sockeye", sockeye, folder)
    if (tools / "venv/bin/envoy").exists():
        yield Process("envoy", envoy, folder)
    if (tools / "grpc-gateway").exists():
        yield Process("grpc-gateway", grpc_gateway, folder)


def load(gateway, dialect, calls, body_file):
    """Sends the calls and returns the gateway's CPU time for each, in microseconds."""
    command = ["h2load", "-n", str(calls), "-c", str(CONNECTIONS), "-m", "1", "-t", "1", *dialect.flags(),
               "-d", body_file, f"http://127.0.0.1:{gateway.port}{dialect.path}"]
    if dialect.http1:
        command.insert(1, "--h1")
    before = gateway.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_LIMIT)
    used = gateway.cpu_seconds() - before
    codes = re.search(r"status codes: (\d+) 2xx", done.stdout)
    if done.returncode or not codes or int(codes[1]) != calls:
        raise Failed(f"{codes[1] if codes else 0} of {calls} calls succeeded: {done.stderr[-200:]}")
    return used / calls * 1e6


def measure(dialects, running, rounds, calls, folder):
    """Returns the samples by dialect and gateway, and the reasons of those that were left out."""
    samples, reasons, files = {}, {}, {}
    for dialect in dialects:
        files[dialect] = folder / f"{len(files)}.body"
        files[dialect].write_bytes(dialect.body)
    pairs = [(dialect, gateway) for dialect in dialects for gateway in running if gateway.name in dialect.gateways]
    for dialect, gateway in pairs:
        try:
            dialect.check(gateway.port, files[dialect])
            load(gateway, dialect, WARM_UP_CALLS, files[dialect])
        except (Failed, OSError, grpc.RpcError, ValueError, subprocess.SubprocessError) as error:
            reasons[dialect.name, gateway.name] = str(error)[:300]
    for number in range(rounds):
        random.Random(number).shuffle(pairs)
        for dialect, gateway in pairs:
            key = (dialect.name, gateway.name)
            if key in reasons:
                continue
            try:
                samples.setdefault(key, []).append(load(gateway, dialect, calls, files[dialect]))
            except (Failed, OSError, subprocess.SubprocessError) as error:
                reasons[key] = str(error)[:300]
        print(f"race: round {number + 1} of {rounds}", flush=True)
    return samples, reasons


def table(dialects, running, samples, reasons):
    names = [gateway.name for gateway in running]
    print("\nµs of CPU per call in the gateway: median of the rounds, lowest to highest, ratio to Sockeye\n")
    print("| dialect | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for dialect in dialects:
        own = samples.get((dialect.name, "sockeye"))
        cells = []
        for name in names:
            key = (dialect.name, name)
            values = samples.get(key)
            if key in reasons:
                cells.append("fails")
            elif not values:
                cells.append("")
            else:
                middle = statistics.median(values)
                ratio = f", {middle / statistics.median(own):.2f}" if own and name != "sockeye" else ""
                cells.append(f"{middle:.1f} ({min(values):.1f} to {max(values):.1f}){ratio}")
        print(f"| {dialect.name} | " + " | ".join(cells) + " |")
    memory = [f"{gateway.memory('VmRSS'):.1f}, at most {gateway.memory('VmHWM'):.1f}" for gateway in running]
    print("| MiB after the load | " + " | ".join(memory) + " |")
    for (dialect, name), reason in reasons.items():
        print(f"\n{name} fails with {dialect}: {reason}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    dialects = [dialect for dialect in DIALECTS
                if not arguments.names or any(name.lower() in dialect.name.lower() for name in arguments.names)]
    tools = arguments.folder.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sockeye-gateway-race-"))
    print(f"race: {len(JSON)} bytes of JSON, {len(WIRE)} on the wire; {arguments.calls} calls a sample", flush=True)
    running = []
    try:
        back = upstream(tools, folder)
        running.append(back)
        back.wait()
        fronts = []
        for gateway in gateways(arguments.program.split(), tools, folder, back.port):
            running.append(gateway)
            try:
                gateway.wait()
                fronts.append(gateway)
            except Failed as error:
                if gateway.name == "sockeye":
                    raise
                print(f"race: left out: {error}", flush=True)
        samples, reasons = measure(dialects, fronts, arguments.rounds, arguments.calls, folder)
        table(dialects, fronts, samples, reasons)
        if arguments.json:
            rows = [{"dialect": dialect, "gateway": name, "microseconds": values}
                    for (dialect, name), values in samples.items()]
            arguments.json.write_text(json.dumps(rows, indent=1))
    except Failed as error:
        sys.exit(f"race: {error}")
    finally:
        for process in reversed(running):
            process.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if any(name == "sockeye" for _, name in reasons) else 0)


if __name__ == "__main__":
    main()
