"""The files and the settled ledger that the benchmarks run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from benchmarks.data import customers, write
from benchmarks.peers.payload import payloads
from benchmarks.seeding import seed
from importer.delivery.protocol.states import Done
from importer.job.check import check
from importer.job.job_settings import InputSettings
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.rows.header_fields import map_columns
from importer.rows.judged import judge_batch
from importer.source.opened import open_source
from importer.source.source_options import SourceOptions

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 300
URL = "http://127.0.0.1:9"


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_every_row_is_valid_and_new(tmp_path: Path, name: str) -> None:
    """In each format a check finds as many rows to create as were asked for."""
    write(tmp_path / name, customers(ROWS))
    found = check(InputSettings((str(tmp_path / name),), tmp_path / "out"))
    assert found.summary.outcomes == {"would_create": ROWS}


def test_a_row_does_not_depend_on_the_size_of_its_file() -> None:
    """A short file is the beginning of a long one; only every n-th row is new where asked for."""
    long = customers(ROWS).collect()
    assert customers(50).collect().equals(long.head(50))
    changed = customers(ROWS, new_every=100).collect()
    differs = long["external_reference"] != changed["external_reference"]
    assert differs.arg_true().to_list() == [99, 199, 299]


def test_the_peers_send_what_importer_sends(tmp_path: Path) -> None:
    """A peer's body of each record is the payload of importer's row."""
    path = tmp_path / "a.csv"
    write(path, customers(ROWS), quoted=True)
    with open_source(str(path), 0, SourceOptions(), None) as source:
        columns = map_columns(source.layout, strict=False)
        rows = pl.concat(judge_batch(batch, columns).valid for batch in source.batches())
    ours = rows["payload"].str.json_decode(infer_schema_length=None, dtype=_SHAPE).to_list()
    assert [_without_nulls(row) for row in ours] == list(payloads(path))


_TEXT = pl.String()
_SHAPE = pl.Struct(
    {
        "external_reference": _TEXT,
        "name": _TEXT,
        "email": _TEXT,
        "phone": _TEXT,
        "currency": _TEXT,
        "balance": pl.Int64(),
        "metadata": pl.Struct({"segment": _TEXT, "legacy_id": _TEXT}),
    }
)


def _without_nulls(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if value is not None}


def test_a_seeded_ledger_holds_every_row_as_done(tmp_path: Path) -> None:
    """Each row of the file is settled under the fingerprint that a run would compare."""
    path, ledger = tmp_path / "a.csv", tmp_path / "ledger.db"
    write(path, customers(ROWS))
    assert seed(path, ledger, URL) == ROWS
    with open_ledger(ledger, Account(URL, "test", "default"), read_only=True) as opened:
        states = dict(opened.iter_states())
    assert len(states) == ROWS
    assert all(isinstance(state, Done) for state in states.values())
    assert len({state.fingerprint for state in states.values() if isinstance(state, Done)}) == ROWS
