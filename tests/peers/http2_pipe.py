"""HTTP/2 inside a WebSocket: the common part of `http2_pipe_client.py` and `http2_pipe_server.py`.

An `h2` connection over a `websockets` connection, with prior knowledge: the bytes of HTTP/2 are the
payload of binary messages, whose boundaries have no meaning. So that no receiver can rely on the
boundaries, the bytes are sent in messages of varying length, some empty and some in fragments.
"""

import random


class Pipe:
    def __init__(self, websocket, connection):
        self.websocket = websocket
        self.connection = connection
        self.random = random.Random(9113)
        self.messages = 0

    def cut(self, data):
        """Cuts bytes into pieces of 0 to 5000 bytes."""
        while data:
            length = self.random.choice([0, 1, 2, 9, 100, 1000, 5000])
            yield data[:length]
            data = data[length:]

    async def flush(self):
        """Sends the pending HTTP/2 data."""
        pieces = list(self.cut(self.connection.data_to_send()))
        while pieces:
            count = self.random.choice([1, 1, 1, 3])
            message, pieces = pieces[:count], pieces[count:]
            await self.websocket.send(message if count > 1 else message[0])

    async def receive(self):
        """Receives the next message and returns its HTTP/2 events."""
        message = await self.websocket.recv()
        assert isinstance(message, bytes), "text"
        self.messages += 1
        return self.connection.receive_data(message)

    def send_body(self, stream_id, body):
        """Sends as much of a body as the windows allow, and returns the rest."""
        while body:
            window = self.connection.local_flow_control_window(stream_id)
            length = min(window, self.connection.max_outbound_frame_size, len(body))
            if length == 0:
                return body
            end = length == len(body)
            self.connection.send_data(stream_id, body[:length], end_stream=end)
            body = body[length:]
        return body
