"""Sources by https: whole or not at all, however the server tells where the file ends."""

from __future__ import annotations

import gzip
import http.server
import threading
from typing import TYPE_CHECKING, ClassVar

import pytest

from importer.errors import SourceError, UsageError
from importer.source import https_file
from importer.source.source_options import SourceOptions
from tests.delivery.test_connecting import certificate, served
from tests.source.reading import content_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = "external_reference,name\nR-1,Müller\nR-2,Ann\n".encode()
CELLS = [("R-1", "Müller"), ("R-2", "Ann")]
PACKED = gzip.compress(TEXT, mtime=0)


def chunked(body: bytes, *, size: int = 7, is_whole: bool = True) -> bytes:
    """The body in chunks; without the last one if it is cut off."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    text = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return text + b"0\r\n\r\n" * is_whole


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each request for a path with the next of its answers; the last stays."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[dict[str, list[tuple[int, dict[str, str], bytes]]]] = {}
    asked: ClassVar[list[str]] = []
    heads: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append(self.path)
        self.heads.append(str(self.headers))
        answers = self.answers[self.path.partition("?")[0]]
        status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    do_CONNECT = do_GET  # noqa: N815 - http.server looks for this name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The base URL of a server on this machine; retries do not wait."""
    monkeypatch.setattr(https_file, "_PAUSE", 0.0)
    Handler.answers, Handler.asked, Handler.heads = {}, [], []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


CHUNKS = {"Transfer-Encoding": "chunked"}


def answers(*given: tuple[int, dict[str, str], bytes]) -> None:
    """What ``/f.csv`` answers, one after the other."""
    Handler.answers["/f.csv"] = list(given)


def length(body: bytes) -> dict[str, str]:
    """The header."""
    return {"Content-Length": str(len(body))}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (CHUNKS, chunked(TEXT)),
        (CHUNKS | {"Content-Encoding": "gzip"}, chunked(PACKED)),
        (length(PACKED) | {"Content-Encoding": "x-gzip"}, PACKED),
        (
            {"Content-Length": "", "Content-Encoding": "gzip"},
            gzip.compress(TEXT[:30], mtime=0) + gzip.compress(TEXT[30:], mtime=0),
        ),
        (length(PACKED) | {"Content-Type": "application/gzip"}, PACKED),
        (length(TEXT) | {"Content-Encoding": "identity", "Content-Type": "text/html"}, TEXT),
    ],
)
def test_a_file_is_read_however_it_is_sent(
    server: str, headers: dict[str, str], body: bytes
) -> None:
    """By its length, in chunks, packed for the way or packed itself; the query goes as it is."""
    if "Content-Length" in headers:
        headers = headers | length(body)
    answers((200, headers, body))
    assert content_of(f"{server}/f.csv?sig=a%2Fb%3D+c~d&e=%20").cells == CELLS
    assert Handler.asked == ["/f.csv?sig=a%2Fb%3D+c~d&e=%20"]
    assert "identity" in Handler.heads[0]


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        (CHUNKS, chunked(TEXT, is_whole=False), "the connection was cut after"),
        ({"Content-Length": "999"}, TEXT, "the connection was cut after"),
        (CHUNKS | {"Content-Encoding": "gzip"}, chunked(PACKED[:-9]), "is cut off"),
        (CHUNKS | {"Content-Encoding": "gzip"}, chunked(b"\x1f\x8b" + b"x" * 40), "is damaged"),
        (
            CHUNKS | {"Content-Encoding": "br"},
            chunked(TEXT),
            "in a way that was not asked for (br)",
        ),
        ({}, TEXT, "neither how long the file is nor where it ends"),
        (
            CHUNKS | {"Content-Type": "text/html; charset=utf-8"},
            chunked(b"<!DOCTYPE html><form>"),
            "a web page, no file",
        ),
    ],
)
def test_what_is_not_whole_is_no_file(
    server: str, tmp_path: Path, headers: dict[str, str], body: bytes, said: str
) -> None:
    """It is an error, never a shorter file, and nothing of it is left."""
    answers((200, headers, body))
    with pytest.raises(SourceError) as caught:
        content_of(f"{server}/f.csv?sig=Sign4ture", SourceOptions(folder=tmp_path))
    assert said in caught.value.message
    assert "Sign4ture" not in caught.value.message + caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_what_was_cut_off_is_fetched_again(server: str) -> None:
    """From its beginning, and so is what a server in trouble did not give; three times in all."""
    cut, whole = (200, CHUNKS, chunked(TEXT[:40], is_whole=False)), (200, CHUNKS, chunked(TEXT))
    busy = (503, length(b""), b"")
    answers(cut, busy, cut, whole)
    assert content_of(f"{server}/f.csv").cells == CELLS
    assert len(Handler.asked) == 4
    answers(busy)
    with pytest.raises(SourceError, match="the server answers 503"):
        content_of(f"{server}/f.csv")
    assert len(Handler.asked) == 7


