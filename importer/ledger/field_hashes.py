"""64 bits of every field of a row, so that versions can be told apart field by field.

The ledger's fingerprint says that a row has changed; these say in which fields, and whether Moment
holds what was written last (docs/syncing.md). One function makes them of a payload and of a
customer as Moment answers it. Pure, and frozen: what was stored is compared for years.

Ledgers from before had 16 bits of each field, which still tell what has changed.
"""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from importer.rows.payload import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from importer.delivery.protocol.states import Hashes

FIELDS = ("name", "email", "phone", "currency", "balance", "metadata")
"""What is told apart, as ``differs`` names it; of metadata each key."""
METADATA = "metadata."
"""What the name of a metadata key's field begins with."""
WIDTH = 8
"""Bytes of each field. 64 bits miss a change once in 2**64. Equal values of two customers look
different, but who has the ledger has its salt, and can test guesses (docs/privacy.md)."""
_PLAIN = FIELDS[:-1]
_CODES = {name: number for number, name in enumerate(_PLAIN, start=1)}
_NAMES = dict(enumerate(_PLAIN, start=1))
_NAMED = 0
REMEMBERED = 4096
"""Payloads whose hashes are known until their answers come."""
_ORDERED = tuple(sorted(_PLAIN))
_BEFORE = sum(name < METADATA for name in _ORDERED)
"""How many of them stand before those of metadata."""
_Values = tuple[list[Any], dict[str, Any]]
"""(values of ``_ORDERED``, metadata): what hashes are made of."""
_TEXT, _JSON = "t", "j"
"""What marks a value."""
_TEXTS = frozenset({str, int, type(None)})
"""Types of a payload's values. What is hashed of them is their digits or characters, and two are
equal only if they are the same to the last bit, which ``True == 1`` is not."""


def hashes_of(reference: str, document: Mapping[str, Any], salt: bytes) -> Hashes:
    """The hashes of a payload, or of a customer as Moment answered it.

    BLAKE2b (RFC 7693), keyed by the ledger's salt, over the reference, the field and the value. A
    field that is absent, null or empty has none. A whole number is its decimal digits; anything
    else that is no text (a truth, a float, a list) is its JSON, marked, so that it equals no text.
    """
    values = _values(document)
    return _hashed(reference, values, salt, is_plain=_is_plain(values))


class FieldHasher:
    """``hashes_of`` with one salt; a customer that shows what was sent costs no second time.

    Between a payload and the answer to it few others come, so few are remembered.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._last: dict[str, tuple[_Values, Hashes]] = {}

    def __call__(self, reference: str, document: Mapping[str, Any]) -> Hashes:
        """The hashes of a payload, or of a customer as Moment answered it."""
        values = _values(document)
        is_plain = _is_plain(values)
        known = self._last.pop(reference, None)
        if known is not None and is_plain and known[0] == values:
            return known[1]
        found = _hashed(reference, values, self._salt, is_plain=is_plain)
        if len(self._last) >= REMEMBERED:
            self._last.clear()
        if is_plain:
            self._last[reference] = values, found
        return found


def _values(document: Mapping[str, Any]) -> _Values:
    metadata = document.get("metadata")
    return [*map(document.get, _ORDERED)], metadata if isinstance(metadata, dict) else {}


def _is_plain(values: _Values) -> bool:
    plain, metadata = values
    return _TEXTS.issuperset(map(type, plain)) and _TEXTS.issuperset(map(type, metadata.values()))


def _hashed(reference: str, values: _Values, salt: bytes, *, is_plain: bool) -> Hashes:
    plain, metadata = values
    keys = sorted(metadata)
    held = [*plain[:_BEFORE], *map(metadata.get, keys), *plain[_BEFORE:]]
    own = _keyed(salt).copy()
    own.update(b"%b\0" % _bytes(reference))
    names, begins = _fields(*keys)
    if not is_plain:
        begins, held = [f"{name}\0" for name in names], [*map(_said, held)]
    found = []
    # Written out, as it is done for each row; ``map`` would take longer for so few.
    for name, begin, value in zip(names, begins, held):  # noqa: B905 - it would cost as much as a field
        if value or value == 0:
            hashed = own.copy()
            hashed.update(f"{begin}{value}".encode("utf-8", "surrogatepass"))
            found.append((name, hashed.digest()))
    return tuple(found)


@lru_cache(maxsize=256)
def _fields(*keys: str) -> tuple[Sequence[str], Sequence[str]]:
    """Of a customer with these keys in its metadata, as those of one file have them.

    Returns:
        The names of its fields in their order, and what stands before a text in each.
    """
    names = [*_ORDERED[:_BEFORE], *(METADATA + key for key in keys), *_ORDERED[_BEFORE:]]
    return names, [f"{name}\0{_TEXT}" for name in names]


@lru_cache(maxsize=8)
def _keyed(salt: bytes) -> blake2b:
    return blake2b(digest_size=WIDTH, key=salt)


def _said(value: Any) -> str:
    """Any value, marked; "" for nothing."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return _TEXT + value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{_TEXT}{value:d}"
    return _JSON + _as_json(value)


