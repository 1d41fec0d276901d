"""``--json``: one document on standard output, of its schema, whatever happens; docs/json.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from importer.cli import main
from importer.cli.json_output import VERSIONS
from importer.errors import ExitCode
from importer.ledger.account import Account
from importer.sandbox.config import SandboxConfig
from importer.sandbox.entry import running
from tests.ledger.samples import raw
from tests.ledger.test_copying import fill

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in (DOCS / "schemas").glob("*.json")}
ROWS = "external_reference,name,email,currency,balance\nC-1,Ada,a@example.com,ZAR,1\n"
BAD = f"{ROWS}C 2,Bram,nobody,ZAR,1.5\n"
KEY = "sk_test_a"
"""That of the runs in the ledger (``fill``)."""
KNOWN = "night-1 3 é"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with customers in every state; copied for each test."""
    path = tmp_path_factory.mktemp("ledger") / "importer-ledger.db"
    fill(path, Account(NOBODY, "test"), customers=9)
    return path


@pytest.fixture
def told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    ledger: Path,
) -> Callable[..., dict[str, Any]]:
    """Types a command with --json in a folder with inputs; its document, which fits its schema."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOMENT_API_KEY", KEY)
    monkeypatch.setenv("MOMENT_BASE_URL", NOBODY)
    for name, text in {"c.csv": ROWS, "bad.csv": BAD, "empty.csv": ROWS[:47]}.items():
        (tmp_path / name).write_text(text)
    shutil.copy(ledger, tmp_path)

    def type_in(*words: str) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["importer", *words, "--json"])
        with pytest.raises(SystemExit) as left:
            main()
        shown = capsys.readouterr()
        document: dict[str, Any] = json.loads(shown.out)
        name = re.fullmatch(r"importer\.([a-z]+)/[0-9]+", document["schema"])
        assert name is not None
        jsonschema.validate(document, SCHEMAS[name[1]])
        assert document["exit_code"] == (left.value.code or 0), shown
        if (error := document["error"]) is not None:
            assert error["exit_code"] == document["exit_code"]
            assert error["message"] in shown.err or error["code"] == "interrupted"
        assert KEY not in shown.out
        return document

    return type_in


@pytest.mark.parametrize(
    ("words", "schema", "code"),
    [
        ("status", "status", 0),
        ("status KNOWN", "customer", 0),
        ("status NOBODY", "customer", 1),
        ("why KNOWN", "why", 0),
        ("why NOBODY", "why", 1),
        ("runs", "runs", 0),
        ("runs --failed --since 7d --account default --series a.csv --limit 1", "runs", 0),
        ("plan c.csv", "plan", 0),
        ("plan c.csv --save p.json", "plan", 0),
        ("plan bad.csv --max-errors 0", "plan", 3),
        ("check c.csv", "check", 0),
        ("check bad.csv", "check", 1),
        ("check bad.csv --fail-fast", "check", 1),
        ("check bad.csv --max-errors 0", "check", 3),
        ("config", "config", 0),
        ("doctor c.csv", "doctor", 1),
        ("verify", "verify", 75),
    ],
)
def test_each_command_has_a_document_of_its_schema(
    told: Callable[..., dict[str, Any]], words: str, schema: str, code: int
) -> None:
    """Where it went well, where a row needs a person, and where a stop rule ended it."""
    document = told(*(KNOWN if word == "KNOWN" else word for word in words.split()))
    assert document["schema"] == f"importer.{schema}/{VERSIONS[schema]}"
    assert document["exit_code"] == code
    assert (document["error"] is not None) == (code in {3, 75} or "--fail-fast" in words)


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        ("status --ledger none.db", "no_ledger", 2),
        ("status --nonsense", "usage_error", 2),
        ("why", "usage_error", 2),
        ("nonsense", "usage_error", 2),
        ("runs --limit 0", "usage_error", 2),
        ("runs --since yesterday", "usage_error", 2),
        ("runs --account shop", "usage_error", 2),
        ("check none.csv", "source_error", 2),
        ("plan c.csv --fail-on x", "usage_error", 2),
        ("config --on-duplicate x", "usage_error", 2),
        ("verify --base-url https://u@x", "usage_error", 2),
        ("check c.csv --config c.csv", "usage_error", 2),
    ],
)
def test_what_is_wrong_is_json_too(
    told: Callable[..., dict[str, Any]], words: str, error: str, code: int
) -> None:
    """A code for scripts, the words of a person, and how to mend it."""
    document = told(*words.split())
    assert (document["schema"], document["error"]["code"]) == ("importer.error/1", error)
    assert document["exit_code"] == code
    assert document["error"]["hint"]


def test_a_bug_and_a_signal_are_json_too(
    told: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing that may happen leaves a script without a document."""
    from importer.cli import runs_command

    for raised, code, error in (
        (KeyError("x"), ExitCode.INTERNAL, "bug_found"),
        (KeyboardInterrupt(), ExitCode.SIGINT, "interrupted"),
    ):

        def fails(*_: object, raised: BaseException = raised) -> None:
            raise raised

        monkeypatch.setattr(runs_command, "runs_of", fails)
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        document = told("runs")
        assert (document["exit_code"], document["error"]["code"]) == (code, error)


