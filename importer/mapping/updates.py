"""Which fields of a customer follow the source after it was created, and who wins. Pure.

``[update]`` of a mapping file and ``--update`` say the same: a policy for each field, and for
metadata one for each key. What nobody named is never updated.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal

from importer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

Policy = Literal["never", "source", "if_untouched"]
"""never: the field is left alone; source: the source wins, always; if_untouched: only where nobody
changed it at Moment since importer wrote it."""
POLICIES: tuple[Policy, ...] = ("never", "source", "if_untouched")
FIELDS = ("name", "email", "phone", "currency", "balance", "metadata")
KEY = "metadata."
"""Before the name of one metadata key, which outranks ``metadata``."""
Updates = tuple[tuple[str, Policy], ...]
"""(field, policy), each field once, in the order of ``FIELDS``; metadata keys last, by name."""
_SIGNS = ",="


def parse_updates(text: str) -> Updates:
    """What ``--update name=source,metadata.tier=if_untouched`` says; "" says nothing.

    Raises:
        UsageError: a field or a policy is not known, or a field is named twice.
    """
    found: dict[str, str] = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        field, equals, policy = (part.strip() for part in one.partition("="))
        if not equals:
            raise UsageError(f"--update {one!r} names no policy", hint=f"{one}=source")
        if field in found:
            raise UsageError(f"--update names {field} twice", hint="keep one of them")
        found[field] = policy
    try:
        return updates_of(found)
    except ValueError as error:
        raise UsageError(f"--update: {error}", hint="see docs/mapping.md") from None


def updates_of(named: dict[str, str]) -> Updates:
    """Policies by field, checked and in order.

    Raises:
        ValueError: a field or a policy is not known; the sentence names the nearest.
    """
    from importer.rows.api_limits import MAX_METADATA_KEY  # noqa: PLC0415 - rows load polars

    for field, policy in named.items():
        if field not in FIELDS and not field.startswith(KEY):
            raise ValueError(f"{field!r} cannot be updated; {_nearest(field, FIELDS)}")
        key = field.removeprefix(KEY)
        if field.startswith(KEY) and not 0 < len(key) <= MAX_METADATA_KEY:
            raise ValueError(f"{field!r} names no metadata key of 1 to {MAX_METADATA_KEY} signs")
        if any(sign in field for sign in _SIGNS):
            raise ValueError(f"{field!r} holds a comma or an equals sign; only metadata covers it")
        if policy not in POLICIES:
            raise ValueError(f"{field} = {policy!r} is no policy; {_nearest(policy, POLICIES)}")
    known: dict[str, Policy] = {policy: policy for policy in POLICIES}
    return tuple((field, known[named[field]]) for field in sorted(named, key=_place))


def updates_text(updates: Updates) -> str:
    """As ``--update`` takes it; the same updates give the same text."""
    return ",".join(f"{field}={policy}" for field, policy in updates)


def _place(field: str) -> tuple[int, str]:
    return (FIELDS.index(field), "") if field in FIELDS else (len(FIELDS), field)


def _nearest(given: str, known: Iterable[str]) -> str:
    listed = list(known)
    near = difflib.get_close_matches(given, listed, n=1)
    return f"did you mean {near[0]}?" if near else f"give one of {', '.join(listed)}"
