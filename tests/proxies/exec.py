"""A terminal of `sockeye exec` behind a proxy."""

import json
import struct
import time

from processes import Failed
from websocket import BINARY, WebSocket


def start_exec(trial, stack):
    script = "stty -echo; echo client=$REMOTE_ADDR.; exec cat"
    return ["exec", "--no-auth", "--pty", "--", "sh", "-c", script]


class Viewer:
    """A viewer over sockeye.tty.v1."""

    def __init__(self, port, **resuming):
        self.ws = WebSocket(port, "/ws", "sockeye.tty.v1")
        self.ws.send(json.dumps({"type": "hello", "columns": 80, "rows": 24} | resuming))
        self.session = json.loads(self.ws.receive(10) or "null")
        self.offset = self.session["offset"]
        self.shown = ""

    def enter(self, offset, text):
        self.ws.send(struct.pack(">Q", offset) + text.encode(), BINARY)

    def receive(self, timeout):
        message = self.ws.receive(timeout)
        if isinstance(message, bytes):
            self.offset = struct.unpack(">Q", message[:8])[0] + len(message) - 8
            self.shown += message[8:].decode()
        return message

    def wait_for(self, text):
        deadline = time.monotonic() + 10
        while text not in self.shown:
            if self.receive(deadline - time.monotonic()) is None:
                raise Failed(f"{text!r} was not shown, but {self.shown!r}")

    def resuming(self):
        return {"session": self.session["session"], "keyboard": self.session["keyboard"], "offset": self.offset}


def verify_exec(trial, stack):
    """Types before and after the silence, and on another WebSocket after the first is lost."""
    viewer = Viewer(trial.port)
    viewer.wait_for("client=127.0.0.1.")
    viewer.enter(0, "before\r")
    viewer.wait_for("before")
    # The acknowledgement of the input may be on its way.
    while viewer.receive(1) is not None:
        pass
    if (message := viewer.receive(trial.silence)) is not None:
        raise Failed(f"{message!r} arrived in the silence")
    viewer.enter(7, "after\r")
    viewer.wait_for("after")
    viewer.ws.socket.close()
    again = Viewer(trial.port, **viewer.resuming())
    if again.session["input"] != 13:
        raise Failed(f"the session goes on at another key: {again.session}")
    again.enter(7, "after\rresumed\r")
    again.wait_for("resumed")
    if "after" in again.shown:
        raise Failed("input that was sent again was taken twice")
    return f"{viewer.ws.pings} pings, resumed"
