"""A file with columns of its own goes through a mapping, all the way to the sandbox."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import SourceError
from importer.mapping.load import load_mapping
from tests.job.conftest import outcomes

if TYPE_CHECKING:
    from tests.job.conftest import Job

TOML = """
version = 1
[fields.external_reference]
column = "Nr"
[fields.name]
template = "{Vorname} {Name}"
[fields.phone]
column = "Tel"
region = "ZA"
[fields.currency]
constant = "ZAR"
[fields.balance]
column = "Saldo"
unit = "major"
[rows]
keep = { Status = "aktiv" }
skip_totals = true
"""
HEADER = "Nr;Vorname;Name;Tel;Saldo;Status\n"
ROWS = (
    "K-1;Ada;Example;082 123 4567;1.234,50;aktiv\n"
    "K-2;Bea;Example;;0,05;aktiv\n"
    "K-3;Cleo;Example;12;1;aktiv\n"
    "K-4;Dora;Example;;7;inaktiv\n"
    "K-5;;Solo;;;aktiv\n"
    "Summe;;;;1.235,55;aktiv\n"
)


def mapping(job: Job, text: str = TOML) -> dict[str, Any]:
    """The settings of a run with this mapping."""
    path = Path(job.write(text, "import.toml"))
    return {"mapping": load_mapping(path), "config": path}


def test_every_record_of_a_mapped_file_is_accounted_for(job: Job) -> None:
    """Customers arrive as the API wants them; what is left out or wrong stands in the results."""
    source = job.write(HEADER + ROWS)
    done = job.run(sources=(source,), **mapping(job))
    assert outcomes(done) == {"created": 3, "invalid": 1, "skipped": 2}
    with (done.results / "results.csv").open() as file:
        told = {row["line"]: (row["outcome"], row["error_code"]) for row in csv.DictReader(file)}
    assert told["4"] == ("invalid", "phone_invalid")
    assert told["5"] == ("skipped", "filtered")
    assert told["7"] == ("skipped", "totals_line")
    transforms = {(one["column"], one["name"]) for one in done.summary.transforms}
    assert ("phone", "region") in transforms
    assert "082" not in str(done.summary.transforms)


def test_the_errors_file_feeds_back_through_the_same_mapping(job: Job) -> None:
    """It has the original columns and cells; corrected, the row arrives."""
    source = job.write(HEADER + ROWS)
    first = job.run(sources=(source,), **mapping(job))
    errors = first.results / "errors.csv"
    lines = errors.read_text().splitlines()
    assert lines[0].startswith(HEADER.strip())
    assert lines[1].startswith("K-3;Cleo;Example;12;1;aktiv;4;phone_invalid;")
    assert '"Tel (phone): ' in lines[1] or "Tel (phone): " in lines[1]
    corrected = job.write("\n".join(lines).replace(";12;", ";082 123 4569;"), "again.csv")
    second = job.run(sources=(corrected,), **mapping(job))
    assert outcomes(second) == {"created": 1}


def test_the_same_file_twice_sends_nothing(job: Job) -> None:
    """A mapped row is recognised by what was made of it."""
    source = job.write(HEADER + ROWS)
    job.run(sources=(source,), **mapping(job))
    again = job.run(sources=(source,), **mapping(job))
    assert outcomes(again) == {"unchanged": 3, "invalid": 1, "skipped": 2}
    assert again.summary.requests == {"post": 0, "get": 0}


def test_two_references_never_become_one(job: Job) -> None:
    """Equal results of different cells are errors of all those rows, though the rest is equal."""
    text = TOML.replace('column = "Nr"', 'template = "{Nr}{Vorname}"')
    rows = "1;1;X;;;aktiv\n11;;X;;;aktiv\n2;;Y;;;aktiv\n2;;Y;;;aktiv\n"
    done = job.run(sources=(job.write(HEADER + rows),), **mapping(job, text))
    assert outcomes(done) == {"created": 1, "duplicate": 1, "invalid": 2}
    assert "reference_collision" in str(done.summary.errors)


def test_an_ambiguous_column_is_refused_before_anything_is_sent(job: Job) -> None:
    """Both readings are shown, with the key that decides."""
    source = job.write(HEADER + "K-1;Ada;Example;;1,234;aktiv\n")
    with pytest.raises(SourceError, match=r"can be read in two ways: .*1,234") as caught:
        job.run(sources=(source,), **mapping(job))
    assert "number_format" in caught.value.hint
