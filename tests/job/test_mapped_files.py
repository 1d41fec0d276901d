"""Mapped files of every kind: piped, in old encodings, several at once, mostly left out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from importer.errors import RunStopped, SourceError
from importer.job import source_reading
from importer.job.check import check
from importer.job.job_settings import InputSettings
from importer.job.limit import parse_limit
from importer.job.world import World
from importer.mapping.load import load_mapping
from importer.source.opened import open_source
from tests.job.conftest import outcomes, results

if TYPE_CHECKING:
    from pathlib import Path

    from importer.job.run import Finished
    from tests.job.conftest import Job

HEADER = "Nr;Name;Saldo;Art\n"
TOML = """
version = 1
[source]
delimiter = ";"
[fields.external_reference]
column = "Nr"
[fields.name]
column = "Name"
[fields.currency]
constant = "EUR"
[fields.balance]
column = "Saldo"
unit = "major"
[rows]
drop = { Art = "lead" }
"""
ROWS = "K-1;Zoë;1.234,50;\nK-2;Jürgen;x;\nK-3;;7;lead\n"


def mapping(folder: Path, text: str = TOML) -> dict[str, Any]:
    """The settings of a job with this mapping."""
    path = folder / "import.toml"
    path.write_text(text, encoding="utf-8")
    return {"mapping": load_mapping(path), "config": path}


def checked(folder: Path, *sources: str, text: str = TOML, **more: Any) -> Finished:
    """A check of files with these contents through the mapping."""
    names = []
    for number, source in enumerate(sources):
        path = folder / f"source-{number}.csv"
        path.write_text(source, encoding="utf-8")
        names.append(str(path))
    world = more.pop("world", None)
    settings = InputSettings(
        tuple(names) or ("-",), out=folder / "results", **mapping(folder, text), **more
    )
    return check(settings, world=world)


def test_standard_input_tells_its_number_format_too(tmp_path: Path) -> None:
    """The whole column decides about its first row, and nothing is left behind."""
    text = HEADER + "K-1;Ada;1.234;\n" + "".join(f"K-{n};Bea;{n},50;\n" for n in range(2, 5000))
    world = World(stdin=io.BytesIO(text.encode()))
    finished = checked(tmp_path, world=world)
    assert outcomes(finished) == {"would_create": 4999}
    assert {path.name for path in finished.results.iterdir()} == {
        "errors.csv",
        "report.html",
        "results.csv",
        "summary.json",
    }
    (told,) = finished.summary.transforms
    assert ('"1.234"', '"123400"') in told["examples"]


def test_a_source_is_read_once_where_its_format_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk or a network is asked for each byte once; a slip costs its own record."""
    opened: list[str] = []

    def counting(name: str, *more: Any) -> Any:
        opened.append(name)
        return open_source(name, *more)

    monkeypatch.setattr(source_reading, "open_source", counting)
    rows = "".join(f"K-{n};Bea;{n},50;\n" for n in range(2, 60))
    finished = checked(tmp_path, HEADER + "K-1;Ada;1.23;\n" + rows)
    assert len(opened) == 1
    assert outcomes(finished) == {"would_create": 58, "invalid": 1}
    [wrong] = [one for one in results(finished) if one["outcome"] == "invalid"]
    assert (wrong["line"], wrong["error_code"]) == ("2", "amount_unreadable")


def test_an_old_encoding_feeds_back_through_the_same_mapping(job: Job) -> None:
    """The errors file is UTF-8 whatever the mapping says of the source's encoding."""
    text = TOML.replace("[source]\n", '[source]\nencoding = "windows-1252"\n')
    source = job.folder / "old.csv"
    source.write_bytes((HEADER + ROWS).encode("windows-1252"))
    first = job.run(sources=(str(source),), **mapping(job.folder, text))
    assert outcomes(first) == {"created": 1, "invalid": 1, "skipped": 1}
    errors = (first.results / "errors.csv").read_text(encoding="utf-8")
    assert "K-2;Jürgen;x;" in errors
    corrected = job.write(errors.replace(";x;", ";1,00;"), "again.csv")
    second = job.run(sources=(corrected,), **mapping(job.folder, text))
    assert outcomes(second) == {"created": 1}
    assert job.state()["customers"] == 2
    third = job.run(sources=(str(source), corrected), **mapping(job.folder, text))
    assert third.summary.requests == {"post": 0, "get": 0}


def test_an_errors_file_remembers_how_its_source_writes_numbers(tmp_path: Path) -> None:
    """Its few amounts could be read in two ways, or in the wrong one; the whole column said it."""
    rows = "".join(f"K-{n};Bea;{n}.50;\n" for n in range(2, 60))
    first = checked(tmp_path, HEADER + "K 1;Ada;1,234;\nK-x;Ada;1,23;\n" + rows)
    assert outcomes(first) == {"would_create": 58, "invalid": 2}
    errors = (first.results / "errors.csv").read_text()
    assert errors.splitlines()[0].endswith(";_number_format")
    second = checked(tmp_path, errors.replace("K 1", "K-1"))
    assert outcomes(second) == {"would_create": 1, "invalid": 1}
    (told,) = second.summary.transforms
    assert told["examples"] == (('"1,234"', '"123400"'),)
    third = checked(tmp_path, (second.results / "errors.csv").read_text().replace("1,23;", "7.23;"))
    assert outcomes(third) == {"would_create": 1}


