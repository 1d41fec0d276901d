"""The least that a Python client can do: a raw protocol with a prebuilt request, no checks.

``python -m benchmarks.target.load PORT CONNECTIONS SECONDS`` prints requests per second, counted as
those of a run are: from the first request to the last answer. (Who counts what was answered within
a time loses the round trip that it cuts off: of 2 s at 50 ms each that is 2.5 %.)
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
    until = 0.0
    """When no new request leaves, monotonic seconds."""
    open = 0
    """Connections that wait for their last answer."""
    over: asyncio.Event

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._rest = b""

    def begin(self) -> None:
        """Send the first request."""
        Client.open += 1
        self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        """Count an answer, and send the next request if there is time for one."""
        self._rest += data
        if self._rest.endswith(b"}"):
            self._rest = b""
            Client.answered += 1
            if time.monotonic() < Client.until:
                self._transport.write(_REQUEST)
            else:
                Client.open -= 1
                if not Client.open:
                    Client.over.set()


async def main() -> None:
    """Send for this long, from this many connections."""
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    loop = asyncio.get_running_loop()
    Client.over = asyncio.Event()
    clients = [
        (await loop.create_connection(Client, "127.0.0.1", port))[1] for _ in range(connections)
    ]
    begun = time.monotonic()
    Client.until = begun + seconds
    for client in clients:
        client.begin()
    await Client.over.wait()
    print(round(Client.answered / (time.monotonic() - begun)))


if __name__ == "__main__":
    uvloop.run(main())
