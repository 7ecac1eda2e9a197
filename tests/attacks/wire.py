"""Requests and frames, built by hand: attackers send what libraries do not."""

import select
import socket
import ssl
import struct
import time

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


class Disconnected(Exception):
    """The server has closed the connection."""


def dial(server, alpn=None, timeout=10):
    """Opens a connection to the server, with TLS if the server uses it."""
    stream = socket.create_connection(server.address, timeout=timeout)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not server.tls:
        return stream
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    return context.wrap_socket(stream, server_hostname="localhost")


def head(server, path, extra=b"", host=None):
    """Returns the head of a GET request."""
    host = (host or "%s:%d" % server.address).encode()
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + extra + b"\r\n"


def upgrade_head(server, path="/echo", extra=b"", host=None):
    """Returns the head of a WebSocket upgrade request."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    return head(server, path, upgrade + b"Sec-WebSocket-Key: " + KEY + b"\r\n" + extra, host)


def read_head(stream):
    """Reads the head of a response, and nothing after it."""
    answer = bytearray()
    while not answer.endswith(b"\r\n\r\n"):
        byte = stream.recv(1)
        if not byte:
            raise Disconnected
        answer += byte
    return bytes(answer)


def websocket(server, path="/echo", extra=b""):
    """Opens a WebSocket."""
    stream = dial(server, "http/1.1")
    stream.sendall(upgrade_head(server, path, extra))
    answer = read_head(stream)
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise Disconnected(answer)
    return stream


def ws_frame(opcode, payload=b"", fin=True, compressed=False, length=None):
    """Returns a client frame, masked with zeros; `length` can exceed the payload's length."""
    length = len(payload) if length is None else length
    first = (0x80 if fin else 0) | (0x40 if compressed else 0) | opcode
    if length < 126:
        size = struct.pack(">BB", first, 0x80 | length)
    elif length < 65536:
        size = struct.pack(">BBH", first, 0x80 | 126, length)
    else:
        size = struct.pack(">BBQ", first, 0x80 | 127, length)
    return size + b"\0\0\0\0" + payload


# HTTP/2 (RFC 9113), as far as the attacks need it.

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    """Returns an HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    """The first frame of a client: only `window` is known."""
    payload = b"".join(struct.pack(">HI", INITIAL_WINDOW_SIZE, value) for value in values.values())
    return PREFACE + frame(SETTINGS, payload=payload)


def _string(text):
    assert len(text) < 127
    return bytes([len(text)]) + text


def request(stream, method, path, authority, extra=(), end=True):
    """Returns a HEADERS frame whose fields are literals without indexing."""
    fields = [(b":method", method), (b":scheme", b"https"), (b":path", path.encode())]
    fields += [(b":authority", authority), *extra]
    block = b"".join(b"\0" + _string(name) + _string(value) for name, value in fields)
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)


def get(stream, path):
    """Returns a GET request over HTTP/2."""
    return request(stream, b"GET", path, b"localhost")


def connect(stream, path="/echo"):
    """Returns an extended CONNECT that opens a WebSocket (RFC 8441)."""
    extra = [(b":protocol", b"websocket"), (b"sec-websocket-version", b"13")]
    return request(stream, b"CONNECT", path, b"localhost", extra, end=False)


def reset(stream):
    """Returns a RST_STREAM frame with CANCEL."""
    return frame(RST_STREAM, stream=stream, payload=struct.pack(">I", 8))


class Frames:
    """Splits received bytes into HTTP/2 frames."""

    def __init__(self):
        self.input = bytearray()

    def feed(self, data):
        self.input += data
        while len(self.input) >= 9:
            length = int.from_bytes(self.input[:3], "big")
            if len(self.input) < 9 + length:
                return
            kind, flags, stream = self.input[3], self.input[4], int.from_bytes(self.input[5:9], "big")
            payload = bytes(self.input[9 : 9 + length])
            del self.input[: 9 + length]
            yield kind, flags, stream & 0x7FFFFFFF, payload


_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def receive(stream):
    """Returns the data that is available to read, without waiting."""
    received = bytearray()
    while len(received) < 1 << 20:
        try:
            data = stream.recv(65536)
        except _WOULD_BLOCK:
            break
        except OSError as error:
            raise Disconnected from error
        if not data:
            raise Disconnected
        received += data
    return bytes(received)


def _wait(stream, read):
    """Waits briefly until the stream is writable, or readable if `read`."""
    poll = select.poll()
    poll.register(stream, select.POLLOUT | (select.POLLIN if read else 0))
    poll.poll(20)


def write_until(stream, data, deadline, on_data=None, read=True):
    """Writes `data` until the deadline at the latest, while reading received data.

    Returns whether all was written.
    """
    stream.setblocking(False)
    remaining = memoryview(data)
    while remaining and time.monotonic() < deadline:
        try:
            remaining = remaining[stream.send(remaining[: 1 << 18]) :]
            blocked = False
        except _WOULD_BLOCK:
            blocked = True
        except OSError as error:
            raise Disconnected from error
        if read:
            received = receive(stream)
            if on_data and received:
                on_data(received)
        if blocked:
            _wait(stream, read)
    return not remaining
