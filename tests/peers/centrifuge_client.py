"""A client of centrifuge's SDK for Python. Reads orders and writes answers and events, each a line
of JSON. The second argument is `json` or `protobuf`."""

import asyncio
import json
import logging
import sys

from centrifuge import (
    CentrifugeError,
    Client,
    ClientEventHandler,
    StreamPosition,
    SubscriptionEventHandler,
)

logging.getLogger("centrifuge").setLevel(logging.ERROR)
url, encoding = sys.argv[1:3]
protobuf = encoding == "protobuf"


def write(line):
    print(json.dumps(line), flush=True)


def pack(data):
    return json.dumps(data).encode() if protobuf else data


def unpack(data):
    if data is None:
        return None
    return json.loads(data) if protobuf else data


def publication(pub):
    return {"data": unpack(pub.data), "offset": pub.offset}


class ClientEvents(ClientEventHandler):
    async def on_connected(self, ctx):
        write({"event": "connected", "client": ctx.client})

    async def on_connecting(self, ctx):
        write({"event": "connecting", "code": ctx.code})

    async def on_disconnected(self, ctx):
        write({"event": "disconnected", "code": ctx.code})

    async def on_subscribed(self, ctx):
        write({"event": "server_subscribed", "channel": ctx.channel, "recovered": ctx.recovered})

    async def on_publication(self, ctx):
        write({"event": "server_publication", "channel": ctx.channel, **publication(ctx.pub)})


class SubscriptionEvents(SubscriptionEventHandler):
    def __init__(self, channel):
        self.channel = channel

    def write(self, event, **fields):
        write({"event": event, "channel": self.channel, **fields})

    async def on_subscribed(self, ctx):
        self.write("subscribed", was_recovering=ctx.was_recovering, recovered=ctx.recovered)

    async def on_subscribing(self, ctx):
        self.write("subscribing", code=ctx.code)

    async def on_unsubscribed(self, ctx):
        self.write("unsubscribed", code=ctx.code)

    async def on_publication(self, ctx):
        self.write("publication", **publication(ctx.pub))

    async def on_join(self, ctx):
        self.write("join", user=ctx.info.user)

    async def on_leave(self, ctx):
        self.write("leave", user=ctx.info.user)


class Peer:
    def __init__(self):
        self.client = None
        self.token = ""
        self.tokens = {}
        self.subscriptions = {}

    async def connect(self, order):
        self.token = order.get("token", "")

        async def get_token():
            return self.token

        self.client = Client(
            url,
            events=ClientEvents(),
            token=self.token,
            get_token=get_token if self.token else None,
            use_protobuf=protobuf,
            min_reconnect_delay=0.01,
            max_reconnect_delay=0.05,
        )
        await self.client.connect()
        await self.client.ready(10)

    async def token(self, order):
        if "channel" in order:
            self.tokens[order["channel"]] = order["token"]
        else:
            self.token = order["token"]

    async def subscribe(self, order):
        channel = order["channel"]
        options = {"join_leave": True, "min_resubscribe_delay": 0.01, "max_resubscribe_delay": 0.05}
        if "token" in order:
            self.tokens[channel] = order["token"]

            async def get_token(channel):
                return self.tokens[channel]

            options |= {"token": order["token"], "get_token": get_token}
        subscription = self.client.new_subscription(
            channel, events=SubscriptionEvents(channel), **options
        )
        self.subscriptions[channel] = subscription
        await subscription.subscribe()
        await subscription.ready(10)

    async def unsubscribe(self, order):
        subscription = self.subscriptions.pop(order["channel"])
        await subscription.unsubscribe()
        self.client.remove_subscription(subscription)

    async def publish(self, order):
        await self.client.publish(order["channel"], pack(order["data"]))

    async def presence(self, order):
        presence = await self.client.presence(order["channel"])
        return sorted(info.user for info in presence.clients.values())

    async def stats(self, order):
        stats = await self.client.presence_stats(order["channel"])
        return [stats.num_clients, stats.num_users]

    async def history(self, order):
        since = order.get("since")
        history = await self.client.history(
            order["channel"],
            limit=order.get("limit", 0),
            reverse=order.get("reverse", False),
            since=StreamPosition(**since) if since else None,
        )
        return {
            "data": [unpack(pub.data) for pub in history.publications],
            "position": {"offset": history.offset, "epoch": history.epoch},
        }

    async def rpc(self, order):
        return unpack((await self.client.rpc(order["method"], pack(order["data"]))).data)

    async def disconnect(self, _):
        await self.client.disconnect()


async def answer(peer, order):
    try:
        result = await getattr(Peer, order["do"])(peer, order)
        write({"id": order["id"], "result": result})
    except CentrifugeError as error:
        code = getattr(error, "code", 0)
        write({"id": order["id"], "error": {"code": code, "message": str(error)}})


async def main():
    peer = Peer()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        asyncio.ensure_future(answer(peer, json.loads(line)))


asyncio.run(main())
