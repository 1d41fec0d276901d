"""What became of an update, for the results: field by field, values masked. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from importer.delivery.protocol.creating import STORED_OTHERWISE
from importer.delivery.protocol.states import SHARED_ID
from importer.delivery.protocol.updating import METADATA
from importer.outcomes import Outcome
from importer.plan.decide import SHARED_WORDS, conflict_words
from importer.plan.forecast import masked_fields
from importer.rows.text import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.delivery.protocol.events import SettleUpdate

DIFFERS = "changed_since"


def told(settled: SettleUpdate, payload: str) -> tuple[str, str]:
    """(error code, text) for the row of a settled update; the code is the gravest one.

    Args:
        settled: what the protocol ended with.
        payload: the row's canonical payload, for what the source wants.
    """
    settle = settled.settle
    code, parts = settle.error_code, [settle.message] if settle.message else []
    if settled.conflicts:
        why, text = conflict_words(dict(_wanted(settled.conflicts, payload)), settled.waits)
        code = code or why
        parts.append(text)
    if settled.otherwise:
        code = code or STORED_OTHERWISE
        parts.append(f"Moment stored another form of: {_listed(settled.otherwise)}")
    if settled.left:
        code = code or DIFFERS
        parts.append(f"differs from Moment and is not to be updated: {_listed(settled.left)}")
    if settle.outcome is Outcome.MISSING and not parts:
        parts.append("the customer is not in Moment any more, and is not created again by itself")
    if settle.error_code == SHARED_ID and not parts:
        parts.append(SHARED_WORDS)
    return code, "; ".join(parts)


def _wanted(fields: Iterable[str], payload: str) -> Iterable[tuple[str, str]]:
    shown = masked_fields(payload)
    metadata = json.loads(payload).get("metadata", {})
    for name in fields:
        if name.startswith(METADATA):
            given = metadata.get(name.removeprefix(METADATA))
            value = "" if given is None else mask_text(str(given))
        else:
            value = shown.get(name, "")
        yield name, f"{name}: the source wants {value}" if value else f"{name}: differs"


def _listed(fields: Iterable[str]) -> str:
    return ", ".join(fields)
