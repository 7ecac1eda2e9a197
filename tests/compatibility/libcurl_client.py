"""libcurl as a client of an echo server, by curl_cffi: libcurl_client.py client URL

libcurl never sends its pongs in this mode, so that the conversation is over before a ping is due.
"""

import sys

from curl_cffi import CurlWsFlag
from curl_cffi.requests import Session

from messages import CLOSE_CODE, CLOSE_REASON, MESSAGES, check

with Session() as session:
    ws = session.ws_connect(sys.argv[2])
    for message in MESSAGES:
        text = isinstance(message, str)
        payload = message.encode() if text else message
        ws.send(payload, CurlWsFlag.TEXT if text else CurlWsFlag.BINARY)
        received, flags = ws.recv()
        check(message, received.decode() if flags & CurlWsFlag.TEXT else received)
    ws.close(CLOSE_CODE, CLOSE_REASON.encode())
