"""The least that a Python client can do: a raw protocol with a prebuilt request, no checks.

``python -m benchmarks.target.load PORT CONNECTIONS SECONDS`` prints requests per second. Stands in
for wrk where that is not installed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import uvloop

_BODY = b'{"external_reference":"CUST-00000001","name":"Bram Adeyemi"}'
_REQUEST = (
    b"POST /billing/customers HTTP/1.1\r\nHost: loopback\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class Client(asyncio.Protocol):
    """One connection; an answer is over where its body closes its object."""

    answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._rest = b""
        self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        """Count an answer and send the next request."""
        self._rest += data
        if self._rest.endswith(b"}"):
            self._rest = b""
            Client.answered += 1
            self._transport.write(_REQUEST)


async def main() -> None:
    """Send for this long, from this many connections."""
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(Client, "127.0.0.1", port)
    begun, before = time.monotonic(), Client.answered
    await asyncio.sleep(seconds)
    print(round((Client.answered - before) / (time.monotonic() - begun)))


if __name__ == "__main__":
    uvloop.run(main())
