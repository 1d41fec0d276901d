"""``importer plan`` and ``importer run --plan``, with the sandbox over a socket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from importer.cli import logs
from importer.delivery.credentials import mode_of
from importer.errors import UsageError
from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import running
from tests import plain_http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Program = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "importer"]
KEY = {"MOMENT_API_KEY": "sk_test_of_the_plan_tests"}
KEYS = ("MOMENT_API_KEY", "MOMENT_API_KEY_FILE", "MOMENT_BASE_URL")
OFFLINE = "http://127.0.0.1:9"
"""Nobody answers there."""
HEADER = "external_reference,name,email,phone,currency,balance\n"


def environment(**more: str) -> dict[str, str]:
    """This environment without what configures importer."""
    plain = {name: value for name, value in os.environ.items() if name not in KEYS}
    return {**plain, "COLUMNS": "120", "PYTHONPATH": str(ROOT), **more}


@pytest.fixture
def importer(
    monkeypatch: pytest.MonkeyPatch, importer: Callable[..., tuple[int, str, str]]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the program in a folder, with these variables and none else of its own."""

    def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as here:
            here.chdir(folder)
            for name in KEYS:
                here.delenv(name, raising=False)
            for name, value in {"COLUMNS": "120", **variables}.items():
                here.setenv(name, value)
            structlog.reset_defaults()
            logs.forget()
            code, out, err = importer(*arguments)
        return subprocess.CompletedProcess(arguments, code, out, err)

    return run


def write(folder: Path, rows: int, name: str = "customers.csv") -> None:
    """A clean source."""
    lines = (f"C-{n},Zaphod {n},zaphod{n}@example.com,,ZAR,{n}\n" for n in range(rows))
    (folder / name).write_text(HEADER + "".join(lines))


@pytest.fixture
def sandbox() -> Iterator[str]:
    """A sandbox that takes a while over each request; its base URL."""
    with running(SandboxConfig(latency_ms=20)) as base_url:
        yield base_url


def held(base_url: str) -> list[str]:
    """The references that the sandbox holds."""
    text = plain_http.get(f"{base_url}/_sandbox/customers").text
    return [json.loads(line)["external_reference"] for line in text.splitlines()]


def state(base_url: str) -> dict[str, Any]:
    """What the sandbox counts."""
    found: dict[str, Any] = plain_http.get(f"{base_url}/_sandbox/state").json()
    return found


def test_a_plan_needs_no_key_and_no_network(tmp_path: Path, importer: Program) -> None:
    """It prints a table and the next command, writes the plan, and names nobody."""
    write(tmp_path, 3)
    told = importer(tmp_path, "plan", "customers.csv", "--base-url", OFFLINE, "--save", "p.json")
    assert told.returncode == 0, told.stderr
    assert "test mode, account default" in told.stdout
    assert "3 would be sent; nothing was sent now" in told.stdout
    assert "importer run --plan p.json" in told.stdout
    assert "aphod" not in told.stdout + told.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["customers.csv", "p.json"]


def test_the_mode_is_that_of_the_run_to_come(tmp_path: Path, importer: Program) -> None:
    """--live without a key, or the key's own mode; a key that is none is an error as for run."""
    write(tmp_path, 1)
    told = importer(tmp_path, "plan", "customers.csv", "--base-url", OFFLINE, "--live")
    assert "live mode" in told.stdout
    assert mode_of({}, live=False) == "test"
    assert mode_of({"MOMENT_API_KEY": "sk_fictional_live"}, live=False) == "live"
    assert mode_of(KEY, live=True) == "test"
    with pytest.raises(UsageError, match="public key"):
        mode_of({"MOMENT_API_KEY": "pk_fictional_public"}, live=False)


def test_a_plan_shows_the_fields_that_changed(
    tmp_path: Path, sandbox: str, importer: Program
) -> None:
    """With counts and masked examples, in the same form as a run's summary."""
    write(tmp_path, 3)
    url = {"MOMENT_BASE_URL": sandbox}
    assert importer(tmp_path, "run", "customers.csv", **url, **KEY).returncode == 0
    text = (tmp_path / "customers.csv").read_text()
    (tmp_path / "customers.csv").write_text(text.replace("zaphod1@", "other1@") + "C 9,,,,,\n")
    told = importer(tmp_path, "plan", "customers.csv", **url)
    assert told.returncode == 1
    assert "C-1 (line 3): o***@e***.com" in told.stdout
    assert "other1" not in told.stdout
    assert "1 x invalid: reference_charset" in told.stdout


