"""The servers of Sockeye behind a proxy: the arguments of each, and its check.

A server is a pair of functions: `start(trial, stack)` returns the words after `sockeye`, and
`verify(trial, stack)` checks the server through the proxy and returns a remark. The stack ends what they
start.
"""

import contextlib
import dataclasses
import json
import pathlib
import socket
import socketserver
import subprocess
import threading
import urllib.request

from processes import Failed, free_port, running
from websocket import WebSocket

DESCRIPTORS = pathlib.Path(__file__).parents[2] / "demo/library/src/generated/descriptors.bin"
TOKEN = "a-token-of-the-proxies"


@dataclasses.dataclass
class Trial:
    """One proxy before one server."""

    sockeye: str
    # The port of the proxy.
    port: int
    # Seconds.
    silence: float
    folder: pathlib.Path
    # The log of the server.
    log: pathlib.Path
    # Whether the proxy reports the client by a PROXY header, which has a port.
    has_client_port: bool
    # The port of the target of a tunnel.
    target: int = 0


def check_page(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        if answer.read() != b"ok\n":
            raise Failed("/healthz did not answer ok")


def check_silence(trial, path, question, expected):
    ws = WebSocket(trial.port, path)
    ws.send(question)
    if expected not in (ws.receive(10) or ""):
        raise Failed("the first message had no answer")
    if (text := ws.receive(trial.silence)) is not None:
        raise Failed(f"{text!r} arrived in the silence")
    ws.send(question)
    if ws.receive(10) is None:
        raise Failed("a message after the silence had no answer")
    return ws


def start_serve(trial, stack):
    return ["serve", "--no-auth"]


def verify_serve(trial, stack):
    ws = check_silence(trial, "/echo", "silence", "silence")
    # Request headers have no port.
    port = ws.socket.getsockname()[1] if trial.has_client_port else 0
    if f"WebSocket opened peer=127.0.0.1:{port}\n" not in trial.log.read_text():
        raise Failed("the server did not see the client's address")
    return f"{ws.pings} pings"


def start_gateway(trial, stack):
    return ["gateway", "--no-auth", "--demo"]


def verify_gateway(trial, stack):
    """Makes calls in protocols that pass through a proxy of HTTP/1.1."""
    port = trial.port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/books/maps-of-fog", timeout=10) as answer:
        if json.load(answer)["title"] != "Maps of Fog":
            raise Failed("a call with JSON had another answer")
    for protocol in ["grpc-web", "connect", "websocket"]:
        method = "sockeye.library.v1.Library/GetBook"
        command = [trial.sockeye, "call", f"http://127.0.0.1:{port}", method, "-d", '{"id":"maps-of-fog"}']
        # Reflection needs HTTP/2 as far as the server.
        command += ["--descriptor-set", DESCRIPTORS]
        made = subprocess.run([*command, "--protocol", protocol], capture_output=True, text=True, timeout=30)
        if "Maps of Fog" not in made.stdout:
            raise Failed(f"a call with {protocol}: {made.stderr.strip() or made.stdout}")
    ws = check_silence(trial, "/v1/books:recommend?method=POST", '{"genre":"POETRY"}', "Maps of Fog")
    return f"{ws.pings} pings"


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            while received := self.request.recv(65536):
                self.request.sendall(received)


def start_tunnel(trial, stack):
    server = stack.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)
    trial.target = server.server_address[1]
    (trial.folder / "tokens").write_text(f"{TOKEN}\n")
    allow = ["--allow", f"127.0.0.1:{trial.target}"]
    return ["tunnel", "serve", "--token-file", trial.folder / "tokens", *allow]


def verify_tunnel(trial, stack):
    """Exchanges bytes on one connection before and after the silence, and a megabyte on another."""
    port = free_port()
    command = [trial.sockeye, "tunnel", "open", f"http://127.0.0.1:{trial.port}/tunnel"]
    command += ["--token-file", trial.folder / "tokens", "-L", f"{port}:127.0.0.1:{trial.target}"]
    stack.enter_context(running(command, trial.folder / "client.log", port))
    with socket.create_connection(("127.0.0.1", port), 10) as idle:
        exchange(idle, b"before the silence")
        idle.settimeout(trial.silence)
        with contextlib.suppress(TimeoutError):
            if not idle.recv(1):
                raise Failed("the connection has ended in the silence")
            raise Failed("something arrived in the silence")
        exchange(idle, b"after the silence")
    with socket.create_connection(("127.0.0.1", port), 10) as other:
        exchange(other, bytes(1 << 20))
    log = trial.log.read_text()
    if (opened := log.count("client connected")) != 1:
        raise Failed(f"the client opened {opened} WebSockets, expected 1")
    if "peer=127.0.0.1" not in log:
        raise Failed("the server did not see the client's address")
    return "one WebSocket"


def exchange(connection, sent):
    connection.settimeout(30)
    sender = threading.Thread(target=connection.sendall, args=(sent,))
    sender.start()
    received = 0
    while received < len(sent):
        part = connection.recv(65536)
        if not part:
            raise Failed("the connection has ended")
        if part != sent[received : received + len(part)]:
            raise Failed("other bytes came back")
        received += len(part)
    sender.join()


SERVERS = {
    "serve": (start_serve, verify_serve),
    "gateway": (start_gateway, verify_gateway),
    "tunnel": (start_tunnel, verify_tunnel),
}
