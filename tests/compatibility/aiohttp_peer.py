"""aiohttp as a client of an echo server, or as the server: aiohttp_peer.py client URL | server"""

import asyncio
import sys

from aiohttp import ClientSession, WSMsgType, web

from messages import CLOSE_CODE, CLOSE_REASON, MESSAGES, check


async def client(url):
    async with ClientSession() as session, session.ws_connect(url, compress=15, max_msg_size=0) as ws:
        for message in MESSAGES:
            await (ws.send_str if isinstance(message, str) else ws.send_bytes)(message)
            check(message, (await ws.receive()).data)
        await ws.close(code=CLOSE_CODE, message=CLOSE_REASON.encode())
        assert ws.close_code == CLOSE_CODE, ws.close_code


async def echo(request):
    ws = web.WebSocketResponse(max_msg_size=0)
    await ws.prepare(request)
    async for message in ws:
        if message.type == WSMsgType.TEXT:
            await ws.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await ws.send_bytes(message.data)
    return ws


async def server():
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(client(sys.argv[2]) if sys.argv[1] == "client" else server())
