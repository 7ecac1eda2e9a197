"""Checks that connections to URL survive SECONDS of silence.

The client opens a dozen connections, one every few milliseconds, sends a message on each, sends
nothing for SECONDS, and then expects every connection to echo another message. The client answers
pings and sends none, as browsers do.

    silent_client.py URL SECONDS
"""

import asyncio
import sys

import aiohttp

CONNECTIONS = 12


async def converse(session, url, number, seconds):
    await asyncio.sleep(number * 0.009)
    async with session.ws_connect(url) as ws:
        await ws.send_str("first")
        assert await ws.receive_str(timeout=10) == "first"
        # aiohttp answers pings during the wait. Each ping would restart a timeout of `receive`
        # itself.
        try:
            async with asyncio.timeout(seconds):
                message = await ws.receive()
        except TimeoutError:
            await ws.send_str("second")
            assert await ws.receive_str(timeout=10) == "second"
            return
        sys.exit(f"connection {number} was given {message.type.name} in the silence: {message.data}")


async def main():
    url, seconds = sys.argv[1], float(sys.argv[2])
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(converse(session, url, number, seconds) for number in range(CONNECTIONS)))


asyncio.run(main())