def test_the_source_section_holds_for_programs_too(tmp_path: Path) -> None:
    """A mapping that is handed in without the command line is read as it says."""
    tildes = (HEADER + "K-1;a,b,c;1,00;\n").replace(";", "~")
    finished = checked(tmp_path, tildes, text=TOML.replace('";"', '"~"'))
    assert outcomes(finished) == {"would_create": 1}


def test_a_skipped_row_is_in_the_results_and_in_no_errors_file(tmp_path: Path) -> None:
    """It has the rule as its error and does not change the exit code."""
    finished = checked(tmp_path, HEADER + "K-1;Ada;1,00;\nK-3;Cleo;x;lead\n")
    assert finished.exit_code == 0
    (skipped,) = [row for row in results(finished) if row["outcome"] == "skipped"]
    assert (skipped["line"], skipped["external_reference"], skipped["error_code"]) == (
        "3",
        "K-3",
        "filtered",
    )
    assert "rows.drop" in skipped["error"]
    assert len((finished.results / "errors.csv").read_text().splitlines()) == 1
    assert not finished.summary.errors
    assert not finished.summary.groups


def test_skipped_rows_do_not_water_the_share_of_invalid_rows_down(tmp_path: Path) -> None:
    """The stop rule looks at the rows that were judged: 20 of 40, however many were left out."""
    left_out = "".join(f"L-{n};;1,00;lead\n" for n in range(1000))
    judged = "".join(f"K-{n};;{'x' if n % 2 else '1,00'};\n" for n in range(40))
    finished = checked(tmp_path, HEADER + left_out + judged, max_errors=parse_limit("10%"))
    assert isinstance(finished.stopped_by, RunStopped)
    assert "20 of 40 rows" in finished.stopped_by.message


def test_a_file_that_is_left_out_as_a_whole_is_no_error(tmp_path: Path) -> None:
    """Nothing was judged, so no share of it is invalid."""
    finished = checked(tmp_path, HEADER + "L-1;;1,00;lead\n", max_errors=parse_limit("10%"))
    assert (finished.exit_code, outcomes(finished)) == (0, {"skipped": 1})


def test_transforms_of_several_files_are_told_together(tmp_path: Path) -> None:
    """One mapping, one report: counts are added, and three examples are enough."""
    rows = [HEADER + f"{name}-1;Ada;1,50;\n{name}-2;Bea;2,50;\n" for name in "AB"]
    (told,) = checked(tmp_path, *rows).summary.transforms
    assert (told["column"], told["changed"], len(told["examples"])) == ("balance", 4, 3)


def test_the_summary_names_the_mapping_by_its_contents(tmp_path: Path) -> None:
    """A run can be traced to the very mapping that it used; without one nothing is said."""
    finished = checked(tmp_path, HEADER + "K-1;Ada;1,00;\n")
    document = json.loads((finished.results / "summary.json").read_text())
    assert document["mapping"] == {
        "file": str(tmp_path / "import.toml"),
        "sha256": hashlib.sha256(TOML.encode()).hexdigest(),
    }
    (tmp_path / "plain.csv").write_text("external_reference\nC-1\n")
    plain = check(InputSettings((str(tmp_path / "plain.csv"),), out=tmp_path / "results"))
    assert plain.summary.mapping == {}


@pytest.mark.parametrize("auto", [True, False])
def test_a_malformed_record_is_one_whatever_the_mapping_says(tmp_path: Path, *, auto: bool) -> None:
    """It is invalid by its own code and its cells come back as they were."""
    text = TOML if auto else TOML.replace('"major"', '"major"\nnumber_format = "1.234,56"')
    finished = checked(tmp_path, HEADER + "K-1;Ada;1,00;\nK-2;lost\nK-3;Cleo;2,50;\n", text=text)
    assert outcomes(finished) == {"would_create": 2, "invalid": 1}
    with (finished.results / "errors.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file, delimiter=";")
    assert (row["Nr"], row["Name"], row["_line"], row["_error_code"]) == (
        "K-2",
        "lost",
        "3",
        "too_few_fields",
    )


def test_fail_fast_counts_what_was_left_out_before(tmp_path: Path) -> None:
    """The records up to the first invalid one are in the results, skipped ones among them."""
    rows = "L-1;;1,00;lead\nK-1;;1,00;\nK-2;;x;\nL-2;;1,00;lead\nK-3;;1,00;\n"
    text = TOML.replace('"major"', '"major"\nnumber_format = "1.234,56"')
    finished = checked(tmp_path, HEADER + rows, text=text, fail_fast=True)
    assert outcomes(finished) == {"skipped": 1, "would_create": 1, "invalid": 1}
    assert finished.summary.records == 3


def test_an_ambiguous_constant_is_refused_in_words(tmp_path: Path) -> None:
    """It is looked at like a column, and no program error."""
    text = TOML.replace('column = "Saldo"', 'constant = "1,234"')
    with pytest.raises(SourceError, match=r"fields.balance can be read in two ways"):
        checked(tmp_path, HEADER + "K-1;Ada;;\n", text=text)
