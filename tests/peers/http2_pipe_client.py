"""A client of HTTP/2 inside a WebSocket, made with Python `websockets` and `h2`.

Each input line is a command, {"url", "lengths": [lengths of the bodies to send]}. The client posts
each body to /echo, all at once on one connection, and prints {"statuses", "echoed", "close_code"},
where "echoed" says whether each body came back unchanged; or {"error"}. The program ends at the end
of its input.
"""

import asyncio
import json
import random
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset
from http2_pipe import Pipe
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

DEADLINE_S = 60


class EchoStream:
    def __init__(self, body):
        self.body = self.unsent = body
        self.received = bytearray()
        self.status = None
        self.ended = False


async def run_command(command):
    random_bytes = random.Random(7540).randbytes
    streams = {}
    async with connect(command["url"], ping_interval=None, proxy=None) as websocket:
        connection = H2Connection(H2Configuration(client_side=True))
        pipe = Pipe(websocket, connection)
        connection.initiate_connection()
        for length in command["lengths"]:
            stream_id = connection.get_next_available_stream_id()
            streams[stream_id] = EchoStream(random_bytes(length))
            head = [
                (":method", "POST"),
                (":scheme", "http"),
                (":authority", "tunnel"),
                (":path", "/echo"),
            ]
            connection.send_headers(stream_id, head, end_stream=length == 0)
        while not all(stream.ended for stream in streams.values()):
            for stream_id, stream in streams.items():
                stream.unsent = pipe.send_body(stream_id, stream.unsent)
            await pipe.flush()
            for event in await pipe.receive():
                match event:
                    case ResponseReceived(stream_id=stream_id, headers=headers):
                        status = next(value for name, value in headers if name in (b":status", ":status"))
                        streams[stream_id].status = int(status)
                    case DataReceived(stream_id=stream_id, data=data):
                        streams[stream_id].received += data
                        if event.flow_controlled_length:
                            connection.acknowledge_received_data(
                                event.flow_controlled_length, stream_id
                            )
                    case StreamEnded(stream_id=stream_id):
                        streams[stream_id].ended = True
                    case StreamReset():
                        raise ConnectionError(repr(event))
        connection.close_connection()
        await pipe.flush()
        # The server then ends the connection: GOAWAY, and possibly a close frame.
        try:
            while True:
                await pipe.receive()
        except ConnectionClosed:
            pass
    return {
        "statuses": [stream.status for stream in streams.values()],
        "echoed": [bytes(stream.received) == stream.body for stream in streams.values()],
        "close_code": websocket.close_code,
    }


async def main():
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            report = await asyncio.wait_for(run_command(json.loads(line)), DEADLINE_S)
        except Exception as error:
            report = {"error": repr(error)}
        print(json.dumps(report), flush=True)


asyncio.run(main())