def test_what_a_script_reads_is_what_a_person_sees(
    told: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Totals, runs, history and half a copy of an account."""
    [account] = told("status")["accounts"]
    assert account["customers"]["done"] > 0
    assert account["runs"] == told("runs", "--limit", "10")["runs"]
    [customer] = told("status", KNOWN)["customers"]
    [why] = told("why", KNOWN)["customers"]
    assert {**customer, "sentences": 0, "standing": 0} == {**why, "sentences": 0, "standing": 0}
    assert len(why["sentences"]) >= 1
    assert any("Moment" in one for one in why["standing"])
    raw(tmp_path / "importer-ledger.db").execute("UPDATE account SET copying = 'x'")
    [half] = told("status")["accounts"]
    assert half["error"]["code"] == "usage_error"


def test_the_document_of_a_verify(
    told: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Moment answers, and where it does not any more."""
    with running(SandboxConfig()) as base_url:
        monkeypatch.setenv("MOMENT_BASE_URL", base_url)
        monkeypatch.setattr(sys, "argv", ["importer", "run", "c.csv", "--ledger", "new.db"])
        with pytest.raises(SystemExit) as left:
            main()
        assert not left.value.code
        assert told("plan", "c.csv", "--ledger", "new.db")["outcomes"] == {"unchanged": 1}
        verified = told("verify", "--ledger", "new.db")
        assert (verified["findings"], verified["is_whole"]) == ({"in_step": 1}, True)
    gone = told("verify", "--ledger", "new.db")
    assert (gone["is_whole"], gone["error"]["code"]) == (False, "connection_refused")


# The page ----------------------------------------------------------------------------------------


def described(name: str, part: dict[str, Any], indent: str = "") -> list[str]:
    """A field and those below it, as lines of a table."""
    kinds = part.get("type", "object" if "$ref" in part or "anyOf" in part else "string")
    kind = " or ".join(kinds) if isinstance(kinds, list) else kinds
    lines = [f"| {indent}`{name}` | {kind} | {part.get('description', '')} |"]
    inner = part.get("items", part)
    for below, told in inner.get("properties", {}).items():
        lines += described(f"{name}{'[]' if inner is not part else ''}.{below}", told, indent)
    return lines


def page() -> str:
    """docs/json.md, from the schemas."""
    head = (DOCS / "json.md").read_text().partition("<!-- fields begin -->\n")[0]
    parts = [f"{head}<!-- fields begin -->\n"]
    common = {"schema", "importer", "exit_code", "error"}
    for name in VERSIONS:
        schema = SCHEMAS[name]
        lines = []
        for field, told in schema["properties"].items():
            if field not in common:
                lines += described(field, told)
        table = ["| field | kind | what it is |", "| --- | --- | --- |", *lines] if lines else []
        parts.append(
            f"\n## {schema['description']}\n\n[`{schema['title']}`](schemas/{name}.json)\n\n"
            + "\n".join(table)
            + ("\n" if table else "")
        )
    return "".join(parts).rstrip("\n") + "\n"


def test_every_field_is_documented() -> None:
    """docs/json.md is what the schemas say, and each document has a schema of its version."""
    assert {*SCHEMAS} == {*VERSIONS}
    for name, version in VERSIONS.items():
        assert SCHEMAS[name]["properties"]["schema"]["const"] == f"importer.{name}/{version}"
        jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
        for line in re.findall(r"^\| .* \|$", page(), re.MULTILINE):
            assert not line.endswith("|  |"), line
    shown = page()
    if os.environ.get("UPDATE_DOCS"):
        (DOCS / "json.md").write_text(shown)
    assert (DOCS / "json.md").read_text() == shown
