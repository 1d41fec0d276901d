"""Maps a header to the fields of the API: which column is what, and which is nothing. Pure."""

from __future__ import annotations

import difflib
from collections import Counter
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.rows.api_limits import MAX_METADATA_KEY
from importer.rows.text import shown, trim
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.source.records import Layout


FIELDS = ("external_reference", "name", "email", "phone", "currency", "balance")
"""The columns that hold one value each, named as on the API page."""
METADATA = "metadata"
PREFIX = "metadata."
COLUMNS_NAMED = 20
"""Columns that one message names."""

_KNOWN = (*FIELDS, METADATA)
_LONGEST_NEAR = 3 * max(map(len, _KNOWN))
_ALSO_CALLED = {
    # Moment's own file by SFTP, and what accounting exports usually say.
    "amount_due": "balance",
    "cellphone": "phone",
    "contact_number": "phone",
    "customer_id": "external_reference",
    "email_address": "email",
    "first_name": "name",
    "full_name": "name",
    "id": "external_reference",
    "last_name": "name",
    "mobile": "phone",
    "mobile_phone_number": "phone",
    "reference": "external_reference",
}


@value
class ColumnMap:
    """What each column of one source means. Indexes count header columns from 0."""

    source: str
    """The source as the user named it."""
    names: tuple[str, ...]
    """The header, trimmed, in header order."""
    texts: tuple[tuple[int, str], ...]
    """(index, field) of the columns of ``FIELDS`` but ``balance``, in header order."""
    reference: int
    """Index of ``external_reference``."""
    balance: int | None = None
    metadata: int | None = None
    """Index of the column that holds one JSON object."""
    metadata_keys: tuple[tuple[int, str], ...] = ()
    """(index, key) of the ``metadata.KEY`` columns, in header order."""
    ignored: tuple[str, ...] = ()
    """Columns whose name starts with ``_``: importer's own, in a fed-back errors file."""
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """One text for each of the first ``COLUMNS_NAMED`` unknown columns, and one for the rest."""

    @property
    def needed(self) -> frozenset[int]:
        """Indexes of the columns that are sent."""
        one_each = (self.balance, self.metadata)
        return frozenset(
            {
                *(index for index, _ in (*self.texts, *self.metadata_keys)),
                *(index for index in one_each if index is not None),
            }
        )

    @property
    def free_texts(self) -> tuple[int, ...]:
        """Indexes of the columns whose text no rule checks for sense."""
        names = tuple(index for index, field in self.texts if field == "name")
        return (self.reference, *names, *(index for index, _ in self.metadata_keys))


def map_columns(layout: Layout, *, strict: bool) -> ColumnMap:
    """Map the header of one source.

    Names are trimmed and then compared exactly: ``Email`` is unknown, with a hint. A field or
    metadata key that two columns claim is refused, as no row could say which one counts.

    Raises:
        SourceError: ``external_reference`` is missing, a column is there twice, a metadata key
            is empty or longer than 40 characters, or (``strict``) a column is unknown.
    """
    names = tuple(trim(name) for name in layout.columns)
    _refuse_repeats(layout.name, names)
    where = {name: index for index, name in enumerate(names)}
    if "external_reference" not in where:
        raise _no_reference(layout.name, names)
    ignored = tuple(name for name in names if name.startswith("_"))
    unknown = [
        (index, name)
        for index, name in enumerate(names)
        if name not in _KNOWN and not name.startswith((PREFIX, "_"))
    ]
    warnings = tuple(_unknown(layout.name, index, name) for index, name in unknown[:COLUMNS_NAMED])
    if more := len(unknown) - len(warnings):
        warnings += (f"{layout.name}: {more:,} more columns are unknown and are ignored",)
    if strict and warnings:
        raise SourceError(
            "; ".join(warnings),
            hint="rename or remove these columns, or leave --strict out to ignore them",
        )
    return ColumnMap(
        source=layout.name,
        names=names,
        texts=tuple(
            (index, name)
            for index, name in enumerate(names)
            if name in FIELDS and name != "balance"
        ),
        reference=where["external_reference"],
        balance=where.get("balance"),
        metadata=where.get(METADATA),
        metadata_keys=_metadata_keys(layout.name, names),
        ignored=ignored,
        unknown=tuple(name for _, name in unknown),
        warnings=warnings,
    )


def _refuse_repeats(source: str, names: tuple[str, ...]) -> None:
    claimed = Counter(name for name in names if name in _KNOWN or name.startswith(PREFIX))
    repeated = sorted(name for name, count in claimed.items() if count > 1)
    if repeated:
        raise SourceError(
            f"{source}: more than one column is called {_listed(repeated)}",
            hint="keep one of them, and rename or remove the others",
        )


def _metadata_keys(source: str, names: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    keys = tuple(
        (index, name.removeprefix(PREFIX))
        for index, name in enumerate(names)
        if name.startswith(PREFIX)
    )
    for _, key in keys:
        # Every row that fills such a column would fail, so the header is what is wrong.
        if not key:
            raise SourceError(
                f'{source}: the column "{PREFIX}" names no metadata key',
                hint=f"write the key after the dot, for example {PREFIX}customer_type",
            )
        if len(key) > MAX_METADATA_KEY:
            raise SourceError(
                f"{source}: the metadata key of column {shown(PREFIX + key, 60)} has {len(key)}"
                f" characters, {MAX_METADATA_KEY} are allowed",
                hint="shorten the column's name",
            )
    return keys


def nearest(name: str) -> str:
    """The known column that a name most likely means; "" where none is near."""
    folded = name.casefold().replace(" ", "_").replace("-", "_")
    if folded.startswith(("meta.", PREFIX)):
        return PREFIX + name.partition(".")[2]
    if folded in _ALSO_CALLED:
        return _ALSO_CALLED[folded]
    # What is three times as long as a known name cannot be near to it, and takes long to compare.
    short = len(folded) <= _LONGEST_NEAR
    near = difflib.get_close_matches(folded, _KNOWN, n=1, cutoff=0.6) if short else []
    return next(iter((*near, *(known for known in _KNOWN if known in folded.split("_")))), "")


def _unknown(source: str, index: int, name: str) -> str:
    if not name:
        return f"{source}: column {index + 1} has no name and is ignored"
    meant = nearest(name)
    hint = f"; did you mean {shown(meant)}?" if meant else ""
    return f"{source}: the column {shown(name)} is unknown and is ignored{hint}"


def _no_reference(source: str, names: tuple[str, ...]) -> SourceError:
    found = f"the columns are {_listed(names)}" if any(names) else "the header names no column"
    near = [name for name in names if nearest(name) == "external_reference"]
    if not near:
        near = difflib.get_close_matches("external_reference", names, n=1, cutoff=0.5)
    hint = (
        "importer init FILE proposes a mapping for a file with other columns; or add a column"
        " external_reference with your own unique id of each customer"
    )
    if len(names) == 1 and len(names[0].split()) > 1:
        hint = (
            f"if it is more than one column, say what delimits them with --delimiter; else {hint}"
        )
    elif near:
        hint = f"rename the column {shown(near[0])} to external_reference, if that is what it holds"
    return SourceError(f"{source}: there is no column external_reference; {found}", hint=hint)


def _listed(names: Iterable[str]) -> str:
    texts = [shown(name) for name in names]
    more = len(texts) - COLUMNS_NAMED
    return ", ".join(texts[:COLUMNS_NAMED]) + (f" and {more} more" if more > 0 else "")
