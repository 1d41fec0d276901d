"""Reads response bodies and problem documents: bytes in, plain values out. Pure.

Problem details are those of RFC 9457; Moment does not document its ``type`` URIs, so nothing
here decides by one.
"""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from importer.delivery.protocol.answers import LOGIN
from importer.errors import printable
from importer.rows.text import redact
from importer.values import pattern

if TYPE_CHECKING:
    from collections.abc import Mapping


CUSTOMER_ID = re.compile(r"bcus_[a-zA-Z0-9]+")
"""API page, response field ``id``."""
COMPARED = ("name", "email", "phone", "currency", "balance", "metadata")
MESSAGE_LIMIT = 300
CODE_LIMIT = 64

_EXISTS = pattern(
    r"already[ _-]?(exist|used|taken|in use)|exists|duplicate|(not|must be) unique|uniqueness|taken"
)
_PROBLEM = ("type", "title", "detail")
_LISTS = ("errors", "invalid-params", "invalid_params", "violations", "field_errors")
_WHERE = ("field", "path", "pointer", "name", "param", "propertyPath", "loc")
_WHAT = ("message", "detail", "reason", "msg", "description", "title")
_STRONG = pattern(r'"[\x21\x23-\x7e\x80-\xff]{1,256}"')
_NOT_CODE = pattern(r"[^a-z0-9]+")
_NO_ROW: Mapping[str, Any] = MappingProxyType({})
_CONTROL = pattern(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def json_object(body: bytes | None) -> dict[str, Any] | None:
    """The body as a JSON object, or None where it is anything else.

    Where a name stands twice nobody can say which value counts (RFC 8259 section 4), and NaN is
    no JSON: neither is believed.
    """
    if not body:
        return None
    try:
        text = body.decode()
        if text[0] != "{":
            text = text.removeprefix("\ufeff").lstrip(_SPACE)
        value, end = _scan(text, 0)
    except (ValueError, RecursionError, StopIteration):
        return None
    if end != len(text) and text[end:].strip(_SPACE):
        return None
    return value if isinstance(value, dict) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER: Any = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
"""Made once: ``json.loads`` makes one for each call."""
_scan = _DECODER.scan_once
"""(text, where to begin) -> (value, where it ends); raises StopIteration where none begins."""
_SPACE = " \t\n\r"
"""RFC 8259 section 2."""


def customer_id(customer: Mapping[str, Any], reference: str, *, echo_check: bool) -> str | None:
    """The id of a well-formed customer whose ``external_reference`` is ours, else None."""
    found = customer.get("id")
    if not echo_check:
        return None if found is None else str(found)
    is_ours = customer.get("external_reference") == reference
    return found if is_ours and isinstance(found, str) and CUSTOMER_ID.fullmatch(found) else None


def differences(payload: Mapping[str, Any], customer: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the fields that the payload gives and Moment holds differently.

    A field that the row leaves out is not compared; of metadata only the row's keys are.
    """
    return tuple(
        name
        for name in COMPARED
        if name in payload and not _same(payload[name], customer.get(name))
    )


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(theirs.get(k) == v for k, v in ours.items())
    return bool(ours == theirs) and not isinstance(theirs, bool)


def is_problem(found: Mapping[str, Any] | None, status: int) -> bool:
    """Whether a JSON object is a problem document (RFC 9457 section 3.1) to this HTTP status.

    A gateway speaks JSON, too (``{"message": "Forbidden"}``): at least one of ``type``, ``title``
    and ``detail`` must be there, as text, and a ``status`` must be the one of the answer.
    """
    if found is None or status == LOGIN:
        return False
    if isinstance(found.get("status"), int) and found["status"] != status:
        return False
    return any(isinstance(found.get(name), str) and found[name] for name in _PROBLEM)


def metadata_texts(customer: Mapping[str, Any]) -> tuple[tuple[str, str], ...] | None:
    """A customer's metadata as (key, value as JSON text), sorted; None where it is no object."""
    metadata = customer.get("metadata")
    if metadata is None:
        return ()
    if not isinstance(metadata, dict):
        return None
    try:
        return tuple((key, json.dumps(metadata[key], allow_nan=False)) for key in sorted(metadata))
    except (ValueError, RecursionError):
        # Infinite, as 1e999 is read; or nested deeper than writing can go.
        return None


def strong_etag(text: str) -> str:
    """An entity tag that If-Match can compare; "" for a weak or a malformed one.

    RFC 9110 sections 8.8.3 and 13.1.1: a weak tag never matches there.
    """
    return text.strip() if _STRONG.fullmatch(text.strip()) else ""


def problem_code(
    problem: Mapping[str, Any] | None, status: int, payload: Mapping[str, Any] = _NO_ROW
) -> str:
    """A short machine-readable code: the problem type's last segment, else its title, else status.

    Lower-case letters, digits and ``_``, at most 64 characters; the row's personal data masked, as
    a title may name who was refused.
    """
    hidden = personal_values(payload)
    if problem is not None:
        kind = problem.get("type")
        if isinstance(kind, str) and kind not in {"", "about:blank"}:
            code = _slug(redact(re.split(r"[/#:?]", kind.rstrip("/#"))[-1], hidden))
            if code:
                return code
        title = problem.get("title")
        if isinstance(title, str) and (code := _slug(redact(title, hidden))):
            return code
    return f"http_{status}"


def _slug(text: str) -> str:
    return _NOT_CODE.sub("_", text.lower()).strip("_")[:CODE_LIMIT]


def problem_message(problem: Mapping[str, Any] | None, payload: Mapping[str, Any]) -> str:
    """Title, detail and field errors on one line, personal data masked, at most 300 characters."""
    if problem is None:
        return ""
    parts = [problem[key] for key in ("title", "detail") if isinstance(problem.get(key), str)]
    parts += _field_errors(problem)
    # Values are looked for as they are, so before anything else changes the text.
    text = redact(": ".join(part for part in parts if part), personal_values(payload))
    return printable(_CONTROL.sub(" ", text))[:MESSAGE_LIMIT]


def _field_errors(problem: Mapping[str, Any]) -> list[str]:
    """What is said of single fields, in the shapes that frameworks give it; five at most.

    A list of texts or objects, or an object from a field to its texts.
    """
    found = next((problem[name] for name in _LISTS if problem.get(name)), None)
    if isinstance(found, dict):
        return [f"{field} {_joined(said)}".strip() for field, said in list(found.items())[:5]]
    return [_field_error(error) for error in found[:5]] if isinstance(found, list) else []


def _field_error(error: Any) -> str:
    if not isinstance(error, dict):
        return _joined(error)
    source = error.get("source")
    inner = source if isinstance(source, dict) else {}
    return " ".join(
        filter(None, (_first(error, _WHERE) or _first(inner, _WHERE), _first(error, _WHAT)))
    )


def _first(error: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((said for name in names if (said := _joined(error.get(name)))), "")


def _joined(said: Any) -> str:
    """A text, or the texts of a list."""
    texts = said if isinstance(said, list) else [said]
    return " ".join(text for text in texts[:5] if isinstance(text, str))


def personal_values(payload: Mapping[str, Any]) -> list[str]:
    """The row's values that must not appear in any message."""
    values = [payload[key] for key in ("name", "email", "phone") if key in payload]
    values += list(payload.get("metadata", {}).values())
    return [value for value in values if isinstance(value, str)]


def says_exists(problem: Mapping[str, Any] | None) -> bool:
    """Whether the problem's own words can mean that the reference is taken."""
    return not about_key(problem) and bool(_EXISTS.search(_words(problem)))


def about_key(problem: Mapping[str, Any] | None) -> bool:
    """Whether the problem speaks of the idempotency key, not of the row's payload."""
    return "idempoten" in _words(problem)


def _words(problem: Mapping[str, Any] | None) -> str:
    try:
        return "" if problem is None else json.dumps(problem, ensure_ascii=False).lower()
    except RecursionError:
        # Writing takes more of the stack than reading did; no words are that deep.
        return ""
