"""Judges one framed record: cells in, a row out. Pure, and the hot loop of the whole check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from importer.rows.customer import VALIDATOR
from importer.rows.header_fields import METADATA
from importer.rows.payload import build_payload, canonical, fingerprint
from importer.rows.problems import problems_of
from importer.rows.row import Problem, Row
from importer.rows.text import trim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from importer.rows.header_fields import ColumnMap
    from importer.source.records import CellFault

_validate = VALIDATOR.validate_python


def judge(
    source: int,
    line: int,
    cells: tuple[str, ...],
    columns: ColumnMap,
    faults: Sequence[CellFault] = (),
) -> Row:
    """The row of one record, with its payload or with all its problems in header order.

    Args:
        source: index of the source.
        line: physical line, from 1.
        cells: one text per header column.
        columns: what each of them is.
        faults: cells of this record that have no text form.
    """
    if not faults:
        payload, problems = build_payload(cells, columns)
        if not problems:
            try:
                _validate(payload)
            except ValidationError:
                pass
            else:
                body = canonical(payload)
                return Row(
                    source,
                    line,
                    payload["external_reference"],
                    body,
                    fingerprint(body),
                    (),
                    cells,
                )
    reference = trim(cells[columns.reference])
    problems = _all_problems(cells, columns, faults)
    return Row(source, line, reference, None, None, tuple(problems), cells)


def _all_problems(
    cells: tuple[str, ...], columns: ColumnMap, faults: Sequence[CellFault]
) -> list[Problem]:
    problems = [Problem(trim(one.column), one.code, one.message) for one in faults]
    # A faulty cell counts as given, but whatever text stands for it is not judged again.
    faulty = {one.column for one in problems}
    usable = ["" if columns.names[i] in faulty else cell for i, cell in enumerate(cells)]
    payload, unreadable = build_payload(usable, columns)
    problems += unreadable
    reported = frozenset(one.column for one in problems) - {METADATA}
    problems += problems_of(payload, columns, reported=reported)
    return sorted(problems, key=_header_order(columns))


def _header_order(columns: ColumnMap) -> _Order:
    return _Order({name: index for index, name in enumerate(columns.names)})


class _Order:
    """Sorts problems by column; those without one come last, in the order they were found."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places

    def __call__(self, problem: Problem) -> int:
        return self._places.get(problem.column, len(self._places))
