"""Serving: addresses, signals, the data file across restarts and kills."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import UsageError
from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import create_app, running, serve
from tests import plain_http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

PROGRAM = """
import sys
from pathlib import Path
from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import serve
data = Path(sys.argv[1]) if sys.argv[1] else None
config = SandboxConfig(data=data, latency_ms=float(sys.argv[2]))
serve(config, ready=lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


@contextmanager
def process(data: str = "", latency: float = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A sandbox in a process of its own, with its base URL."""
    command = [sys.executable, "-c", PROGRAM, data, str(latency)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            if child.poll() is None:
                child.kill()


def create(base_url: str, reference: str) -> httpx.Response:
    """Create a customer with a key made from its reference."""
    return plain_http.post(
        f"{base_url}/billing/customers",
        json={"external_reference": reference},
        headers={"Authorization": "Bearer sk_test_a", "Idempotency-Key": f"key-{reference}"},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_serving_quietly(number: signal.Signals) -> None:
    """On SIGINT or SIGTERM serve returns; it printed nothing itself."""
    with process() as (child, base_url):
        assert base_url.startswith("http://127.0.0.1:")
        assert create(base_url, "A").status_code == 201
        child.send_signal(number)
        out, err = child.communicate(timeout=15)
    assert (child.returncode, out, err) == (0, "stopped\n", "")


def test_what_is_in_flight_is_finished() -> None:
    """A request that is running when the signal comes still gets its answer."""
    with process(latency=700) as (child, base_url), plain_http.Client() as client:
        host, port = base_url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(
                b"GET /billing/customers/A HTTP/1.1\r\nHost: sandbox\r\n"
                b"Authorization: Bearer sk_test_a\r\n\r\n"
            )
            # Answered after the request above was accepted by the same loop.
            assert client.get(f"{base_url}/_sandbox/state").status_code == 200
            child.send_signal(signal.SIGTERM)
            assert raw.recv(1000).startswith(b"HTTP/1.1 404")
        assert child.wait(15) == 0


def test_the_data_file_survives_kill_9(tmp_path: Path) -> None:
    """Customers, stored answers and creation events are there after a SIGKILL."""
    data = tmp_path / "sandbox.db"
    with process(str(data)) as (child, base_url):
        first = create(base_url, "A")
        child.kill()
        child.wait(15)
    assert data.stat().st_mode & 0o777 == 0o600
    with process(str(data)) as (child, base_url):
        replay = create(base_url, "A")
        assert replay.headers["idempotent-replayed"] == "true"
        assert replay.content == first.content
        assert create(base_url, "B").status_code == 201
        state = plain_http.get(f"{base_url}/_sandbox/state").json()
    assert (state["customers"], state["creations"]) == (2, 2)
    assert state["max_creations_per_reference"] == 1


def test_updates_clock_and_reset_are_kept(tmp_path: Path) -> None:
    """A restart remembers PATCHes, the moved clock and expired keys; and a reset."""
    config = SandboxConfig(data=tmp_path / "sandbox.db")

    def visit(*calls: Callable[[str], object]) -> dict[str, Any]:
        with running(config) as base_url:
            for call in calls:
                call(base_url)
            state: dict[str, Any] = plain_http.get(f"{base_url}/_sandbox/state").json()
            return state

    def post(path: str, body: object) -> Callable[[str], object]:
        return lambda url: plain_http.post(url + path, json=body)

    def patch(url: str) -> None:
        headers = {"Authorization": "Bearer sk_test_a"}
        url += "/billing/customers/A"
        plain_http.patch(url, json={"name": "New"}, headers=headers)

    def check(url: str) -> None:
        headers = {"Authorization": "Bearer sk_test_a"}
        body = plain_http.get(f"{url}/billing/customers/A", headers=headers).json()
        assert body["name"] == "New"

    visit(lambda url: create(url, "A"), patch, post("/_sandbox/clock", {"advance_seconds": 90000}))
    later = visit(check)
    assert later["clock_offset_seconds"] == 90000
    assert later["stored_answers"] == 0
    visit(post("/_sandbox/reset", None))
    assert visit()["customers"] == 0


def test_a_data_file_belongs_to_one_sandbox(tmp_path: Path) -> None:
    """A second sandbox on the same file is refused while the first one runs."""
    config = SandboxConfig(data=tmp_path / "sandbox.db")
    with (
        running(config),
        pytest.raises(UsageError, match="another sandbox holds"),
        running(config),
    ):
        pytest.fail("it started")


def test_a_foreign_file_is_left_alone(tmp_path: Path) -> None:
    """A text file, another program's database and a folder are refused, unchanged."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to look at " * 10)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE mine (a)")
    database.close()
    for path in (text, other, tmp_path):
        with pytest.raises(UsageError, match="data file"):
            create_app(SandboxConfig(data=path))
    assert text.read_text().startswith("not a database")


def test_only_loopback_unless_allowed() -> None:
    """A host that others can reach needs an explicit argument."""
    for host in ("0.0.0.0", "192.0.2.1", "example.com"):  # noqa: S104 - must be refused
        with pytest.raises(UsageError, match="does not listen"):
            serve(SandboxConfig(), host)


def test_a_port_in_use_is_a_usage_error() -> None:
    """The message names the port and the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port}") as caught:
            serve(SandboxConfig(), port=port)
    assert "another port" in caught.value.hint
    with pytest.raises(UsageError, match="70000"):
        serve(SandboxConfig(), port=70000)


def test_ipv6_loopback_has_a_bracketed_url() -> None:
    """The base URL of ::1 can be used as it is."""
    from importer.sandbox.server import _base_url, _listening

    try:
        listener = _listening("::1", 0)
    except UsageError:
        pytest.skip("no IPv6 loopback here")
    with listener:
        assert _base_url(listener).startswith("http://[::1]:")


def test_the_fallback_protocol_resets_as_well() -> None:
    """Without httptools and uvloop the connection faults work the same."""
    program = """
import sys
sys.modules["httptools"] = None
sys.modules["uvloop"] = None
import httpx
from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import running
from importer.sandbox.server import HttpProtocol
assert HttpProtocol.__name__ == "H11Protocol", HttpProtocol
with running(SandboxConfig(faults="ref:A=lost,ref:A=cut")) as url:
    headers = {"Authorization": "Bearer sk_test_a", "Idempotency-Key": "k"}
    for expected in (httpx.ReadError, httpx.RemoteProtocolError):
        try:
            httpx.post(url + "/billing/customers", json={"external_reference": "A"},
                       headers=headers)
        except expected as error:
            print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["ReadError", "RemoteProtocolError"], "")


@pytest.mark.parametrize("name", ["starlette", "uvicorn", "jsonschema"])
def test_a_missing_extra_is_explained(name: str) -> None:
    """Without the stack importer.sandbox imports, and serve says what to install."""
    program = f"""
import sys
sys.modules[{name!r}] = None
from importer.errors import UsageError
from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import serve
try:
    serve(SandboxConfig())
except UsageError as error:
    print(error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == (
        "in the folder of importer: pip install '.[sandbox]'\n",
        "",
    )


def test_the_sandbox_imports_nothing_of_the_importer_but_errors() -> None:
    """It is an independent reading: of importer only errors (and its own modules) are loaded."""
    program = """
import sys
import importer
before = set(sys.modules)
import importer.sandbox.sandbox_app, importer.sandbox.server
loaded = {m for m in set(sys.modules) - before if m.startswith("importer.")}
print(sorted(m for m in loaded if not m.startswith("importer.sandbox")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout in {"['importer.errors']\n", "[]\n"}
