"""A saved plan is read back as it was written, or refused."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from importer.errors import UsageError
from importer.job.plan_guard import load_plan
from importer.job.planning import plan
from tests.job.conftest import customers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.job.planning import Planner


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no plan"),
        ("[]", "is no plan"),
        ('{"kind": "other"}', "is no plan"),
        ('{"kind": "importer plan", "format": 99}', "another version"),
        ('{"kind": "importer plan", "format": 1, "sources": 5}', "was changed"),
        ("[" * 100_000, "is no plan"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Anything else, or a plan from another version, gets a clear word and never a traceback."""
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_plan(path)


def test_a_missing_plan_says_how_to_make_one(tmp_path: Path) -> None:
    """The message names the file, the hint the command."""
    with pytest.raises(UsageError) as caught:
        load_plan(tmp_path / "none.json")
    assert "none.json" in caught.value.message
    assert "--save" in caught.value.hint


def test_an_edited_plan_is_refused(offline: Planner) -> None:
    """Every value that counts is covered by the digest; the time it was made is for people."""
    offline.plan(customers(range(2)))
    intact = json.loads(offline.file.read_text())
    for name in set(intact) - {"kind", "format", "made_at"}:
        edited = {**intact, name: {"a": 1} if isinstance(intact[name], dict) else 7}
        offline.file.write_text(json.dumps(edited))
        with pytest.raises(UsageError, match="was changed since it was made"):
            load_plan(offline.file)
    offline.file.write_text(json.dumps({**intact, "made_at": "later"}))
    load_plan(offline.file)


@pytest.mark.parametrize("name", ["customers.csv", "ledger.db", "notes.txt"])
def test_saving_never_costs_another_file(planner: Planner, name: str) -> None:
    """A slip of the hand must not put the plan in the place of the source or the ledger."""
    job = planner.job
    job.run(customers(range(2)))
    job.write("keep me", "notes.txt")
    path = job.folder / name
    before = path.read_bytes()
    inputs, delivery = planner.settings((job.write(customers(range(2))),))
    with pytest.raises(UsageError, match="is no plan and would be lost"):
        plan(inputs, delivery, "test", save=path)
    assert path.read_bytes() == before


def test_what_cannot_be_read_again_is_not_saved(offline: Planner) -> None:
    """Standard input, a pipe and a URL may be planned, but not written down."""
    pipe = offline.job.folder / "pipe"
    os.mkfifo(pipe)
    for name in ("-", str(pipe), "https://files.example.com/customers.csv"):
        inputs, delivery = offline.settings((name,))
        with pytest.raises(UsageError, match="could not read the same again"):
            plan(inputs, delivery, "test", save=offline.file)
    assert not offline.file.exists()


def test_a_plan_in_a_folder_that_is_missing_is_an_error(offline: Planner) -> None:
    """The message names the path."""
    inputs, delivery = offline.settings((offline.job.write(customers(range(2))),))
    with pytest.raises(UsageError, match=r"nowhere/plan.json cannot be written: No such file"):
        plan(inputs, delivery, "test", save=offline.job.folder / "nowhere" / "plan.json")
