"""Proposes which records are no customers, and what else goes along as metadata. Pure."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from importer.mapping.proposing.facts import FEW, NEARLY_ALL
from importer.mapping.proposing.headers import INACTIVE, fold
from importer.mapping.proposing.proposal import Choice, counted
from importer.mapping.toml_text import entry as entry_line
from importer.rows.api_limits import MAX_METADATA_KEY
from importer.rows.header_fields import PREFIX
from importer.rows.text import shown

if TYPE_CHECKING:
    from importer.mapping.proposing.facts import ColumnFacts
    from importer.mapping.proposing.parts import Parts


_LISTED = 5
MAX_KEYS = 10
"""Metadata keys that Moment takes."""
_LEFT_OUT = {
    "personal_id": "personal data that Moment does not need; nothing takes it along by default",
    "address": "Moment has no field for it",
    "date": "a date; Moment has no field for it",
    "status": "tells which customers are live; see [rows]",
    "country": "used for phone numbers, or not at all",
}


def propose_rows(parts: Parts, reference: str) -> Choice | None:
    """Totals lines and repeated headers are left out; who left is kept, with a hint.

    Args:
        parts: the columns.
        reference: the column of the reference, "" where it is open.
    """
    entry: dict[str, Any] = {}
    reasons: list[str] = []
    totals = parts.facts.totals
    if totals:
        entry["skip_totals"] = True
        lines = ", ".join(str(line) for line, _, _ in totals)
        reasons.append(f"line {lines} is a totals line, no customer")
    repeated = parts.facts.repeated
    if repeated:
        column = reference or parts.facts.columns[0].name
        entry["drop"] = {column: column}
        lines = ", ".join(str(line) for line in repeated[:_LISTED])
        reasons.append(f"line {lines} repeats the header, as where files were joined")
    instead: list[str] = []
    warnings: list[str] = []
    status = parts.best("status")
    if status is not None and status.top:
        left = [(value, count) for value, count in status.top if fold(value) in INACTIVE]
        live = [value for value, _ in status.top if fold(value) not in INACTIVE]
        if left and live:
            number = sum(count for _, count in left)
            named = ", ".join(shown(value) for value, _ in left)
            warnings.append(
                f"{shown(status.name)} is {named} in {counted(number, 'record')}: imported too,"
                " unless you keep only the others"
            )
            instead.append(entry_line("keep", {status.name: live}))
    if not entry and not instead:
        return None
    reason = "; ".join(reasons) or "every record is a customer"
    return Choice(("rows",), entry, "high", reason, tuple(warnings), tuple(instead))


def propose_metadata(parts: Parts, used: set[str]) -> tuple[list[Choice], list[tuple[str, str]]]:
    """(groups and types as metadata, the columns that are left out and why).

    Only columns with few different values go along: what is different for each customer may be
    personal, and nothing personal is sent unasked.
    """
    choices: list[Choice] = []
    left_out: list[tuple[str, str]] = []
    role_of = {one.name: role for role, listed in parts.by_role.items() for _, one in listed}
    for column in parts.facts.columns:
        if column.name in used:
            continue
        role = role_of.get(column.name)
        key = column.name.removeprefix(PREFIX)
        taken = {one.key[1] for one in choices}
        named = key not in {"", column.name, *taken} and len(key) <= MAX_METADATA_KEY
        if named and len(choices) < MAX_KEYS:
            reason = "its name says so"
            choices.append(Choice(("metadata", key), {"column": column.name}, "high", reason))
        elif role == "kind" and 0 < len(column.top) <= FEW and len(choices) < MAX_KEYS:
            choices.append(_metadata(column, taken))
        else:
            others = {one.name for one in parts.all(role)} & used if role else set()
            left_out.append((column.name, _why(column, role, taken=bool(others))))
    return choices, left_out


def _metadata(column: ColumnFacts, taken: set[str]) -> Choice:
    word = re.sub(r"[^a-z0-9]+", "_", fold_words(column.name)).strip("_") or "group"
    tried = (f"{word[: MAX_METADATA_KEY - 4]}_{number}" for number in range(2, MAX_KEYS + 2))
    keys = itertools.chain((word[:MAX_METADATA_KEY],), tried)
    key = next(one for one in keys if one not in taken)
    reason = f"one of {len(column.top)} groups, nothing personal"
    return Choice(("metadata", key), {"column": column.name}, "medium", reason)


def fold_words(name: str) -> str:
    """A name in lower case as a metadata key: ``Customer Group`` is ``customer_group``."""
    return "_".join(fold(part) for part in re.split(r"[\W_]+", name) if part)


def _why(column: ColumnFacts, role: str | None, *, taken: bool) -> str:
    if not column.filled:
        return "empty"
    if role in _LEFT_OUT:
        return _LEFT_OUT[role]
    if role is not None and taken:
        return f"another column is used as {role.replace('_', ' ')}"
    if column.share("date") > NEARLY_ALL:
        return _LEFT_OUT["date"]
    return "its name says nothing that Moment has a field for"
