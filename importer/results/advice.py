"""Says what a group of errors is, and what would fix all of it at once. Pure.

The fix is an entry of the mapping file where there is one (a value map, a transform to switch
on), else a sentence. Nothing is proposed that would change a value's meaning unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.results.settings_toml import Setting, quoted
from importer.rows.codes import CODES
from importer.rows.currencies import is_known, is_withdrawn, meant, minor_units
from importer.rows.mistakes import Mistake
from importer.rows.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.results.groups import Cause

CORRECT = "correct the cells in errors.csv and feed it back"


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong with a group, in words, and its fix."""

    text: str
    fix: str
    """A sentence without the settings."""
    settings: tuple[Setting, ...] = ()


_WORDS = {
    "reference_missing": "is empty",
    "reference_charset": "holds other characters than a-z, A-Z, 0-9, _ and -",
    "reference_too_long": "has more than 255 characters",
    "name_too_long": "has more than 255 characters",
    "email_syntax": "is no e-mail address",
    "email_too_long": "is longer than an address may be",
    "phone_not_e164": "is not in E.164 format",
    "currency_unknown": "is not an active ISO 4217 code",
    "currency_missing": "is empty where there is a balance",
    "balance_not_integer": "is not a whole number of the smallest currency unit",
    "balance_too_long": "has more digits than can be sent",
    "metadata_not_object": "does not hold one JSON object",
    "metadata_too_many_keys": "has more than 10 filled keys",
    "metadata_key_too_long": "has a key of more than 40 characters",
    "metadata_key_twice": "gives a key twice",
    "metadata_value_not_text": "holds a value that is no text",
    "metadata_value_too_long": "holds a value of more than 500 characters",
    "not_unicode": "holds half of a surrogate pair, which is no character",
    "not_integer": "is not a whole number",
    "phone_invalid": "is not one phone number and nothing else",
    "amount_unreadable": "is no amount in the number format of the column",
    "amount_without_currency": "needs a currency with minor units in the same row",
    "amount_decimals": "has more decimals than the currency",
    "amount_other_currency": "names another currency than the row",
    "amount_other_side": "has a sign that contradicts its debit or credit column",
}
"""What a column does wrong; a code that is not here is told by its meaning."""
_RECORDS = {
    "too_few_fields": "the record has fewer cells than the header",
    "too_many_fields": "the record has more cells than the header",
    "stray_quote": "a quote stands where none may stand",
    "unclosed_quote": "a quote is opened and not closed properly",
    "not_utf8": "a cell holds a byte that is not UTF-8",
    "nul_byte": "a cell holds a NUL byte",
    "field_too_long": "a cell is longer than can be read",
    "record_too_long": "the record is longer than can be read",
    "bare_carriage_return": "a carriage return stands in a cell without quotes",
    "duplicate_conflict": "rows with the same external_reference have different data",
    "reference_collision": "the mapping makes one external_reference of different cells",
}
_FIXES = {
    "reference_missing": (
        "fill it in, name a fallback (columns = [...] in [fields.external_reference]),"
        " or skip lines that are totals (skip_totals = true in [rows])"
    ),
    "reference_too_long": "choose a shorter column as reference",
    "name_too_long": "shorten it; check that the right column is the name",
    "email_syntax": "correct or empty these cells: a customer needs no e-mail",
    "email_too_long": "correct or empty these cells: a customer needs no e-mail",
    "balance_too_long": "check whether two cells ran together",
    "metadata_not_object": "map each key from a column of its own, as [metadata.KEY]",
    "metadata_too_many_keys": "keep the ten that matter most: leave out [metadata.KEY] sections",
    "metadata_key_too_long": "shorten the key",
    "metadata_key_twice": "give the key once, in metadata or in its own column",
    "metadata_value_not_text": "write each value in double quotes",
    "metadata_value_too_long": "shorten it, or leave this key out",
    "too_few_fields": "check the delimiter, and line breaks in cells without quotes",
    "too_many_fields": "check the delimiter: a cell that holds it must be in double quotes",
    "stray_quote": "double each quote within a quoted cell, or export with another delimiter",
    "unclosed_quote": "close the quote; a cell with quotes must be in double quotes",
    "duplicate_conflict": (
        "check that the right column is the reference; else --on-duplicate first or last"
    ),
    "reference_collision": "choose a reference column that stays unique",
    "amount_unreadable": "correct the cells; check number_format in [fields.balance]",
    "amount_without_currency": 'map the currency, or give a default = "..." in [fields.currency]',
    "amount_decimals": "correct the cells; check number_format in [fields.balance]",
    "amount_other_currency": "correct the amount or the currency",
    "amount_other_side": "write the amount without a sign, in the column of its side",
    "phone_invalid": 'correct them, or leave the numbers out: on_invalid = "drop"',
}
_NEEDS_REGION = {Mistake.NATIONAL, Mistake.DOUBLE_ZERO, Mistake.PUNCTUATION, Mistake.NO_PLUS}
_MAY_BE_MAJOR = {Mistake.GROUPED, Mistake.BRACKETS, Mistake.MINUS, Mistake.NOT_ONLY_DIGITS}


