"""Answers by chance: a valid one with damage, or pieces of HTTP in any order."""

from __future__ import annotations

import asyncio

import uvloop
from hypothesis import strategies as st

from importer.delivery.protocol import answers as a
from tests.fuzz.answers import BODY, CHUNK, CHUNKED, REFERENCE, WHOLE, once
from tests.fuzz.asking import asking, create
from tests.fuzz.hostile_server import response, serving

_PIECES = st.sampled_from(
    [
        b"HTTP/1.1 201 Created\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 400 Bad Request\r\n", b"HTTP/1.1 429 X\r\n", b"HTTP/1.1 503 X\r\n", b"\r\n",
        b"Content-Length: 3\r\n", b"Content-Length: %d\r\n" % len(BODY), b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Retry-After: 1e9\r\n",
        b"Idempotent-Replayed: true\r\n", b'RateLimit: "x";r=-1;t=9999999999\r\n', b"\n", b"\0",
        b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", b"RateLimit-Reset: nan\r\n", BODY, CHUNK,
        b"0\r\n\r\n", b'{"title": "\\ud800"}', b"X: y\r\n", b" ", b"Location: /x\r\n",
        b"RateLimit-Policy: 1;w=" + b"9" * 400 + b"\r\n", b"RateLimit-Remaining: 0\r\n",
    ]
)  # fmt: skip


def _damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    edit = st.tuples(
        st.integers(0, len(whole)), st.integers(0, 12), _PIECES | st.binary(max_size=4)
    )

    def damaged(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = whole
        for at, gone, new in edits:
            data = data[:at] + new + data[at + gone :]
        return data

    return st.lists(edit, max_size=4).map(damaged)


WIRE = st.one_of(
    _damaged(WHOLE),
    _damaged(CHUNKED + CHUNK + b"\r\n0\r\n\r\n"),
    _damaged(response(b"400 Bad Request", b'{"type": "x/y", "errors": [{"field": "a"}]}')),
    _damaged(response(b"429 X", b"{}", b"Retry-After: 5", b'RateLimit: "a";r=0;t=5')),
    st.lists(_PIECES, max_size=12).map(b"".join),
    st.binary(max_size=60),
)
"""Bytes in place of an answer; the connection is closed behind them."""


def ask(kind: str, data: bytes) -> a.Answer:
    """What a POST comes to; nothing is raised, and nothing is created that the bytes do not say."""
    factory = uvloop.new_event_loop if kind == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        answer = runner.run(_ask(data))
    if isinstance(answer, a.Created):
        assert answer.customer_id.encode() in data
        assert REFERENCE.encode() in data
        assert b"}" in data
    if isinstance(answer, a.Refused):
        assert answer.message.isprintable()
    return answer


async def _ask(data: bytes) -> a.Answer:
    async with serving(once(data, close=True)) as server, asking(server.port) as client:
        return await create(client)
