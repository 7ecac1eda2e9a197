"""tornado as a client of an echo server, or as the server: tornado_peer.py client URL | server"""

import asyncio
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from messages import CLOSE_CODE, CLOSE_REASON, MESSAGES, check


async def client(url):
    ws = await websocket_connect(url, compression_options={}, max_message_size=1 << 24)
    for message in MESSAGES:
        await ws.write_message(message, binary=isinstance(message, bytes))
        check(message, await ws.read_message())
    ws.close(CLOSE_CODE, CLOSE_REASON)
    assert await ws.read_message() is None
    assert ws.close_code == CLOSE_CODE, ws.close_code


class Echo(WebSocketHandler):
    def get_compression_options(self):
        return {}

    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))


async def server():
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(Application([("/", Echo)], websocket_max_message_size=1 << 24)).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(client(sys.argv[2]) if sys.argv[1] == "client" else server())
