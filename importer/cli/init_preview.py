"""The first records before and after a mapping, as ``init`` shows them.

Names, e-mail addresses, phone numbers and everything that is not known to be harmless are masked,
also on the user's own terminal: such output ends up in tickets. Amounts, currencies, countries,
groups and references stand there as they are: how they are read is what a person must check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.mapping import bind
from importer.mapping.proposing.columns import assign
from importer.mapping.proposing.propose import columns_of
from importer.rows.columns import PREFIX
from importer.rows.mask import mask_email, mask_phone, mask_text
from importer.rows.text import shown
from importer.source import open_source
from importer.source.records import RecordBatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.mapping.model import Mapping
    from importer.mapping.proposing.facts import Facts
    from importer.mapping.proposing.proposal import Choice, Proposal
    from importer.source import SourceOptions

RECORDS = 3
_OPEN_FIELDS = frozenset({"external_reference", "currency", "balance"})


def preview(
    mapping: Mapping, proposal: Proposal, facts: Facts, options: SourceOptions
) -> Iterator[str]:
    """Lines that show the first records, each field before and after."""
    batch = _first(facts.layout.name, options)
    mapped = bind(mapping, facts.layout).apply(batch)
    parts = assign(facts)
    personal = {one.name for one in parts.all("personal_id")}
    countries = {one.name for one in parts.all("country")}
    groups = {one.name for one in parts.all("kind")}
    choices = [one for one in proposal.choices if one.key[0] in {"fields", "metadata"}]
    width = max(len(_target(one)) for one in choices)
    after = dict(zip(mapped.batch.lines, mapped.batch.frame.iter_rows(named=True), strict=True))
    skipped = {one.line: one.text for one in mapped.skipped}
    wrong: dict[int, dict[str, str]] = {}
    for fault in mapped.batch.faults:
        wrong.setdefault(mapped.batch.lines[fault.index], {})[fault.column] = fault.message
    for line, before in zip(batch.lines, batch.frame.iter_rows(), strict=True):
        yield f"line {line}, before and after:"
        if line in skipped:
            yield f"    skipped: {skipped[line]}"
            continue
        cells = dict(zip(facts.layout.columns, before, strict=True))
        for choice in choices:
            column = _target(choice)
            names = sorted(columns_of(choice.entry) & cells.keys(), key=facts.layout.columns.index)
            harmless = choice.key[0] == "metadata" and set(names) <= groups
            plain = (harmless or column in _OPEN_FIELDS) and not personal & set(names)
            shown_cells = [
                _cell(column, cells[one] or "", plain=plain or one in countries)
                for one in names
                if cells[one]
            ]
            read = " ".join(shown_cells) or ("(empty)" if names else "(constant)")
            message = wrong.get(line, {}).get(column)
            made = _cell(column, after[line][column] or "", plain=plain) or "(empty)"
            became = f"error: {message}" if message else made
            yield f"    {column:<{width}}  {read:<30}  ->  {became}"


def _first(name: str, options: SourceOptions) -> RecordBatch:
    with open_source(name, 0, options) as source:
        for batch in source.batches():
            if batch.frame.height:
                return RecordBatch(0, batch.frame.head(RECORDS), list(batch.lines)[:RECORDS])
    raise AssertionError  # init has seen records in it


def _target(choice: Choice) -> str:
    """The column that a choice makes."""
    return choice.key[1] if choice.key[0] == "fields" else PREFIX + choice.key[1]


def _cell(field: str, value: str, *, plain: bool) -> str:
    if not value:
        return ""
    if plain:
        return shown(value, 24)
    if field == "email":
        return mask_email(value)
    if field == "phone":
        return mask_phone(value)
    return mask_text(value)
