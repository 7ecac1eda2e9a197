"""A WebSocket client that answers pings and sends none, as browsers do."""

import base64
import os
import socket
import struct
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Lost(Exception):
    """The end of a WebSocket that was to stay open."""


class WebSocket:
    def __init__(self, port, path, subprotocol=None):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        key = base64.b64encode(os.urandom(16)).decode()
        offer = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{offer}\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read(1)
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Lost(head.decode(errors="replace").splitlines()[0])
        self.pings = 0

    def read(self, length):
        received = b""
        while len(received) < length:
            part = self.socket.recv(length - len(received))
            if not part:
                raise Lost("the connection has ended")
            received += part
        return received

    def send(self, text, opcode=TEXT):
        payload = text.encode() if isinstance(text, str) else text
        # Below 126 bytes the length is one byte; the mask key is 0.
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload)

    def receive(self, timeout):
        """Returns the next text or bytes, or None after the timeout in seconds."""
        deadline = time.monotonic() + timeout
        while True:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                first = self.read(1)
            except TimeoutError:
                return None
            self.socket.settimeout(10)
            length = self.read(1)[0]
            if length == 126:
                (length,) = struct.unpack(">H", self.read(2))
            payload = self.read(length)
            match first[0] & 0x0F:
                case 1:
                    return payload.decode()
                case 2:
                    return payload
                case 9:
                    self.pings += 1
                    self.send(payload, PONG)
                case 8:
                    raise Lost(f"closed with {payload!r}")
