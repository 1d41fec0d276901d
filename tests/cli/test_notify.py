"""Addresses come from where nobody else reads them, are never shown, and can be tried."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.cli import notify_command
from importer.cli.settings import BY_NAME
from importer.job import courier, run_news
from tests.outside import AtHome, Outside, outside

Command = Callable[..., tuple[int, str, str]]
MAPPING = """version = 1
[fields.external_reference]
column = "external_reference"
[fields.name]
column = "name"
[notify]
urls = ["json://127.0.0.1:9/tokenA", "slack://tokenB/tokenC/tokenD"]
ping_url = "http://127.0.0.1:9/tokenE"
timeout = 3
"""


@pytest.fixture
def importer(importer: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs a command where one row waits for an API that is not there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOMENT_API_KEY", "sk_test_of_the_tests")
    monkeypatch.setenv("MOMENT_BASE_URL", "http://127.0.0.1:9")
    Path("a.csv").write_text("external_reference,name,currency\nC-1,Ada,ZAR\n")
    return importer


@pytest.fixture
def config() -> Path:
    """A mapping file with addresses that only its owner can read."""
    path = Path("import.toml")
    path.touch(0o600)
    path.write_text(MAPPING)
    return path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """Everything outside, reached without a process for each errand."""
    monkeypatch.setattr(run_news, "Courier", AtHome)
    with outside() as known:
        yield known


def told(out: str) -> dict[str, list[str]]:
    """Name -> words of ``importer config``."""
    return {line.split()[0]: line.split()[1:] for line in out.splitlines()}


def test_the_nearest_place_says_whom_to_tell(
    importer: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable, else the file that a variable names, else the mapping; each shown masked."""
    code, out, _ = importer("config", "--config", str(config))
    assert code == 0
    assert told(out)["notify"] == ["json://...,", "slack://...", "import.toml:7"]
    assert told(out)["ping_url"] == ["http://127.0.0.1:9/...", "import.toml:8"]
    assert told(out)["notify_timeout"] == ["3.0", "import.toml:9"]
    Path("urls").write_text(
        "# who is on call\nmailto://u:tokenF@example.com?to=a@x.co,b@x.co\n\njson://tokenG\n"
    )
    monkeypatch.setenv("IMPORTER_NOTIFY_FILE", "urls")
    monkeypatch.setenv("IMPORTER_PING_URL_FILE", "urls")
    Path("urls").chmod(0o600)
    monkeypatch.setenv("IMPORTER_PING_URL", "https://u:tokenH@hc-ping.com/tokenI?x=tokenJ")
    _, more, _ = importer("config", "--config", str(config))
    assert told(more)["notify"][-2:] == ["environment", "IMPORTER_NOTIFY_FILE"]
    assert told(more)["notify"][:2] == ["mailto://...,", "json://..."]
    assert told(more)["ping_url"][0] == "https://hc-ping.com/..."
    assert "token" not in out + more


