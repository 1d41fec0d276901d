"""A server on the loopback that stands for everything outside: alerts, pings, a collector."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from importer.job import courier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass
class Outside:
    """What was posted, in order; paths below ``/hang`` are never answered, ``/404`` with 404."""

    url: str = ""
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    """(path with its query, body)."""
    closing: threading.Event = field(default_factory=threading.Event)

    def take(self, start: str = "/") -> list[tuple[str, bytes]]:
        """What was heard below a path since this was asked last."""
        found = [one for one in self.heard if one[0].startswith(start)]
        self.heard = [one for one in self.heard if not one[0].startswith(start)]
        return found


class AtHome:
    """A courier without a process of its own: what the child does is done here."""

    def __init__(self, errands: Sequence[courier.Errand], *_: object, **__: object) -> None:
        self._errands = errands

    def wait(self) -> list[str]:
        """What became of each."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of Apprise's own making
            return [courier._run(one) for one in self._errands]

    def drop(self) -> None:
        """Nobody waits any more."""


@contextmanager
def outside() -> Iterator[Outside]:
    """The server, while the block runs."""
    known = Outside()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.heard.append((self.path, body))
            if self.path.startswith("/hang"):
                known.closing.wait()
                return
            status = 404 if self.path.startswith("/404") else 200
            said = b"OK (not found)" if self.path.startswith("/unknown") else b"OK"
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield known
    finally:
        known.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
