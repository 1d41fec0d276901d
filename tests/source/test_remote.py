"""Sources by URL: fetched privately, removed at the end, and nothing secret in a message."""

from __future__ import annotations

import http.server
import os
import stat
import threading
from typing import TYPE_CHECKING, ClassVar

import pytest

from importer.errors import SourceError, UsageError
from importer.job.check import check
from importer.job.job_settings import InputSettings
from importer.source.opened import open_source
from importer.source.remote import shown_source
from importer.source.source_options import SourceOptions
from tests.source.reading import content_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = "external_reference,name\nR-1,Müller\nR-2,Ann\n"
SECRETS = ("Sign4ture", "PassW0rd", "SECRETKEY")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path that is asked for."""

    asked: ClassVar[list[str]] = []
    answers: ClassVar[dict[str, tuple[int, bytes]]] = {
        "/customers.csv": (200, TEXT.encode("cp1252")),
        "/bucket/dir/customers.csv": (200, TEXT.encode()),
        "/lines.jsonl": (200, b'{"external_reference": "J-1"}\n'),
        "/denied.csv": (403, b"PassW0rd"),
        "/broken.csv": (500, b"PassW0rd"),
    }

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append(self.path)
        code, body = self.answers.get(self.path.partition("?")[0], (404, b"none"))
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Mon, 02 Nov 2026 08:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The base URL of a server on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_file_by_url(server: str, tmp_path: Path) -> None:
    """It is read as a local one, from a file that only this user can read and that goes away."""
    url = f"{server}/customers.csv?sig=Sign4ture#x"
    options = SourceOptions(folder=tmp_path)
    with open_source(url, 0, options) as source:
        assert source.layout.name == f"{server}/customers.csv"
        (file,) = tmp_path.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        cells = [row for batch in source.batches() for row in batch.frame.rows()]
        assert source.encoding == "windows-1252"
        assert "Sign4ture" not in source.warnings[0]
    assert cells == [("R-1", "Müller"), ("R-2", "Ann")]
    assert Handler.asked[-1] == "/customers.csv?sig=Sign4ture"
    assert list(tmp_path.iterdir()) == []
    assert content_of(f"{server}/lines.jsonl").cells == [("J-1",)]


def test_a_bucket(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``s3://`` takes place and credentials from the environment of the cloud's own tools."""
    monkeypatch.setenv("AWS_ENDPOINT", server)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "af-south-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEYID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRETKEY")
    content = content_of("s3://bucket/dir/customers.csv", SourceOptions(folder=tmp_path))
    assert content.cells == [("R-1", "Müller"), ("R-2", "Ann")]
    with pytest.raises(SourceError) as caught:
        content_of("s3://bucket/none.csv", SourceOptions(folder=tmp_path))
    assert caught.value.message == "s3://bucket/none.csv: there is no such file"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/none.csv?sig=Sign4ture", "there is no such file"),
        ("/denied.csv?sig=Sign4ture", "may not be read with these credentials"),
    ],
)
def test_what_cannot_be_fetched(server: str, tmp_path: Path, path: str, text: str) -> None:
    """The reason is said in our words: the library's hold the whole URL and the answer."""
    with pytest.raises(SourceError) as caught:
        open_source(server + path, 0, SourceOptions(folder=tmp_path))
    assert text in caught.value.message
    assert not any(one in caught.value.message + caught.value.hint for one in SECRETS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://example.com/x.csv?sig=Sign4ture", "plain http is for this machine only"),
        ("http://127.0.0.1.example.com/x.csv", "plain http is for this machine only"),
        ("https://user:PassW0rd@example.com/x.csv", "a user or password within a URL"),
        ("sftp://user:PassW0rd@example.com/x.csv", "a password within a URL"),
        ("ftp://example.com/x.csv", "ftp:// is not read directly"),
        ("gopher://example.com/x.csv", "gopher:// is not known"),
        ("file:///x.csv", "file:// is not known"),
    ],
)
def test_urls_that_are_refused(url: str, text: str) -> None:
    """Nothing is asked for, and neither password nor query is shown."""
    with pytest.raises(SourceError) as caught:
        open_source(url, 0, SourceOptions())
    assert text in caught.value.message
    assert not any(one in caught.value.message + caught.value.hint for one in SECRETS)


def test_settings_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint names the variables that the cloud's tools take."""
    for name in list(os.environ):
        if name.startswith("AZURE_"):
            monkeypatch.delenv(name)
    with pytest.raises(SourceError) as caught:
        open_source("az://container/x.csv", 0, SourceOptions())
    assert "AZURE_STORAGE_ACCOUNT_NAME" in caught.value.hint


@pytest.mark.parametrize(("scheme", "package"), [("s3", "obstore"), ("sftp", "asyncssh")])
def test_without_the_extra(scheme: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what to install; https needs no extra."""
    modules = __import__("sys").modules
    monkeypatch.setitem(modules, package, None)
    monkeypatch.delitem(modules, "importer.source.sftp_file", raising=False)
    with pytest.raises(UsageError) as caught:
        open_source(f"{scheme}://example.com/x.csv?sig=Sign4ture", 0, SourceOptions())
    assert caught.value.hint == "in the folder of importer: pip install '.[remote]'"
    assert "Sign4ture" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("https://u:p@example.com:8443/a/b.csv?x=1#y", "https://example.com:8443/a/b.csv"),
        ("S3://bucket/a%20b.csv", "s3://bucket/a%20b.csv"),
        ("https://u:p@ss@example.com", "https://example.com"),
        ("https://example.com?x=@/y", "https://example.com"),
        ("dir/x?y@z.csv", "dir/x?y@z.csv"),
        ("-", "-"),
    ],
)
def test_how_a_source_is_shown(name: str, shown: str) -> None:
    """A URL without user, password, query and fragment; a path as it is."""
    assert shown_source(name) == shown


def test_no_results_file_holds_a_signature(server: str, tmp_path: Path) -> None:
    """Neither results nor summary do, and no temporary file is among the results."""
    source = f"{server}/customers.csv?sig=Sign4ture"
    done = check(InputSettings(sources=(source,), out=tmp_path))
    assert done.summary.records == 2
    assert {one.name for one in done.results.iterdir()} == {
        "results.csv", "errors.csv", "summary.json", "report.html"
    }  # fmt: skip
    for file in done.results.iterdir():
        assert "Sign4ture" not in file.read_text()
    assert f"{server}/customers.csv," in (done.results / "results.csv").read_text()
