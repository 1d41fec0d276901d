"""Says what a group of errors is, and what would fix all of it at once. Pure.

The fix is an entry of the mapping file where there is one (a value map, a transform to switch
on), else a sentence. Nothing is proposed that would change a value's meaning unseen.

Settings of a mapping file as TOML to paste: sections, keys, values, a word on each. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.mapping.toml_text import noted, quoted
from importer.rows.codes import CORRECT, REGISTRY
from importer.rows.currencies import is_known, is_withdrawn, meant, minor_units
from importer.rows.mistakes import Mistake
from importer.rows.text import shown
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from importer.results.groups import Cause


MOST_INLINE = 4
"""Pairs of a value map that stand on one line; more get a table of their own."""
VALUES = "values"


@value
class Setting:
    """One entry of a mapping file."""

    section: str
    """For example ``fields.currency``."""
    key: str
    value: str
    """As ``toml_text`` writes it; for ``values`` one pair, without the braces."""
    note: str = ""
    """A comment: what to check before it is taken over."""

    def __str__(self) -> str:
        """The entry on one line, without its note."""
        return f"{self.key} = {{ {self.value} }}" if self.key == VALUES else _entry(self)


def as_toml(settings: Iterable[Setting]) -> str:
    """The settings by section, each once, in the order in which they come; "" for none."""
    sections: dict[str, list[Setting]] = {}
    for one in dict.fromkeys(settings):
        kept = sections.setdefault(one.section, [])
        # Two notes on one key, or two values for it: the more frequent error came first.
        if one.key == VALUES or all(one.key != other.key for other in kept):
            kept.append(one)
    return "\n".join(line for name, kept in sections.items() for line in _section(name, kept))


def _section(name: str, settings: list[Setting]) -> list[str]:
    pairs = [one for one in settings if one.key == VALUES]
    plain = [noted(_entry(one), one.note) for one in settings if one.key != VALUES]
    notes = "; ".join(dict.fromkeys(one.note for one in pairs if one.note))
    if len(pairs) > MOST_INLINE:
        table = [noted(one.value, one.note) for one in pairs]
        return [*([f"[{name}]", *plain] if plain else []), f"[{name}.{VALUES}]", *table]
    if pairs:
        inside = ", ".join(one.value for one in pairs)
        plain.append(noted(f"{VALUES} = {{ {inside} }}", notes))
    return [f"[{name}]", *plain]


def _entry(setting: Setting) -> str:
    return f"{setting.key} = {setting.value}"


LOOK_UP = "look_up_"
"""What the code of a failed look-up begins with."""
_LEFT = {"unsettled": "not settled", "conflict": "not in step", "missing": "not in step"}


@value
class Advice:
    """What is wrong with a group, in words, and its fix."""

    text: str
    fix: str
    """A sentence without the settings."""
    settings: tuple[Setting, ...] = ()


_NEEDS_REGION = {Mistake.NATIONAL, Mistake.DOUBLE_ZERO, Mistake.PUNCTUATION, Mistake.NO_PLUS}
_NOT_AS_IT_WAS: dict[str, str] = {
    Mistake.FLOAT: (
        "export the column as text or as integers: a program has written whole numbers with .0"
        " (pandas: dtype str or Int64)"
    ),
    Mistake.SHORTENED: "export again with the column as text: these digits are lost",
    Mistake.GROUPED: (
        "export the column as text, without thousands separators; only if they are part of the"
        ' reference, sanitise = "escape" in [fields.external_reference]'
    ),
}
"""Where the file was damaged before we saw it no setting gives the value back."""
_TEXT_FORMULAS = Setting("source", "text_formulas", "true", '="0042" is then 0042')
_MAY_BE_MAJOR = {Mistake.GROUPED, Mistake.BRACKETS, Mistake.MINUS, Mistake.NOT_ONLY_DIGITS}


def advice_on(cause: Cause) -> Advice:
    """What to tell about a group with this cause."""
    if cause.outcome == "rejected":
        return _refused(cause)
    if cause.outcome != "invalid":
        return _left(cause)
    if cause.detail == Mistake.WRAPPED:
        return _with(cause, "", _TEXT_FORMULAS)
    special = _SPECIAL.get(cause.code)
    return special(cause) if special else _with(cause, _fix_of(cause))


def _fix_of(cause: Cause) -> str:
    known = REGISTRY.get(cause.code)
    return known.fix if known else CORRECT


def _with(cause: Cause, fix: str, *settings: Setting) -> Advice:
    return Advice(_what(cause), fix, settings)


def _what(cause: Cause) -> str:
    more = cause.detail
    if cause.code.startswith("metadata") and cause.detail:
        more = f"key {shown(cause.detail)}"
    known = REGISTRY.get(cause.code)
    if known is None:
        place = f"{shown_column(cause.column)}: " if cause.column else ""
        text = place + _plain(cause.code)
    elif known.of_column:
        text = f"{shown_column(cause.column) if cause.column else 'a cell'} {known.words}"
    else:
        # A record that cannot be framed has no column at fault, a cell that is too long has one.
        text = known.words
        if cause.column and text.startswith("a cell"):
            text = text.replace("a cell", shown_column(cause.column), 1)
        elif cause.column:
            text = f"{shown_column(cause.column)}: {text}"
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
        return Advice(text, _fix_of(cause))
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
    if cause.detail == Mistake.MARKED:
        setting = Setting("fields.external_reference", "sanitise", '"apostrophe"')
        return _with(cause, "the apostrophe is no part of the reference, it seems", setting)
    if cause.detail in _NOT_AS_IT_WAS:
        # Escaped it would be valid, and another customer's than the one that was meant.
        return _with(cause, _NOT_AS_IT_WAS[cause.detail])
    return _with(
        cause, _fix_of(cause), Setting("fields.external_reference", "sanitise", '"escape"')
    )


def _encoding(cause: Cause) -> Advice:
    note = "only if all of the file is in it: letters that are right now would change"
    return _with(cause, "", Setting("source", "encoding", '"windows-1252"', note))


def _phone(cause: Cause) -> Advice:
    if cause.detail in _NEEDS_REGION:
        note = "the country of the numbers without a country code"
        return _with(cause, "", Setting("fields.phone", "region", '"ZA"', note))
    if cause.detail in _NOT_AS_IT_WAS:
        return _with(cause, _NOT_AS_IT_WAS[cause.detail])
    return _with(cause, _fix_of(cause))


def _balance(cause: Cause) -> Advice:
    # It holds for the whole column, so it would also change what is right already.
    unit = Setting("fields.balance", "unit", '"major"', "then 12 means 12.00 in every row")
    if cause.detail == Mistake.DECIMALS:
        return _with(cause, "", unit)
    if cause.detail in _MAY_BE_MAJOR:
        return _with(cause, "", unit, Setting("fields.balance", "number_format", '"auto"'))
    if cause.detail == Mistake.FLOAT:
        fix = (
            "where these are whole cents, export the column as integers; where they are whole rand,"
            f" write {unit} in [{unit.section}]"
        )
        return _with(cause, fix)
    if cause.detail in _NOT_AS_IT_WAS:
        return _with(cause, _NOT_AS_IT_WAS[cause.detail])
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


def _left(cause: Cause) -> Advice:
    """Rows that are not settled, or not in step."""
    known = REGISTRY.get(cause.code.removeprefix(LOOK_UP))
    words = known.words if known else _plain(cause.code)
    if known and cause.code.startswith(LOOK_UP):
        words = f"at the look-up {words}"
    fix = known.fix if known else "the same command again goes on with these rows"
    return Advice(f"{_LEFT.get(cause.outcome, cause.outcome)}: {words}", fix)


_OF_THE_NETWORK = {
    "connect_error": "no connection came about",
    "connect_timeout": "no connection came about in time",
    "read_error": "the connection broke before the answer was there",
    "read_timeout": "no answer came in time",
    "write_error": "the connection broke while the request was sent",
    "write_timeout": "the request could not be sent in time",
    "remote_protocol_error": "the answer broke off, or is no HTTP",
}
"""What the HTTP library calls a failure of the way."""


def _plain(code: str) -> str:
    if code.startswith("http_"):
        return f"the answer was HTTP {code.removeprefix('http_')}, without a word of Moment's"
    return _OF_THE_NETWORK.get(code, code.replace("_", " "))
