"""A client made with Python `websockets` that tests echo servers, by commands on standard input.

Each input line is a command,

    {"url", "deflate": null | {parameters of permessage-deflate}, "close": null | [code, reason]}

(without "close", the client sends nothing and waits for the server to close), and the client prints
{"extensions", "subprotocol", "close_code", "close_reason", "received"}, where "received" is the
number of transport bytes; or {"status"} if the server rejects the handshake; or {"error"}. The
program ends at the end of its input.
"""

import asyncio
import json
import random
import sys

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

DEADLINE_S = 20


class CountingConnection(ClientConnection):
    received = 0

    def data_received(self, data):
        self.received += len(data)
        super().data_received(data)


def messages():
    random_bytes = random.Random(7692).randbytes
    yield from ["", b"", "x", b"x", "grüße, 鮭 🐟", "\0"]
    for length in [125, 126, 127, 65_535, 65_536]:
        yield "text " * (length // 5) + "x" * (length % 5)
        yield random_bytes(length)
    yield "swims upstream, " * 20_000
    yield random_bytes(300_000)
    # With context takeover, all but the first compress to references to the previous message.
    repeated = random_bytes(2_000)
    yield from [repeated] * 50


def fragmented():
    yield ["one ", "", "two ", "🐟🐟🐟", ""]
    yield [b"", bytes(300), bytes(70_000), b"end"]


async def converse(connection):
    for message in messages():
        await connection.send(message)
        echoed = await connection.recv()
        assert echoed == message, f"{len(message)} sent, {len(echoed)} echoed"
    for pieces in fragmented():
        await connection.send(pieces)
        assert await connection.recv() == type(pieces[0])().join(pieces)
    for _ in range(100):
        await connection.send("many at once")
    pong = await connection.ping(b"are you there?")
    for _ in range(100):
        assert await connection.recv() == "many at once"
    await pong


async def run_command(command):
    deflate = command["deflate"]
    async with connect(
        command["url"],
        compression=None,
        extensions=[ClientPerMessageDeflateFactory(**deflate)] if deflate is not None else None,
        subprotocols=["fowl", "fish"],
        create_connection=CountingConnection,
        ping_interval=None,
        proxy=None,
    ) as connection:
        if command["close"] is None:
            await connection.wait_closed()
        else:
            await converse(connection)
            await connection.close(*command["close"])
    return {
        "extensions": connection.response.headers.get("Sec-WebSocket-Extensions"),
        "subprotocol": connection.subprotocol,
        "close_code": connection.close_code,
        "close_reason": connection.close_reason,
        "received": connection.received,
    }


async def main():
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            report = await asyncio.wait_for(run_command(json.loads(line)), DEADLINE_S)
        except InvalidStatus as refusal:
            report = {"status": refusal.response.status_code}
        except Exception as error:
            report = {"error": repr(error)}
        print(json.dumps(report), flush=True)


asyncio.run(main())