def advice_on(cause: Cause) -> Advice:
    """What to tell about a group with this cause."""
    if cause.outcome == "rejected":
        return _refused(cause)
    if cause.outcome == "unsettled":
        return Advice(
            f"not settled: {_plain(cause.code)}", "the same command again goes on with these rows"
        )
    special = _SPECIAL.get(cause.code)
    return special(cause) if special else _with(cause, _FIXES.get(cause.code, CORRECT))


def _with(cause: Cause, fix: str, *settings: Setting) -> Advice:
    return Advice(_what(cause), fix, settings)


def _what(cause: Cause) -> str:
    code = cause.code
    more = cause.detail
    if code.startswith("metadata") and cause.detail:
        more = f"key {shown(cause.detail)}"
    if code in _WORDS and cause.column:
        text = f"{shown_column(cause.column)} {_WORDS[code]}"
    else:
        place = f"{shown_column(cause.column)}: " if cause.column else ""
        meaning = _RECORDS.get(code) or CODES.get(code, "").removesuffix(".") or _plain(code)
        text = place + meaning
    return f"{text}: {more}" if more else text


def shown_column(name: str) -> str:
    """A column as it is named in a sentence: in quotes where it is no plain word."""
    plain = name.replace("_", "").replace(".", "").replace("-", "")
    return name if plain.isascii() and plain.isalnum() else shown(name)


def _currency(cause: Cause) -> Advice:
    value = cause.detail
    column = shown_column(cause.column or "currency")
    if not value:
        text = f"{column} holds a text that is not an active ISO 4217 code"
        fix = "check that it is the currency column; else map each text: values = { ... }"
        return Advice(text, fix)
    text = f"{column} {shown(value)} is not an active ISO 4217 code"
    code = meant(value)
    if minor_units(code) is None:
        # Metals and no currency at all are codes too, but nobody's customer owes them.
        return Advice(text, f"map it to its code: values = {{ {quoted(value)} = ... }}")
    if is_withdrawn(value):
        text += f"; it was withdrawn, {code} replaced it at another value"
        return Advice(text, f"convert the amounts, then write {code}")
    note = "" if is_known(value) else f"a guess: does {value} mean {code}?"
    setting = Setting("fields.currency", "values", f"{quoted(value)} = {quoted(code)}", note)
    if value.upper() == code:
        return Advice(f"{text}; codes are in capitals: {code}", "", (setting,))
    return Advice(f"{text}; did you mean {code}?", "", (setting,))


def _currency_missing(cause: Cause) -> Advice:
    note = "if this is the currency of these balances"
    return _with(cause, "", Setting("fields.currency", "default", '"ZAR"', note))


def _reference(cause: Cause) -> Advice:
    fix = "escape them, reversibly; check that the right column is the reference"
    return _with(cause, fix, Setting("fields.external_reference", "sanitise", '"escape"'))


def _encoding(cause: Cause) -> Advice:
    note = "or what the export was written in"
    return _with(cause, "", Setting("source", "encoding", '"windows-1252"', note))


def _phone(cause: Cause) -> Advice:
    if cause.detail in _NEEDS_REGION:
        note = "the country of the numbers without a country code"
        return _with(cause, "", Setting("fields.phone", "region", '"ZA"', note))
    if cause.detail == Mistake.SHORTENED:
        return _with(cause, "export again with phone numbers as text: these digits are lost")
    return _with(cause, "correct or empty these cells: a customer needs no phone number")


def _balance(cause: Cause) -> Advice:
    # It holds for the whole column, so it would also change what is right already.
    unit = Setting("fields.balance", "unit", '"major"', "then 12 means 12.00 in every row")
    if cause.detail == Mistake.DECIMALS:
        return _with(cause, "", unit)
    if cause.detail in _MAY_BE_MAJOR:
        return _with(cause, "", unit, Setting("fields.balance", "number_format", '"auto"'))
    if cause.detail == Mistake.SHORTENED:
        return _with(cause, "export again with all digits: these are lost")
    return _with(cause, CORRECT)


_SPECIAL: dict[str, Callable[[Cause], Advice]] = {
    "balance_not_integer": _balance,
    "currency_missing": _currency_missing,
    "currency_unknown": _currency,
    "not_utf8": _encoding,
    "phone_not_e164": _phone,
    "reference_charset": _reference,
}


def _refused(cause: Cause) -> Advice:
    status = f" (HTTP {cause.http_status})" if cause.http_status else ""
    about = f", about {cause.column}" if cause.column else ""
    return Advice(
        f"Moment refused the row{status}: {_plain(cause.code)}{about}",
        "read Moment's words in errors.csv, correct the rows and feed it back",
    )


def _plain(code: str) -> str:
    return code.replace("_", " ")