@pytest.mark.parametrize(
    ("variables", "toml", "said"),
    [
        ({"IMPORTER_NOTIFY": "token"}, "", "environment IMPORTER_NOTIFY: an address to notify"),
        ({"IMPORTER_NOTIFY_FILE": "gone"}, "", "IMPORTER_NOTIFY_FILE: gone cannot be read"),
        ({"IMPORTER_PING_URL": "ftp://token"}, "", "the ping URL is no URL of a web server"),
        ({}, 'urls = ["token"]', "line 7: notify.urls: an address to notify is none"),
        ({}, "urls = 5", "line 7: notify.urls: an address to notify is none"),
        ({}, "urls = true", "notify.urls: True is not a text"),
        ({}, 'ping = "x"', "line 7: notify.ping is no setting"),
        ({}, 'timeout = "x"', "notify.timeout"),
    ],
)
def test_a_wrong_address_is_refused_and_not_shown(
    importer: Command,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    toml: str,
    said: str,
) -> None:
    """The message names the place; what stands there may hold a token."""
    Path("bad.toml").write_text(MAPPING.partition("urls")[0] + toml + "\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, _, err = importer("config", "--config", "bad.toml")
    assert code == 2
    assert said in err
    assert "token" not in err
    assert "Traceback" not in err


def test_every_address_can_be_tried(
    importer: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is told that this is a test, and the answer says which of them heard it."""
    assert importer("notify", "test")[0] == 2
    monkeypatch.setattr(notify_command, "Courier", AtHome)
    with outside() as server:
        base = server.url.removeprefix("http://")
        config.write_text(
            MAPPING.replace("127.0.0.1:9/tokenA", f"{base}/alert").replace("slack", "nowhere")
        )
        monkeypatch.setenv("IMPORTER_PING_URL", f"{server.url}/ping")
        code, out, _ = importer("notify", "test", "--config", str(config))
        assert code == 1
        assert out.splitlines() == [
            "message  json://...  worked",
            "message  nowhere://...  failed: Apprise knows no such address",
            f"ping     {server.url}/...  worked",
        ]
        assert [path for path, _ in server.heard] == ["/alert", "/ping/log"]
        config.write_text(config.read_text().replace(', "nowhere://tokenB/tokenC/tokenD"', ""))
        assert importer("notify", "test", "--config", str(config))[0] == 0


def test_a_run_that_could_not_begin_is_told_of(
    importer: Command, server: Outside, monkeypatch: pytest.MonkeyPatch, config: Path
) -> None:
    """Neither a flag, nor a mapping, nor a variable that is wrong keeps cron's silence."""
    base = server.url.removeprefix("http://")
    config.write_text(
        MAPPING.replace("127.0.0.1:9", base).replace(', "slack://tokenB/tokenC/tokenD"', "")
    )
    monkeypatch.delenv("MOMENT_API_KEY")
    wrong: tuple[tuple[list[str], dict[str, str]], ...] = (
        (["--concurrency", "many"], {}),
        (["--config", str(config), "--no-such-flag"], {}),
        ([], {"IMPORTER_CONCURENCY": "5"}),
        ([], {"IMPORTER_NOTIFY_FILE": "gone"}),
        (["--plan", "gone.json"], {}),
        ([], {}),  # no API key
    )
    for arguments, variables in wrong:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            code, _, err = importer("run", "a.csv", *arguments, f"--config={config}")
        assert (code, "Traceback" in err) == (2, False)
        paths = [path.partition("?")[0] for path, _ in server.take()]
        assert sorted(paths) == ["/tokenA", "/tokenE/2", "/tokenE/start"], arguments
        assert "token" not in err
    # What sends nothing tells nothing.
    for command in (["run", "--dry-run", "--concurrency", "x"], ["check"], ["plan", "--nothing"]):
        importer(*command, "a.csv", "--config", str(config))
    assert server.take() == []


def test_what_sends_is_asked_for_in_time(
    importer: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra a run with addresses is refused before anything is read."""
    monkeypatch.setattr(notify_command, "has_apprise", lambda: False)
    monkeypatch.setattr(run_news, "Courier", AtHome)
    config.write_text(MAPPING.replace('ping_url = "http://127.0.0.1:9/tokenE"', ""))
    code, _, err = importer("run", "a.csv", "--config", str(config))
    assert code == 2
    assert "alerts need Apprise" in err
    assert "'.[notify]'" in err


def test_a_plan_holds_no_address(importer: Command, config: Path) -> None:
    """It holds the mapping file by its digest."""
    Path("b.csv").write_text("external_reference,name\nC-1,Ada\n")
    importer(
        "plan", "b.csv", "--config", str(config), "--save", "plan.json", "--max-errors", "100%"
    )
    assert json.loads(Path("plan.json").read_text())["mapping"]["name"] == "import.toml"
    assert "token" not in Path("plan.json").read_text()


def test_who_carries_news_has_no_key() -> None:
    """Neither our settings nor our passwords are of use to a service's library."""
    given = {"MOMENT_API_KEY": "k", "IMPORTER_NOTIFY": "u", "PGPASSWORD": "p", "PATH": "/bin"}
    assert courier._environment({**given, "SSL_CERT_FILE": "/ca"}, None) == {
        "PATH": "/bin",
        "SSL_CERT_FILE": "/ca",
        "REQUESTS_CA_BUNDLE": "/ca",
    }
    assert courier._environment(given, Path("/own"))["REQUESTS_CA_BUNDLE"] == "/own"


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("json://a\nslack://b", ("json://a", "slack://b")),
        ("json://a, mailto://u:p@h?to=x@y.z,v@w.z", ("json://a", "mailto://u:p@h?to=x@y.z,v@w.z")),
        (" slack://T/#On Call\ttgram://1:b/-1 ", ("slack://T/#On Call", "tgram://1:b/-1")),
    ],
)
def test_several_addresses_are_told_apart(text: str, addresses: tuple[str, ...]) -> None:
    """What stands between them may be a part of one as well."""
    assert BY_NAME["notify"].value_of(text) == addresses
    assert BY_NAME["notify"].value_of(list(addresses)) == addresses


def test_a_run_that_tells_nobody_loads_nothing_for_it(tmp_path: Path) -> None:
    """The start of every run is paid for by all of them."""
    code = (
        "import sys\nfrom importer.cli import main\n"
        "sys.argv = ['importer', 'run', 'gone.csv']\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "MOMENT_API_KEY": "sk_test_of_the_tests"},
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = set(ended.stdout.split())
    assert "importer.job.run" in loaded, ended.stderr
    news = ("run_news", "courier", "metrics", "alerts")
    assert not loaded & {f"importer.job.{name}" for name in news}
    assert not loaded & {"apprise", "opentelemetry", "prometheus_client", "requests"}
