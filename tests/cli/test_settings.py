"""Every setting has one value, and says where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import certifi
import pytest

from importer.cli.app import app
from importer.cli.settings import command_of
from importer.job.job_settings import TABLE

Command = Callable[..., tuple[int, str, str]]

TOML = """version = 1
[run]
concurrency = 7
ledger = "own.db"
strict = true
[source]
delimiter = ";"
[fields.external_reference]
column = "No"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mapping file with settings, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("MOMENT_API_KEY", "MOMENT_API_KEY_FILE", "MOMENT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    path = Path("import.toml")
    path.write_text(TOML)
    return path


def told(out: str) -> dict[str, tuple[str, str]]:
    """Name -> (value, where it comes from)."""
    lines = [line.split(maxsplit=2) for line in out.splitlines()]
    return {line[0]: (line[1], line[-1]) for line in lines if len(line) > 2}


def test_the_nearest_place_wins(
    importer: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flag before environment before file before default."""
    monkeypatch.setenv("IMPORTER_LEDGER", "env.db")
    monkeypatch.setenv("IMPORTER_ACCOUNT", "night")
    code, out, _ = importer("config", "--config", str(config), "--account", "flagged")
    assert code == 0
    found = told(out)
    assert found["account"] == ("flagged", "flag --account")
    assert found["ledger"] == ("env.db", "environment IMPORTER_LEDGER")
    assert found["concurrency"] == ("7", "import.toml:3")
    assert found["strict"] == ("true", "import.toml:5")
    assert found["delimiter"] == (";", "import.toml:7")
    assert found["out"] == ("results", "default")


def test_the_key_is_never_shown(
    importer: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mode and its length say which one is set."""
    monkeypatch.setenv("MOMENT_API_KEY", "sk_test_verysecretkey")
    _, out, _ = importer("config", "--config", str(config))
    assert "verysecret" not in out
    assert "sk_test_..." in out
    assert "test mode, 21 characters" in out


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("concurency = 7", ["line 3", "run.concurency is no setting", "mean concurrency?"]),
        ('concurrency = "many"', ["line 3", "run.concurrency", "many"]),
        ("concurrency = 5000", ["line 3", "run.concurrency", "5000"]),
        ('strict = "yes"', ["line 3", "run.strict", "true or false"]),
        ("ledger = true", ["line 3", "run.ledger", "a text or a number"]),
        ('api_key = "sk_test_x"', ["line 3", "no place in a file", "MOMENT_API_KEY"]),
        ('secret-key = "sk_test_x"', ["line 3", "no place in a file", "MOMENT_API_KEY"]),
        ('concurrency = "sk_test_x"', ["line 3", "run.concurrency", "may be secret"]),
        ('on_duplicate = "maybe"', ["line 3", "run.on_duplicate", "'maybe'", "error, first"]),
        ('log_format = "xml"', ["line 3", "run.log_format", "'xml'"]),
        ('max_errors = "lots"', ["line 3", "run.max_errors", "'lots'"]),
        ('delimiter = "x"', ["line 3", "run.delimiter", "'x'"]),
        ('encoding = "utf9"', ["line 3", "run.encoding", "did you mean utf-8?"]),
        ('base_url = "https://ada:sk_test_x@example.com"', ["line 3", "run.base_url"]),
        ('plan = "x"', ["line 3", "run.plan is no setting"]),
        ("accept_drift = true", ["line 3", "meant each time", "give --accept-drift once"]),
        ("accept_new_account = true", ["line 3", "meant each time"]),
    ],
)
def test_what_is_no_setting_is_refused(
    importer: Command, config: Path, line: str, parts: list[str]
) -> None:
    """With file, line, key and the fix; never the value of a key."""
    others = {"concurrency = 7": line, 'ledger = "own.db"\n': "", "strict = true\n": ""}
    text = TOML
    for old, new in others.items():
        text = text.replace(old, new)
    config.write_text(text)
    code, _, err = importer("check", "a.csv", "--config", str(config))
    assert code == 2
    assert all(part in err for part in ["import.toml", *parts]), err
    assert "sk_test_x" not in err


