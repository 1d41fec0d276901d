"""Uvicorn's HTTP protocol, with the transports kept so that a fault can cut a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as HttpProtocol
except ModuleNotFoundError:  # httptools is optional: a quarter more requests a second
    from uvicorn.protocols.http.h11_impl import (  # type: ignore[assignment]
        H11Protocol as HttpProtocol,
    )

if TYPE_CHECKING:
    import asyncio

    from importer.sandbox.wire import Peer


def protocol_class(connections: dict[Peer, asyncio.Transport]) -> type[asyncio.Protocol]:
    """Return a protocol that keeps its transport in ``connections`` while it is open."""

    class KeptProtocol(HttpProtocol):
        """One connection, filed under its client's address."""

        _peer: Any = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            # Made as uvicorn makes ``scope["client"]``.
            self._peer = self.client
            if self._peer is not None:
                connections[self._peer] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            if self._peer is not None:
                connections.pop(self._peer, None)
            super().connection_lost(exc)

    return KeptProtocol
