"""Turns what the customer model refuses into all problems of a row, in the user's words. Pure.

Says what is wrong with one value: every rule it breaks, the value masked, the fix. Pure.

Each function takes the value of one field and returns its findings, () where all is well. Only
the reference and the currency are shown; name, e-mail, phone and metadata values are masked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from importer.rows import api_limits as rules
from importer.rows.api_limits import MAX_METADATA_KEYS
from importer.rows.balance import NOT_INTEGER
from importer.rows.codes import CODES
from importer.rows.currencies import ACTIVE, currency_hint
from importer.rows.customer import VALIDATOR
from importer.rows.header_fields import METADATA, PREFIX
from importer.rows.mistakes import Mistake, number_damage, reference_damage, shown_currency
from importer.rows.row import Problem
from importer.rows.text import (
    TRIMMED,
    character_name,
    mask_email,
    mask_phone,
    mask_text,
    shown,
    wrong_characters,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from importer.rows.header_fields import ColumnMap


PHONE_EXAMPLE = "+27820000001"

_REFERENCE_CHARACTER = re.compile("[a-zA-Z0-9_-]")
_PHONE = re.compile(r"\+[1-9][0-9]{1,14}\Z")
_PUNCTUATION = re.compile(r"[\s().\-/\u2010-\u2015\u2212" + TRIMMED + "]")
_ATEXT = re.compile(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]")
_LABEL = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\Z")
_MAX_LABEL = 63
_FEWEST_LABELS = 2
_MOST_PHONE_DIGITS = 15
_EMAIL_EXAMPLE = "write one address, for example name@example.com"


class Finding(NamedTuple):
    """One broken rule of one value."""

    code: str
    message: str
    hint: str = ""
    detail: str = ""
    """As in ``Problem``."""


def explain_reference(value: str) -> Iterator[Finding]:
    """Characters and length; the positions of wrong characters count from 1."""
    if not value:
        yield reference_missing()
        return
    wrong = wrong_characters(value, _REFERENCE_CHARACTER.match)
    if wrong:
        yield Finding(
            "reference_charset",
            f"holds characters that are not allowed: {shown(value)}",
            f"only a-z, A-Z, 0-9, _ and - are; here is {wrong}",
            reference_damage(value) or "",
        )
    yield from _too_long("reference_too_long", value, rules.MAX_REFERENCE, shown)


def reference_missing() -> Finding:
    """The finding for a row without a reference."""
    return Finding(
        "reference_missing", "is missing", "every row needs your own unique id of the customer"
    )


def explain_name(value: str) -> Iterator[Finding]:
    """Length."""
    yield from _too_long("name_too_long", value, rules.MAX_NAME, mask_text)


def explain_email(value: str) -> Iterator[Finding]:
    """Syntax (RFC 5321 section 4.1.2, restricted) and lengths."""
    fault = _email_fault(value)
    if fault:
        mistake, hint = fault
        yield Finding("email_syntax", f"is no e-mail address: {mask_email(value)}", hint, mistake)
    yield from _too_long("email_too_long", value, rules.MAX_EMAIL, mask_email)
    local = value.partition("@")[0]
    if "@" in value and len(local) > rules.MAX_EMAIL_LOCAL:
        yield Finding(
            "email_too_long",
            f"has {len(local)} characters before the @, {rules.MAX_EMAIL_LOCAL} are allowed:"
            f" {mask_email(value)}",
            "check the address",
        )


def explain_phone(value: str) -> Iterator[Finding]:
    """E.164: ``+``, a country code that does not start with 0, at most 15 digits in all."""
    if not _PHONE.match(value):
        message = f"is not in E.164 format: {mask_phone(value)}"
        mistake, hint = _phone_fault(value)
        yield Finding("phone_not_e164", message, hint, mistake)


def explain_currency(value: str) -> Iterator[Finding]:
    """ISO 4217, active codes, in capitals."""
    if value not in ACTIVE:
        message = f"is not an active ISO 4217 code: {shown(value)}"
        yield Finding("currency_unknown", message, currency_hint(value), shown_currency(value))


def explain_metadata_value(value: object) -> Iterator[Finding]:
    """A text of at most 500 characters."""
    if not isinstance(value, str):
        hint = "leave the key out" if value is None else "write the value in double quotes"
        if isinstance(value, dict | list):
            hint = "give each value a key of its own"
        yield Finding("metadata_value_not_text", f"is {kind_of(value)} instead of a text", hint)
    elif is_unicode(value):
        limit = rules.MAX_METADATA_VALUE
        yield from _too_long("metadata_value_too_long", value, limit, mask_text)
    else:
        yield not_unicode()


def explain_metadata_key(key: str) -> Iterator[Finding]:
    """At most 40 characters."""
    if is_unicode(key):
        limit = rules.MAX_METADATA_KEY
        yield from _too_long("metadata_key_too_long", key, limit, shown, what="the key ")
    else:
        yield not_unicode()


def too_many_keys(count: int) -> Finding:
    """The finding for metadata of ``count`` keys."""
    return Finding(
        "metadata_too_many_keys",
        f"the row fills {count} metadata keys, {rules.MAX_METADATA_KEYS} are allowed",
        "keep the ten that matter most",
    )


def not_unicode() -> Finding:
    """The finding for a text with a lone surrogate."""
    return Finding(
        "not_unicode",
        "holds half of a surrogate pair, which is no character",
        "export the file again as UTF-8",
    )


def is_unicode(value: str) -> bool:
    """Whether every character can be written in UTF-8."""
    return value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value)


def kind_of(value: object) -> str:
    """The JSON type of a value in words."""
    if isinstance(value, bool):
        return "true or false"
    if value is None:
        return "null"
    kinds = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    return kinds.get(type(value), "no JSON value")


TEXT_FIELDS: dict[str, Callable[[str], Iterator[Finding]]] = {
    "external_reference": explain_reference,
    "name": explain_name,
    "email": explain_email,
    "phone": explain_phone,
    "currency": explain_currency,
}


def _too_long(
    code: str, value: str, limit: int, as_shown: Callable[[str], str], *, what: str = ""
) -> Iterator[Finding]:
    if len(value) > limit:
        message = f"{what}has {len(value)} characters, {limit} are allowed: {as_shown(value)}"
        yield Finding(code, message, "shorten it")


def _email_fault(value: str) -> tuple[Mistake, str] | None:  # noqa: PLR0911 - one return per rule
    if value.startswith('="') and number_damage(value):
        return Mistake.WRAPPED, _DAMAGED[Mistake.WRAPPED]
    if value.count("@") != 1:
        several = "@" in value
        if several and re.search(r"[,;\s]", value):
            return Mistake.SEVERAL_ADDRESSES, "one address only; a customer has one e-mail"
        mistake = Mistake.SEVERAL_AT if several else Mistake.NO_AT
        return mistake, f"an address has exactly one @; {_EMAIL_EXAMPLE}"
    if "<" in value or ">" in value:
        return Mistake.ANGLE_BRACKETS, "write the address without name and angle brackets"
    local, _, domain = value.partition("@")
    if local.startswith('"'):
        return Mistake.QUOTED, "a part in quotes before the @ is not taken"
    if domain.startswith("["):
        return Mistake.LITERAL, "an address literal in brackets is not taken"
    wrong = _wrong_in_email(local, _ATEXT, 0) or _wrong_in_email(
        domain, re.compile(r"[a-zA-Z0-9.-]"), len(local) + 1
    )
    if wrong:
        return Mistake.CHARACTER, wrong
    if not all(local.split(".")):
        hint = "the part before the @ is empty, or has a dot at an end or two in a row"
        return Mistake.DOTS, hint
    return _domain_fault(domain)


def _wrong_in_email(part: str, allowed: re.Pattern[str], offset: int) -> str:
    # Only the first wrong character is named: more would give the address away.
    for place, one in enumerate(part, offset + 1):
        if not allowed.match(one):
            kind = "the letter" if one.isalpha() else character_name(one)
            if one.isalpha():
                return f"the letter at position {place} is none of a-z; only ASCII is taken"
            return f"{kind} at position {place} is not allowed"
    return ""


def _domain_fault(domain: str) -> tuple[Mistake, str] | None:
    labels = domain.split(".")
    if not all(labels):
        hint = "the part after the @ is empty, or has a dot at an end or two in a row"
        return Mistake.DOTS, hint
    if len(labels) < _FEWEST_LABELS:
        return Mistake.NO_DOT, f"the part after the @ has no dot; {_EMAIL_EXAMPLE}"
    if any(len(label) > _MAX_LABEL for label in labels):
        hint = f"no part between the dots may have more than {_MAX_LABEL} characters"
        return Mistake.LONG_LABEL, hint
    if not all(_LABEL.match(label) for label in labels):
        return Mistake.HYPHEN, "no part after the @ may start or end with a hyphen"
    return None


_DAMAGED = {
    Mistake.WRAPPED: 'leave out the ="", which is for a spreadsheet',
    Mistake.SHORTENED: "a spreadsheet has shortened this number",
    Mistake.FLOAT: "a program has put .0 behind this number",
}


def _phone_fault(value: str) -> tuple[Mistake, str]:
    example = f"write it in E.164, for example {PHONE_EXAMPLE}"
    damage = number_damage(value)
    if damage is not None:
        return damage, f"{_DAMAGED[damage]}; {example}"
    foreign = next((one for one in value if one.isdigit() and not one.isascii()), "")
    if foreign:
        return Mistake.FOREIGN_DIGITS, f"use the digits 0 to 9; {example}"
    plain = _PUNCTUATION.sub("", value)
    if re.fullmatch(r"\+?[0-9]+", plain):
        return _digits_fault(plain, example, punctuated=plain != value)
    invisible = next((one for one in value if not one.isprintable()), "")
    if invisible:
        hint = f"remove the invisible character {character_name(invisible)}; {example}"
        return Mistake.INVISIBLE, hint
    return Mistake.NO_NUMBER, example


def _digits_fault(plain: str, example: str, *, punctuated: bool) -> tuple[Mistake, str]:
    digits = plain.lstrip("+")
    if digits.startswith("00"):
        return Mistake.DOUBLE_ZERO, f"a number starts with + in place of 00; {example}"
    if digits.startswith("0"):
        hint = f"a national number needs its country code in place of the 0; {example}"
        return Mistake.NATIONAL, hint
    if len(digits) > _MOST_PHONE_DIGITS:
        hint = f"{len(digits)} digits are too many, E.164 has at most {_MOST_PHONE_DIGITS}"
        return Mistake.TOO_MANY_DIGITS, hint
    if punctuated:
        return Mistake.PUNCTUATION, f"leave out spaces and punctuation; {example}"
    if not plain.startswith("+"):
        return Mistake.NO_PLUS, f"put + and the country code in front; {example}"
    return Mistake.TOO_FEW_DIGITS, f"the number is too short; {example}"


__all__ = ["CODES", "problems_of"]


def problems_of(
    payload: Mapping[str, Any],
    columns: ColumnMap | None = None,
    *,
    reported: frozenset[str] = frozenset(),
) -> list[Problem]:
    """Every rule of ``Customer`` that a payload breaks, not just the first of each field.

    Args:
        payload: as ``payload.build_payload`` made it, or any JSON object.
        columns: names the columns; without it, the API's names are used.
        reported: columns that have a problem already: they count as given, without a follow-up.

    Returns:
        The problems in the order of the API's fields; [] where the payload is valid.
    """
    found: list[Problem] = []
    named = {field: value for field, value in payload.items() if is_unicode(field)}
    if len(named) < len(payload):
        # The model would say no more than this about the whole payload.
        found.append(Problem("", *not_unicode()))
    try:
        VALIDATOR.validate_python(named)
    except ValidationError as error:
        refused = error.errors(include_url=False, include_context=False, include_input=False)
        for field in dict.fromkeys(str(one["loc"][0]) for one in refused if one["loc"]):
            if field not in reported:
                found += _of_field(field, named, columns)
    if "balance" in {*payload, *reported} and "currency" not in {*payload, *reported}:
        found.append(_currency_missing(columns))
    return found


def _of_field(
    field: str, payload: Mapping[str, Any], columns: ColumnMap | None
) -> Iterator[Problem]:
    if field == "external_reference" and field not in payload:
        yield Problem(field, *reference_missing())
    elif field in TEXT_FIELDS:
        yield from _of_text(field, payload[field])
    elif field == "balance":
        kind = kind_of(payload[field])
        message = f"is {kind} instead of a whole number of the smallest currency unit"
        yield Problem(field, NOT_INTEGER, message, "12.50 ZAR would be 1250")
    elif field == METADATA:
        yield from _of_metadata(payload[field], columns)
    else:
        yield Problem(shown(field), "field_unknown", "is no field of the API", "leave it out")


def _of_text(field: str, value: object) -> Iterator[Problem]:
    if not isinstance(value, str):
        message = f"is {kind_of(value)} instead of a text"
        yield Problem(field, "wrong_type", message, "leave the field out, or write a text")
    elif not is_unicode(value):
        yield Problem(field, *not_unicode())
    else:
        for finding in TEXT_FIELDS[field](value):
            yield Problem(field, *finding)


def _of_metadata(value: object, columns: ColumnMap | None) -> Iterator[Problem]:
    if not isinstance(value, dict):
        message = f"is {kind_of(value)} instead of an object"
        yield Problem(METADATA, "metadata_not_object", message, "write one JSON object")
        return
    if len(value) > MAX_METADATA_KEYS:
        yield Problem(METADATA, *too_many_keys(len(value)))
    own_columns = {key for _, key in columns.metadata_keys} if columns is not None else set()
    for key, one in value.items():
        own = key in own_columns
        column = PREFIX + key if own else METADATA
        for finding in explain_metadata_key(key):
            yield Problem(column, *finding)
        for code, message, hint, _ in explain_metadata_value(one):
            where = "" if own else f"the value of {shown(key)} "
            yield Problem(column, code, where + message, hint, "" if own else key)


def _currency_missing(columns: ColumnMap | None) -> Problem:
    has_column = columns is None or "currency" in columns.names
    fill = "fill in the ISO 4217 code" if has_column else "add a column currency with the code"
    return Problem(
        "currency", "currency_missing", "a balance needs a currency", f"{fill}, for example ZAR"
    )