def test_the_file_sets_what_a_check_does(importer: Command, config: Path) -> None:
    """The delimiter of [source] is used, and the mapping."""
    Path("a.csv").write_text("No;Other,Name\nA1;x\n")
    code, out, err = importer("check", "a.csv", "--config", str(config), "--quiet")
    assert code == 0, out + err


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("IMPORTER_MAX_ERRORS=lots", ["'lots'"]),
        ("IMPORTER_ON_DUPLICATE=maybe", ["'maybe'", "error, first"]),
        ("IMPORTER_STRICT=maybe", ["'maybe'", "boolean"]),
        ("IMPORTER_MAX_ERORS=5", ["is no setting", "mean IMPORTER_MAX_ERRORS?"]),
        ("IMPORTER_CONCURENCY=5", ["is no setting", "mean IMPORTER_CONCURRENCY?"]),
        ("IMPORTER_LIVE=1", ["--live must be meant each time"]),
    ],
)
def test_a_variable_that_sets_nothing_is_refused(
    importer: Command,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    parts: list[str],
) -> None:
    """A misspelt one would be overlooked, and a wrong value is told with its variable."""
    Path("a.csv").write_text("No;Other\nA1;x\n")
    variable, _, value = given.partition("=")
    monkeypatch.setenv(variable, value)
    code, _, err = importer("check", "a.csv", "--config", str(config))
    assert code == 2
    assert all(part in err for part in ["environment", variable, *parts]), err


