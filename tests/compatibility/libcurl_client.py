"""libcurl as a client of an echo server, through curl_cffi: libcurl_client.py client URL

libcurl never sends pongs in this mode, so the conversation has to end before a ping is due.
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
