"""Thousands of nearly right records at once: the way for whole columns against the one for rows.

What is certainly valid is found on whole columns (rows/certain.py), everything else by the model,
row by row. Both must say the same of every record, whatever its neighbours in the batch are.
"""

from __future__ import annotations

from random import Random

import polars as pl

from importer.rows.header_fields import map_columns
from importer.rows.judge import judge
from importer.rows.judged import judge_batch
from importer.source.records import Layout, RecordBatch

ROWS = 2_000
COLUMNS = (
    "external_reference", "name", "email", "phone", "currency", "balance", "metadata.kind",
    "metadata.segment",
)  # fmt: skip
_SIGNS = "aZ09 -_+.,@'\"\\/{}[]:;\t\n\r\0é\u07f6\u0661\u00a0\u200b\u202e\ufeff\ufffd\U0001f600"
_PIECES = (
    "", " ", "null", "NaN", "0", "-0", "00", "1e3", "0x1", "9" * 19, "9" * 400, "-1", "+5", "1.0",
    "ZAR", "zar", "XXX", "JPY", "KWD", "a@b", "a@b.co", "@", "+0", "+27", "+2782000000012345678",
    "\\N", "=1+1", "x" * 255, "x" * 256, "é" * 128, "\u0130", "\ud7ff", "{}", '{"a":"b"}', "R-1",
)  # fmt: skip
_MAP = map_columns(Layout("bulk.csv", COLUMNS), strict=False)


def judge_many(number: int) -> int:
    """Judge a batch in both ways; how many records it had.

    Raises:
        AssertionError: a record is judged in two ways, or lost.
    """
    chance = Random(number)
    records = [_record(chance, n) for n in range(ROWS)]
    frame = pl.DataFrame(records, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    lines = list(range(2, ROWS + 2))
    judged = judge_batch(RecordBatch(0, frame, lines), _MAP)
    by_line = {
        line: (fingerprint, payload) for line, _, fingerprint, payload in judged.valid.iter_rows()
    }
    invalid = {row.line: row for row in judged.invalid}
    assert len(by_line) + len(invalid) == ROWS
    for line, cells in zip(lines, records, strict=True):
        row = judge(0, line, cells, _MAP)
        if row.payload is None:
            assert invalid[line].problems == row.problems, cells
        else:
            assert by_line[line] == (row.fingerprint, row.payload), cells
    return ROWS


def _record(chance: Random, number: int) -> tuple[str, ...]:
    cells = [
        f"R-{number}", f"Ada Example {number}", f"ada.{number}@example.com", f"+2782{number:07d}",
        "ZAR", str(chance.randrange(-10_000, 10_000)), "premium", "",
    ]  # fmt: skip
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        at = chance.randrange(len(cells))
        cells[at] = _mutated(chance, cells[at])
    return tuple(cells)


def _mutated(chance: Random, text: str) -> str:
    place = chance.randrange(len(text) + 1)
    match chance.randrange(5):
        case 0:
            return chance.choice(_PIECES)
        case 1:
            return text[:place] + chance.choice(_SIGNS) + text[place:]
        case 2:
            return text[:place] + text[place + 1 :]
        case 3:
            return text + chance.choice(_PIECES)
        case _:
            return text[:place] + chance.choice(_SIGNS) + text[place + 1 :]
