"""A TCP proxy in front of a PostgreSQL server that cuts a connection at a statement."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Self

_BYTES = 65536


class Cut(NamedTuple):
    """Where a connection ends. One cut is for one connection."""

    marker: bytes
    """What the client sends, somewhere in one message."""
    when: str
    """``before`` the server gets it; ``after`` it was answered, and the client never hears;
    ``late``: the client is cut off, and the server gets it only when ``release`` is called."""


class CuttingProxy:
    """Listens on ``port`` while it is entered."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._release = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.cuts: list[Cut] = []
        """Those still to come, in their order."""
        self.released = threading.Event()
        """Set once what came late has arrived."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def release(self) -> None:
        """Let the server have what was held back."""
        self._release.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server)
        except OSError:
            client.close()
            return
        silent = threading.Event()
        back = threading.Thread(target=_answers, args=(server, client, silent), daemon=True)
        back.start()
        with client, server:
            while sent := _received(client):
                if not (self.cuts and self.cuts[0].marker in sent):
                    server.sendall(sent)
                    continue
                cut = self.cuts.pop(0)
                if cut.when == "before":
                    break
                silent.set()
                if cut.when == "late":
                    client.shutdown(socket.SHUT_RDWR)
                    self._release.wait()
                server.sendall(sent)
                back.join()
                self.released.set()
                break
            for side in (client, server):
                _end(side)


def _answers(server: socket.socket, client: socket.socket, silent: threading.Event) -> None:
    """Hand on what the server says; once ``silent``, keep its next answer and end."""
    while said := _received(server):
        if silent.is_set():
            return
        try:
            client.sendall(said)
        except OSError:
            return
    _end(client)


def _received(side: socket.socket) -> bytes:
    try:
        return side.recv(_BYTES)
    except OSError:
        return b""


def _end(side: socket.socket) -> None:
    try:
        side.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