def _as_json(value: Any) -> str:
    """Of values that are no payload's: others may have written anything into metadata."""
    try:
        return canonical(value) if isinstance(value, dict) else json.dumps(value)
    except TypeError:
        return json.dumps(value, sort_keys=True)  # an object with more in it than ours ever have
    except RecursionError:
        return "nested too deep to be written"  # equals nothing of ours


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=REMEMBERED)
def packed(pairs: Hashes) -> bytes:
    """The pairs as bytes, in their order; asked as a row is sent, and again as it is done."""
    return b"".join([_beginning(name) + value for name, value in pairs])


@lru_cache(maxsize=256)
def _beginning(name: str) -> bytes:
    """What stands before the hash of a field."""
    if name in _CODES:
        return b"%c" % _CODES[name]
    text = _bytes(name)
    return b"%c%b%b" % (_NAMED, len(text).to_bytes(2, "big"), text)


def unpacked(text: bytes) -> Hashes:
    """The inverse of ``packed``.

    Raises:
        ValueError: these bytes were not made by ``packed``.
    """
    found, at = [], 0
    while at < len(text):
        code = text[at]
        at += 1
        if code == _NAMED:
            size = int.from_bytes(text[at : at + 2], "big")
            name = text[at + 2 : at + 2 + size].decode("utf-8", "surrogatepass")
            at += 2 + size
        else:
            name = _NAMES.get(code, "")
        value = text[at : at + WIDTH]
        at += WIDTH
        if len(value) < WIDTH or not name:
            raise ValueError("these are no field hashes")
        found.append((name, value))
    return tuple(found)


def fields_that_differ(one: Hashes, other: Hashes) -> tuple[str, ...]:
    """Names of ``FIELDS`` in which two versions of one row differ, in that order."""
    return _in_order({name for name, _ in {*one} ^ {*other}})


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    known = {"metadata" if name.startswith(METADATA) else name for name in names}
    return tuple(name for name in FIELDS if name in known)


# Ledgers from before ----------------------------------------------------------------------------

SHORT_WIDTH = 2


def short_hashes_of(payload: str, salt: bytes) -> bytes:
    """``SHORT_WIDTH`` bytes for each of ``FIELDS``, in that order; zeros for an absent field."""
    row = json.loads(payload)
    own = b"%b%b\0" % (salt, row["external_reference"].encode())
    parts = []
    for name in FIELDS:
        value = row.get(name)
        if value is None:
            parts.append(bytes(SHORT_WIDTH))
        else:
            text = canonical(value) if isinstance(value, dict) else str(value)
            parts.append(blake2b(own + text.encode(), digest_size=SHORT_WIDTH).digest())
    return b"".join(parts)


def short_fields_that_differ(one: bytes, other: bytes) -> tuple[str, ...]:
    """As ``fields_that_differ``; misses a change once in 65,536."""
    return tuple(
        name
        for at, name in enumerate(FIELDS)
        if one[at * SHORT_WIDTH : (at + 1) * SHORT_WIDTH]
        != other[at * SHORT_WIDTH : (at + 1) * SHORT_WIDTH]
    )