def test_a_file_without_an_end_is_not_taken_for_ever(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no length was told, and of what unpacks: a few bytes may become terabytes."""
    monkeypatch.setattr(https_file, "MOST_UNTOLD", 1000)
    bomb = gzip.compress(b"x" * 100_000, mtime=0)
    for headers, body in (
        (CHUNKS, chunked(b"x" * 2000)),
        (length(bomb) | {"Content-Encoding": "gzip"}, bomb),
    ):
        answers((200, headers, body))
        with pytest.raises(SourceError, match="no end was told"):
            content_of(f"{server}/f.csv")
    large = b"external_reference\n" + b"A\n" * 1000
    answers((200, length(large), large))
    assert len(content_of(f"{server}/f.csv").cells) == 1000


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/g.csv", ""),
        ("http://127.0.0.1:PORT/g.csv", ""),
        ("http://example.com/g.csv", "redirects to what is not https"),
        ("file:///etc/passwd", "redirects to what is not https"),
        ("https://ada:PassW0rd@example.com/", "redirects to what is not https"),
        ("/f.csv", "redirects in a circle"),
    ],
)
def test_a_redirect_is_followed_where_that_is_safe(server: str, target: str, said: str) -> None:
    """On this machine, or to https; never to where others could read along."""
    location = target.replace("PORT", server.rpartition(":")[2])
    answers((302, length(b"") | {"Location": location}, b""))
    Handler.answers["/g.csv"] = [(200, CHUNKS, chunked(TEXT))]
    if not said:
        assert content_of(f"{server}/f.csv").cells == CELLS
        return
    with pytest.raises(SourceError, match=said) as caught:
        content_of(f"{server}/f.csv")
    assert "PassW0rd" not in caught.value.message


@pytest.mark.parametrize("how", ["bundle", "SSL_CERT_FILE", "nobody", "not there"])
def test_the_authorities_of_a_run_are_those_of_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """--ca-bundle, else SSL_CERT_FILE; a certificate that nobody vouches for is refused."""
    files = certificate(tmp_path)
    bundle = {"bundle": files[0], "not there": tmp_path / "none.pem"}.get(how)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    if how == "SSL_CERT_FILE":
        monkeypatch.setenv(how, str(files[0]))
    dated = length(TEXT) | {"Last-Modified": "Mon, 02 Nov 2026 08:00:00 GMT"}
    Handler.answers = {
        "/f.csv": [(200, CHUNKS, chunked(TEXT))],
        "/bucket/f.csv": [(200, dated, TEXT)],
    }
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.socket = served(files).wrap_socket(running.socket, server_side=True)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            url = f"https://127.0.0.1:{running.server_port}/f.csv"
            options = SourceOptions(ca_bundle=bundle)
            if how == "nobody":
                with pytest.raises(SourceError, match="certificate is not trusted") as caught:
                    content_of(url, options)
                assert "--ca-bundle" in caught.value.hint
            elif how == "not there":
                with pytest.raises(UsageError, match=r"--ca-bundle: .* cannot be read"):
                    content_of(url, options)
            else:
                assert content_of(url, options).cells == CELLS
                place = {"ENDPOINT": url.removesuffix("/f.csv"), "REGION": "x"}
                own = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}
                for name, value in (place | own).items():
                    monkeypatch.setenv(f"AWS_{name}", value)
                assert content_of("s3://bucket/f.csv", options).cells == CELLS
        finally:
            running.shutdown()
            thread.join()


def test_the_proxy_of_a_run_is_that_of_its_sources(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked with its login for the host alone; what it refuses is told without both."""
    place = server.partition("://")[2]
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:PassW0rd@{place}")
    Handler.answers["files.example.com:443"] = [(403, length(b""), b"")]
    with pytest.raises(SourceError) as caught:
        content_of("https://files.example.com/f.csv?sig=Sign4ture")
    assert f"the proxy {place} says: 403" in caught.value.message
    assert not {"PassW0rd", "Sign4ture"} & {*caught.value.message.split("=")}
    assert Handler.asked[0] == "files.example.com:443"
    assert "Proxy-Authorization: Basic YWRhOlBhc3NXMHJk" in Handler.heads[0]