def test_a_plan_is_followed_with_its_own_settings(
    tmp_path: Path, sandbox: str, importer: Program
) -> None:
    """Sources, ledger, account and base URL come from the plan; a contradiction is refused."""
    write(tmp_path, 4)
    options = ("--ledger", "books.db", "--account", "shop", "--base-url", sandbox)
    assert importer(tmp_path, "plan", "customers.csv", *options, "--save", "p.json").returncode == 0
    other = ("other.csv", "--account", "other", "--strict")
    variables = {**KEY, "MOMENT_BASE_URL": OFFLINE}
    refused = importer(tmp_path, "run", "--plan", "p.json", *other, **variables)
    assert refused.returncode == 2
    for named in (
        "account was 'shop' and is 'other'",
        "strict was False and is True",
        f"base_url was '{sandbox}' and is '{OFFLINE}'",
        "the sources were customers.csv",
    ):
        assert named in refused.stderr
    assert state(sandbox)["requests"] == {}
    done = importer(tmp_path, "run", "--plan", "p.json", "customers.csv", **KEY)
    assert done.returncode == 0, done.stderr
    assert sorted(held(sandbox)) == ["C-0", "C-1", "C-2", "C-3"]
    assert (tmp_path / "books.db").exists()
    assert not (tmp_path / "importer-ledger.db").exists()


@pytest.mark.slow
def test_a_killed_run_of_a_plan_goes_on_with_the_same_command(
    tmp_path: Path, sandbox: str, importer: Program
) -> None:
    """Kill -9 half-way, the same command again: every row once, and only this plan's rows."""
    write(tmp_path, 120)
    url = {"MOMENT_BASE_URL": sandbox}
    assert importer(tmp_path, "plan", "customers.csv", "--save", "p.json", **url).returncode == 0
    command = [*PROGRAM, "run", "--plan", "p.json", "--concurrency", "2"]
    first = subprocess.Popen(
        command, cwd=tmp_path, env=environment(**KEY), stderr=subprocess.DEVNULL
    )
    with closing(plain_http.Client()) as client:
        while first.poll() is None:
            if len(client.get(f"{sandbox}/_sandbox/customers").text.splitlines()) >= 10:
                first.kill()
                break
            time.sleep(0.01)
    assert first.wait() == -signal.SIGKILL
    there = held(sandbox)
    assert 10 <= len(there) < 120
    again = importer(tmp_path, "run", "--plan", "p.json", **KEY)
    assert again.returncode == 0, again.stderr
    followed = [json.loads(line) for line in again.stderr.splitlines()]
    assert [one["begun"] for one in followed if one["event"] == "plan_followed"] == [True]
    assert sorted(held(sandbox)) == sorted(f"C-{n}" for n in range(120))
    audit = state(sandbox)
    assert audit["customers"] == 120, audit
    third = importer(tmp_path, "run", "customers.csv", **url, **KEY)
    assert json.loads(third.stderr.splitlines()[-1])["outcomes"] == {"unchanged": 120}


def test_a_run_without_sources_or_plan_says_so(tmp_path: Path, importer: Program) -> None:
    """The message names what is missing."""
    told = importer(tmp_path, "run", **KEY)
    assert told.returncode == 2
    assert "no source" in told.stderr


def test_a_plan_that_moved_is_refused_without_a_request(
    tmp_path: Path, sandbox: str, importer: Program
) -> None:
    """Exit code 2, one message that says what moved, no traceback."""
    write(tmp_path, 2)
    url = {"MOMENT_BASE_URL": sandbox}
    assert importer(tmp_path, "plan", "customers.csv", "--save", "p.json", **url).returncode == 0
    write(tmp_path, 3)
    refused = importer(tmp_path, "run", "--plan", "p.json", "--log-format", "console", **KEY)
    assert refused.returncode == 2
    assert "p.json does not hold any more; nothing was sent" in refused.stderr
    assert "the input: customers.csv was" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert state(sandbox)["requests"] == {}
