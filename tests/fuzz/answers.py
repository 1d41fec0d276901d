"""Answers that attack: every one by name, with what may come of it."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

from tests.fuzz.hostile_server import customer, response

if TYPE_CHECKING:
    from tests.fuzz.hostile_server import Behaviour, Exchange

REFERENCE = "FUZZ-1"
BODY = customer(REFERENCE)
WHOLE = response(body=BODY)
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n" % len(BODY) + BODY


def once(data: bytes, *, close: bool = False, reset: bool = False) -> Behaviour:
    """Send this to every request."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(data)
        if close:
            exchange.close()
        if reset:
            exchange.reset()

    return behave


def endless(start: bytes, piece: bytes) -> Behaviour:
    """Send without an end, as fast as it is taken."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(start)
        while True:
            await exchange.send(piece)

    return behave


def dripping(start: bytes) -> Behaviour:
    """Send one byte now and then, too often for a read timeout."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(start)
        while True:
            await asyncio.sleep(0.05)
            await exchange.send(b" ")

    return behave


def with_body(body: bytes, status: bytes = b"201 Created", *headers: bytes) -> Behaviour:
    """A well-framed answer with this body."""
    return once(response(status, body, *headers))


ENDLESS: dict[str, Behaviour] = {
    "chunks": endless(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "length": endless(response(length=b"99999999999"), b" " * 65536),
    "until close": endless(b"HTTP/1.1 201 Created\r\n\r\n", b" " * 65536),
    "trailers": endless(CHUNKED + CHUNK + b"\r\n0\r\n", b"X-T: y\r\n" * 1000),
    "headers": endless(b"HTTP/1.1 201 Created\r\n", b"X-A: b\r\n" * 1000),
    "one header": endless(b"HTTP/1.1 201 Created\r\nX: ", b"y" * 65536),
    "header name": endless(b"HTTP/1.1 201 Created\r\n", b"y" * 65536),
    "reason": endless(b"HTTP/1.1 201 ", b"y" * 65536),
    "garbage": endless(b"", b"\0garbage" * 8000),
    "after 101": endless(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", b"y" * 65536),
}
"""Never end by themselves: the client must end them, in bounded memory."""

FLOODS: dict[str, Behaviour] = {
    "chunk extension": endless(CHUNKED + b"5;", b"e" * 65536),
    "blank lines": endless(b"", b"\r\n" * 8000),
    "100": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "103": endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100),
    "slow body": dripping(response(length=b"100000")),
    "slow header": dripping(b"HTTP/1.1 201 Created\r\nX: y"),
}
"""Each piece is harmless and nothing is kept of it, so the deadline over all may end them."""

MALFORMED: dict[str, Behaviour] = {
    "no HTTP": once(b"SSH-2.0-Example\r\n" * 10, close=True),
    "HTTP/0.9": once(BODY, close=True),
    "HTTP/2": once(WHOLE.replace(b"HTTP/1.1", b"HTTP/2")),
    "nothing": once(b"", close=True),
    "reset": once(b"", reset=True),
    "negative length": once(response(body=BODY, length=b"-5")),
    "signed length": once(response(body=BODY, length=b"+%d" % len(BODY))),
    "hex length": once(response(body=BODY, length=b"0x2b")),
    "no number": once(response(body=BODY, length=b"many")),
    "two lengths": once(response(b"201 Created", BODY, b"Content-Length: 3")),
    "length too short": once(response(body=BODY, length=b"10")),
    "length too long": once(response(body=BODY, length=b"500"), close=True),
    "length too long, reset": once(response(body=BODY, length=b"500"), reset=True),
    "chunk size": once(CHUNKED + b"ZZ\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk overrun": once(CHUNKED + CHUNK + b"XX0\r\n\r\n"),
    "huge chunk size": once(CHUNKED + b"f" * 20 + b"\r\n" + BODY, close=True),
    "no last chunk": once(CHUNKED + CHUNK + b"\r\n", close=True),
    "three digits too few": once(response(b"20 X", BODY)),
    "four digits": once(response(b"2010 X", BODY)),
    "status 000": once(response(b"000 X", BODY)),
    "101": once(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + BODY),
    "204": once(response(b"204 X", BODY)),
    "NUL in header": once(response(b"201 X", BODY, b"X: a\0b")),
    "space before colon": once(response(b"201 X", BODY, b"X : a")),
    "no colon": once(response(b"201 X", BODY, b"garbage")),
    "no header name": once(response(b"201 X", BODY, b": x")),
}
"""No HTTP answer to this request: never ``Created``, never ``Refused``."""

UNBELIEVABLE: dict[str, Behaviour] = {
    "gzip bomb": with_body(gzip.compress(b" " * 50_000_000), b"201 X", b"Content-Encoding: gzip"),
    "encoded twice": with_body(
        BODY, b"201 X", b"Content-Encoding: identity", b"Content-Encoding: gzip"
    ),
    "other reference": with_body(customer("FUZZ-2")),
    "no reference": with_body(b'{"id": "bcus_1"}'),
    "no id": with_body(b'{"external_reference": "FUZZ-1"}'),
    "bad id": with_body(customer(REFERENCE, "bcus_")),
    "id with newline": with_body(customer(REFERENCE, "bcus_1\n")),
    "id with escape": with_body(customer(REFERENCE, "bcus_1\x1b[2J")),
    "id in Arabic digits": with_body(customer(REFERENCE, "bcus_\u0661")),
    "id twice": with_body(b'{"id": "bcus_2", ' + BODY[1:]),
    "reference twice": with_body(b'{"external_reference": "FUZZ-2", ' + BODY[1:]),
    "NaN": with_body(BODY[:-1] + b', "balance": NaN}'),
    "nested list": with_body(BODY[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "nested object": with_body(b'{"x":' * 100_000 + b"1" + b"}" * 100_000),
    "huge number": with_body(BODY[:-1] + b', "balance": ' + b"9" * 5000 + b"}"),
    "list": with_body(b"[" + BODY + b"]"),
    "two objects": with_body(BODY + BODY),
    "Latin-1": with_body(BODY[:-1] + b', "name": "\xe9"}'),
    "empty": with_body(b""),
    "over a mebibyte": with_body(BODY + b" " * (1 << 20)),
}
"""Well-framed 2xx answers that are no customer of ours."""

TWICE: dict[str, bytes] = {
    "refusal": response(b"400 Bad Request", b'{"title": "no"}'),
    "other customer": response(body=customer("FUZZ-2", "bcus_evil")),
    "redirect": response(b"301 X", b"", b"Location: http://127.0.0.1:1/"),
    "half an answer": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n",
    "garbage": b"\0\0\0\0",
}
"""What may follow an answer unasked, on the same connection."""
