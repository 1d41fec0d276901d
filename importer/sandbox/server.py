"""Running the sandbox under uvicorn: in this thread until a signal, or in a thread of its own.

Uvicorn's HTTP protocol, with the transports kept so that a fault can cut a connection.
"""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import uvicorn

from importer.errors import UsageError
from importer.sandbox.sandbox_app import Sandbox

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from importer.sandbox.config import SandboxConfig
    from importer.sandbox.sandbox_app import Peer


try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as HttpProtocol
except ModuleNotFoundError:  # httptools is optional: a quarter more requests a second
    from uvicorn.protocols.http.h11_impl import (  # type: ignore[assignment]
        H11Protocol as HttpProtocol,
    )


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


GRACE_SECONDS = 5
"""How long requests in flight may take to finish after a signal."""
GRACE_IN_THREAD = 1
BACKLOG = 2048
MAX_PORT = 65535
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    config: SandboxConfig,
    host: str,
    port: int,
    *,
    ready: Callable[[str], None] | None,
    allow_remote: bool,
) -> None:
    """See ``importer.sandbox.serve``."""
    if not (allow_remote or _is_loopback(host)):
        raise UsageError(
            f"the sandbox does not listen on {host}: other machines could reach it",
            hint="use 127.0.0.1, or allow it explicitly",
        )
    with _listening(host, port) as listener:
        app = Sandbox(config)
        try:
            server = _Server(app, partial(ready or _nobody, _base_url(listener)), GRACE_SECONDS)
            server.run(sockets=[listener])
        finally:
            app.close()


@contextmanager
def running(config: SandboxConfig, host: str, port: int) -> Iterator[str]:
    """See ``importer.sandbox.running``."""
    with _listening(host, port) as listener:
        base_url = _base_url(listener)
        app = Sandbox(config)
        started = threading.Event()
        server = _Server(app, started.set, GRACE_IN_THREAD)
        thread = threading.Thread(
            target=partial(server.run, sockets=[listener]), name="sandbox", daemon=True
        )
        thread.start()
        try:
            while not started.wait(0.05):
                if not thread.is_alive():
                    raise UsageError("the sandbox did not start")
            yield base_url
        finally:
            server.should_exit = True
            thread.join()
            app.close()


class _Server(uvicorn.Server):
    """Uvicorn that says when it is ready and returns quietly after a signal."""

    def __init__(self, app: Sandbox, ready: Callable[[], None], grace: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol_class(app.connections),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=grace,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn raises the signal again at the end; here a signal is how serving ends well.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        earlier = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


def _nobody(_: str) -> None:
    """Tell nobody."""


def _listening(host: str, port: int) -> socket.socket:
    # getaddrinfo() takes 70000 for 4464.
    if not 0 <= port <= MAX_PORT:
        raise UsageError(f"port {port} does not exist", hint=f"choose 0 to {MAX_PORT}")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise UsageError(f"{host}, port {port}: this is no address to listen on") from None
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error.strerror}",
            hint="choose another port; 0 takes any free one",
        ) from None
    return listener


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
