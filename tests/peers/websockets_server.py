"""Echo servers made with Python `websockets`, started by commands on standard input.

Each input line is a command, {"deflate": null | {parameters of permessage-deflate}}, that starts a
server, and the program prints {"port"} or {"error"}. When a connection has ended, the program prints
{"closed": port, "close_code", "close_reason", "received"}, where "received" is the number of
transport bytes. The program ends at the end of its input.

A message is echoed whole, or, if longer than FRAGMENTED_FROM, in three fragments with a ping
between them. A connection to the path /bye is closed at once.
"""

import asyncio
import json
import sys

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

FRAGMENTED_FROM = 10_000
SUBPROTOCOL = "fish"


def print_json(report):
    print(json.dumps(report), flush=True)


class CountingConnection(ServerConnection):
    received = 0

    def data_received(self, data):
        self.received += len(data)
        super().data_received(data)


async def fragments(connection, message):
    third = len(message) // 3
    yield message[:third]
    await connection.ping()
    yield message[third : 2 * third]
    yield message[2 * third :]


async def echo(connection):
    port = connection.local_address[1]
    try:
        if connection.request.path == "/bye":
            await connection.close(4001, "bye, 鮭")
        async for message in connection:
            if len(message) > FRAGMENTED_FROM:
                await connection.send(fragments(connection, message))
            else:
                await connection.send(message)
    except ConnectionClosed:
        pass
    await connection.wait_closed()
    print_json(
        {
            "closed": port,
            "close_code": connection.close_code,
            "close_reason": connection.close_reason,
            "received": connection.received,
        }
    )


async def start(command):
    deflate = command["deflate"]
    return await serve(
        echo,
        "127.0.0.1",
        0,
        compression=None,
        extensions=[ServerPerMessageDeflateFactory(**deflate)] if deflate is not None else None,
        subprotocols=[SUBPROTOCOL],
        create_connection=CountingConnection,
        ping_interval=None,
    )


async def main():
    servers = []
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            server = await start(json.loads(line))
        except ValueError as error:
            print_json({"error": str(error)})
            continue
        servers.append(server)
        print_json({"port": server.sockets[0].getsockname()[1]})
    for server in servers:
        server.close()


asyncio.run(main())