@pytest.mark.parametrize("variable", ["IMPORTER_BASE_URL", "MOMENT_API_URL"])
def test_an_address_under_another_name_is_refused(
    importer: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A rehearsal whose address was overlooked would be sent to the real API."""
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("external_reference,name\nA1,x\n")
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    monkeypatch.delenv("MOMENT_BASE_URL", raising=False)
    for words in (["run", "a.csv"], ["plan", "a.csv"], ["doctor"], ["verify"]):
        code, _, err = importer(*words)
        assert code == 2, words
        assert f"{variable} is no setting" in err, words
        assert "address is MOMENT_BASE_URL" in err, words


def test_the_variables_of_other_programs_are_left_alone(
    importer: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What resembles no setting, is a setting of another command, or is empty does no harm."""
    Path("a.csv").write_text("No;Other\nA1;x\n")
    for variable, value in (
        ("IMPORTER_HOME", "x"),
        ("IMPORTER_CONCURRENCY", "5"),
        ("IMPORTER_OUT", ""),
    ):
        monkeypatch.setenv(variable, value)
    code, out, err = importer("check", "a.csv", "--config", str(config), "--quiet")
    assert code == 0, out + err


def test_the_environment_limits_the_errors_of_a_check(
    importer: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the flag and the file do: exit code 3 where more rows are invalid."""
    Path("a.csv").write_text("No;Other\nA 1;x\n")
    code, _, _ = importer("check", "a.csv", "--config", str(config), "--quiet")
    assert code == 1
    monkeypatch.setenv("IMPORTER_MAX_ERRORS", "0")
    code, _, _ = importer("check", "a.csv", "--config", str(config), "--quiet")
    assert code == 3


def test_a_password_in_a_flag_is_not_shown(importer: Command, config: Path) -> None:
    """A base URL with one is refused, as a run would refuse it."""
    code, out, err = importer("config", "--base-url", "https://ada:hunter22@example.com")
    assert code == 2
    assert "hunter22" not in out + err
    assert config.exists()


def test_every_option_that_can_be_set_can_be_shown() -> None:
    """``config`` has the options of ``run`` and ``check``: one that it left out could hide."""
    group = command_of(app)
    names = {
        name: {one.name for one in group.commands[name].params}
        for name in ("run", "check", "config")
    }
    assert (names["run"] | names["check"]) - {"sources", "plan"} == names["config"]


def test_every_setting_has_its_variable() -> None:
    """The same option is set by the same variable in each command, but for what must be meant."""
    each_time = {one.flag for one in TABLE if one.each_time} | {
        *("--config", "--json", "--plan", "--save"),
    }
    group = command_of(app)
    for name in ("run", "plan", "check", "config"):
        for one in group.commands[name].params:
            if one.opts[0].startswith("--") and one.opts[0] not in {"--help", "--base-url"}:
                wanted = f"IMPORTER_{one.name.upper()}"
                expected = None if one.opts[0] in each_time else wanted
                assert one.envvar == expected, (name, one.name)


HUSH = "hush-hush"
URL = f"postgresql://me:{HUSH}@127.0.0.1:1/billing?schema=x"
"""Nobody listens there."""


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "in.csv"),
        ("plan", "in.csv"),
        ("status",),
        ("export", "ids.csv"),
        ("verify",),
        ("config",),
    ],
)
def test_a_password_on_the_command_line_is_refused(
    importer: Command, config: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """Every process list shows it; the message names the other ways, and does not show it again."""
    del config
    monkeypatch.setenv("MOMENT_API_KEY", "sk_test_of_settings")
    Path("in.csv").write_text("external_reference,name\nA,Ada\n")
    code, out, err = importer(*arguments, "--ledger", URL)
    assert code == 2
    assert "process list" in err
    assert "PGPASSWORD" in err
    assert HUSH not in out + err


@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_password_elsewhere_is_used_and_never_shown(
    importer: Command, config: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """``config`` shows the address without it, and so does the error of a server that is away."""
    if place == "environment":
        monkeypatch.setenv("IMPORTER_LEDGER", URL)
        flags: list[str] = []
    else:
        config.write_text(TOML.replace("own.db", URL))
        flags = ["--config", str(config)]
    code, out, _ = importer("config", *flags)
    assert code == 0
    assert told(out)["ledger"][0] == "postgresql://me@127.0.0.1:1/billing?schema=x"
    monkeypatch.setenv("IMPORTER_LEDGER", URL)
    code, out, err = importer("status")
    assert code == 75
    assert "cannot be reached" in err
    assert HUSH not in out + err


def test_the_way_to_the_api_is_shown_without_a_login(
    importer: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By which proxy, from which variable, whose certificates; a bundle may stand in a file."""
    for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    found = told(importer("config")[1])
    assert found["proxy"] == ("none", "no HTTPS_PROXY, no ALL_PROXY")
    assert found["certificates"] == (certifi.where(), "the certifi package")
    monkeypatch.setenv("https_proxy", "https://ada:PassW0rd@proxy.example.com")
    bundle = Path("company.pem")
    bundle.write_bytes(Path(certifi.where()).read_bytes())
    config.write_text(TOML.replace("[run]", '[run]\nca_bundle = "company.pem"'))
    _, out, _ = importer("config", "--config", str(config))
    assert "PassW0rd" not in out
    found = told(out)
    assert found["ca_bundle"] == ("company.pem", "import.toml:3")
    assert found["proxy"] == (
        "https://proxy.example.com:443",
        "environment https_proxy, with a login",
    )
    assert found["certificates"] == ("company.pem", "--ca-bundle")
    monkeypatch.setenv("NO_PROXY", "momentco.io")
    found = told(importer("config", "--ca-bundle", "none.pem")[1])
    assert found["proxy"] == ("none", "NO_PROXY names it (momentco.io)")
    assert "cannot be read" in found["certificates"][1]


def test_doctor_ends_with_what_it_found(importer: Command, config: Path) -> None:
    """0 or 1 by what failed, 2 where the command itself is wrong."""
    code, out, _ = importer("doctor", "--base-url", "http://127.0.0.1:1")
    assert code == 1
    assert "FAIL  key " in out
    assert "fix: set MOMENT_API_KEY" in out
    assert not Path("importer-ledger.db").exists()
    assert not Path("results").exists()
    config.write_text("nonsense")
    assert importer("doctor", "--config", str(config))[0] == 2
