"""A server of HTTP/2 inside a WebSocket, made with Python `websockets` and `h2`.

Each input line is a command, {}, that starts a server, and the program prints {"port"}. The server
echoes the body of every request. When a connection has ended, the program prints {"closed": port,
"close_code", "messages"}, where "messages" is the number of messages received. The program ends at
the end of its input.
"""

import asyncio
import json
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, WindowUpdated
from http2_pipe import Pipe
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


def print_json(report):
    print(json.dumps(report), flush=True)


async def answer(websocket):
    pipe = Pipe(websocket, H2Connection(H2Configuration(client_side=False)))
    connection = pipe.connection
    connection.initiate_connection()
    bodies, unsent = {}, {}
    try:
        while True:
            await pipe.flush()
            for event in await pipe.receive():
                match event:
                    case RequestReceived(stream_id=stream_id):
                        bodies[stream_id] = bytearray()
                    case DataReceived(stream_id=stream_id, data=data):
                        bodies[stream_id] += data
                        if event.flow_controlled_length:
                            connection.acknowledge_received_data(
                                event.flow_controlled_length, stream_id
                            )
                    case StreamEnded(stream_id=stream_id):
                        body = bytes(bodies.pop(stream_id))
                        connection.send_headers(
                            stream_id, [(":status", "200")], end_stream=not body
                        )
                        unsent[stream_id] = body
                    case WindowUpdated():
                        pass
            for stream_id in list(unsent):
                unsent[stream_id] = pipe.send_body(stream_id, unsent[stream_id])
                if not unsent[stream_id]:
                    del unsent[stream_id]
    except ConnectionClosed:
        pass
    await websocket.wait_closed()
    print_json(
        {
            "closed": websocket.local_address[1],
            "close_code": websocket.close_code,
            "messages": pipe.messages,
        }
    )


async def main():
    servers = []
    while await asyncio.to_thread(sys.stdin.readline):
        server = await serve(answer, "127.0.0.1", 0, ping_interval=None)
        servers.append(server)
        print_json({"port": server.sockets[0].getsockname()[1]})
    for server in servers:
        server.close()


asyncio.run(main())
