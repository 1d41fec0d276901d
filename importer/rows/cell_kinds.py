"""Decides which kind of cell fits which field of the API, whatever the column is called. Pure.

| field | takes |
| --- | --- |
| ``external_reference``, ``name`` | text and exact numbers: a float has lost its zeros |
| ``email``, ``phone``, ``currency``, ``balance`` | text, exact numbers and floats |
| ``metadata.KEY`` | these, dates, and true or false |
| ``metadata`` | an object, or its JSON text |

A cell that has no value (``Kind.ERROR``), or whose number has lost digits (``Kind.INEXACT``), fits
nowhere; it may stand where nobody looks. Whether the text is right is for the rules to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from importer.rows.text import trim
from importer.source.records import CellFault, Kind

if TYPE_CHECKING:
    from importer.source.records import RecordBatch

WRONG_TYPE = "wrong_type"
INEXACT = "number_inexact"
_METADATA = "metadata"
_NO_TEXT = frozenset({Kind.DATE, Kind.BOOLEAN, Kind.OBJECT, Kind.LIST})
_MISFITS = {
    "external_reference": _NO_TEXT | {Kind.FLOAT},
    "name": _NO_TEXT | {Kind.FLOAT},
    "email": _NO_TEXT,
    "phone": _NO_TEXT,
    "currency": _NO_TEXT,
    "balance": _NO_TEXT,
    _METADATA: frozenset({Kind.DATE, Kind.BOOLEAN, Kind.LIST}),
}
_IN_METADATA = frozenset({Kind.OBJECT, Kind.LIST})
_SAID = {
    Kind.FLOAT: "holds a floating point number, which may have lost zeros; export it as an integer"
    " or as text",
    Kind.DATE: "holds a date or time, which makes no sense there; export it as text",
    Kind.BOOLEAN: "holds true or false, which makes no sense there; export it as text",
    Kind.OBJECT: "holds an object; give one text or number",
    Kind.LIST: "holds a list; give one text or number",
}


class CellKinds:
    """The kinds of one batch, by column and row."""

    def __init__(self, batch: RecordBatch) -> None:
        self._batch = batch
        self._faults: dict[str, list[CellFault]] = {}
        for one in batch.faults:
            self._faults.setdefault(trim(one.column), []).append(one)

    def of(self, column: int) -> Kind | pl.Series:
        """The kind of every filled cell of a column, or one for each row."""
        return self._batch.kinds.get(column, Kind.TEXT)

    def unreadable(self, name: str) -> dict[int, CellFault]:
        """The cells of a column that nobody can read, by row; ``name`` is trimmed."""
        return {one.index: one for one in self._faults.get(name, ())}

    def misfits(self, field: str, column: int, name: str) -> dict[int, CellFault]:
        """The cells of a column that cannot be this field of the API, by row.

        Args:
            field: as on the API page; ``metadata.KEY`` for one of its values.
            column: index in the header.
            name: what the column is called there, trimmed.
        """
        found = self.unreadable(name)
        wrong = _MISFITS.get(field, _IN_METADATA)
        kinds = self.of(column)
        if isinstance(kinds, pl.Series):
            for index in kinds.is_in([kind.value for kind in wrong]).arg_true():
                found.setdefault(index, _misfit(index, name, Kind(kinds[index])))
        elif kinds in wrong:
            cells = self._batch.frame.to_series(column)
            for index in (cells != "").fill_null(value=False).arg_true():
                found.setdefault(index, _misfit(index, name, kinds))
        return found


def _misfit(index: int, name: str, kind: Kind) -> CellFault:
    code = INEXACT if kind is Kind.FLOAT else WRONG_TYPE
    return CellFault(index, name, code, _SAID[kind])
