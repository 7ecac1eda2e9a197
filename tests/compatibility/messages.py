"""The conversation that every client of the compatibility tests has with an echo server."""

import random

_random = random.Random(6455)

#: Messages sent one after the other; each must come back unchanged.
MESSAGES = [
    "grüße, 鮭 🐟",
    "\0",
    "",
    b"",
    b"\x00\xff" * 100,
    "text " * 64_000,
    _random.randbytes(300_000),
    *[_random.randbytes(2_000)] * 5,
]
CLOSE_CODE = 4001
CLOSE_REASON = "bye, 鮭"


def check(sent, received):
    """Fails unless the message came back unchanged."""
    same_kind = isinstance(received, str) == isinstance(sent, str)
    if not same_kind or received != sent:
        raise SystemExit(f"{len(sent)} of {type(sent).__name__} came back as {len(received)} of {type(received).__name__}")
