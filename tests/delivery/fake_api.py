"""A customers API on a loopback socket that answers by row: a fourth reading of the API page."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Reply(NamedTuple):
    """A response: status, body, more headers."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to


PAGE = b"<html><body>Access denied</body></html>"


def problem(status: int, title: str = "No") -> Reply:
    """A problem document as the API writes them (RFC 9457)."""
    document = {"type": "about:blank", "title": title, "status": status}
    return Reply(
        status, json.dumps(document).encode(), {"Content-Type": "application/problem+json"}
    )


class FakeApi:
    """Takes every row that ``rule`` has nothing against; ``look_up_rule`` the same for a GET.

    A rule is asked with a reference and how often that was asked for, and answers None to consent.
    """

    def __init__(self, rule: Callable[[str, int], Reply | None]) -> None:
        self.rule = rule
        self.look_up_rule: Callable[[str, int], Reply | None] = lambda _ref, _n: None
        self.customers: dict[str, dict[str, Any]] = {}
        self.posts: Counter[str] = Counter()
        self.gets: Counter[str] = Counter()
        self.url = ""

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """What a request gets."""
        if method == "POST":
            customer = json.loads(body)
            reference = customer["external_reference"]
            self.posts[reference] += 1
            if (reply := self.rule(reference, self.posts[reference])) is not None:
                return reply
            if reference in self.customers:
                return problem(409, "exists")
            self.customers[reference] = {"id": f"bcus_{len(self.customers)}", **customer}
            return Reply(201, json.dumps(self.customers[reference]).encode())
        reference = path.rsplit("/", 1)[1]
        self.gets[reference] += 1
        if (reply := self.look_up_rule(reference, self.gets[reference])) is not None:
            return reply
        if reference in self.customers:
            return Reply(200, json.dumps(self.customers[reference]).encode())
        return problem(404, "Not found")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as many requests as it likes."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.decode("latin-1").split(" ", 2)
                length = 0
                for line in head.decode("latin-1").split("\r\n"):
                    name, _, value = line.partition(":")
                    if name.lower() == "content-length":
                        length = int(value)
                reply = self.answer(method, path, await reader.readexactly(length))
                headers = {"Content-Type": "application/json", **reply.headers}
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                start = f"HTTP/1.1 {reply.status} X\r\n{lines}Content-Length: {len(reply.body)}"
                writer.write(start.encode() + b"\r\n\r\n" + reply.body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@contextmanager
def serving(rule: Callable[[str, int], Reply | None]) -> Iterator[FakeApi]:
    """The API in a thread of its own, with its URL."""
    api = FakeApi(rule)
    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def main() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
        api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await over.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    ready.wait()
    try:
        yield api
    finally:
        stop[0]()
        thread.join()
