r"""The API page as a document (contract.json), and validation of bodies by it with jsonschema.

Strings are Unicode (RFC 8259 section 8.2): one with a lone surrogate is no string here. A bool is
no integer; 12.0 is one (JSON Schema core, section 4.2.1).

ECMA-262 regular expressions (what JSON Schema means by ``pattern``) on Python's ``re``.

Python's ``$`` also matches before a trailing newline, and its ``\d`` matches every script's
digits. ECMA-262 means the very end and 0 to 9 (sections 22.2.2.4 and 22.2.2.9).

E-mail syntax, read by hand.

RFC 5321 section 4.1.2 ``Mailbox``, restricted to an ASCII Dot-string local part of RFC 5322
``atext`` and a domain of at least two LDH labels: no quoted strings, no address literals, no
trailing dot, no DNS.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    from collections.abc import Iterator


# Escapes that mean the same in both languages under re.ASCII; others are refused, not guessed.
_SAME = frozenset("dDwWbBtnrfv0^$\\.*+?()[]{}|/-")


@lru_cache(maxsize=256)
def compile_ecma(pattern: str) -> re.Pattern[str]:
    """Compile an ECMA-262 pattern; use ``search``, as patterns are not anchored.

    Raises:
        ValueError: the pattern uses something that this translation does not cover.
    """
    out: list[str] = []
    in_class = False
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in _SAME or not escaped:
                raise ValueError(f"unsupported escape \\{escaped} in pattern {pattern}")
            out.append(f"\\{escaped}")
            continue
        if character == "[" and not in_class:
            in_class = True
        elif character == "]":
            in_class = False
        elif character == "$" and not in_class:
            character = r"\Z"  # noqa: PLW2901 - the translation
        out.append(character)
    text = "".join(out)
    if "(?" in text:
        raise ValueError(f"unsupported group in pattern {pattern}")
    return re.compile(text, re.ASCII)


ATEXT = frozenset(ascii_letters + digits + "!#$%&'*+-/=?^_`{|}~")
LET_DIG = frozenset(ascii_letters + digits)
LDH = LET_DIG | {"-"}

MAX_TOTAL = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets of a path
MAX_LOCAL = 64  # RFC 5321 section 4.5.3.1.1
MAX_LABEL = 63  # RFC 1035 section 2.3.4
MIN_LABELS = 2


def is_mailbox(text: str) -> bool:
    """Whether ``text`` is such an address."""
    if len(text) > MAX_TOTAL or text.count("@") != 1:
        return False
    local, _, domain = text.partition("@")
    return _is_dot_string(local) and _is_domain(domain)


def _is_dot_string(local: str) -> bool:
    if len(local) > MAX_LOCAL:
        return False
    return all(atom and ATEXT.issuperset(atom) for atom in local.split("."))


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return len(labels) >= MIN_LABELS and all(map(_is_label, labels))


def _is_label(label: str) -> bool:
    return (
        1 <= len(label) <= MAX_LABEL
        and LDH.issuperset(label)
        and label[0] in LET_DIG
        and label[-1] in LET_DIG
    )


CONTRACT_URI = "urn:sandbox:contract"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One rule that one field of a body broke. Holds no value."""

    pointer: str
    """JSON Pointer (RFC 6901); "" is the whole body."""
    rule: str
    """The JSON Schema keyword."""
    detail: str


@lru_cache(maxsize=1)
def load_contract() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the page."""
    text = files("importer.sandbox").joinpath("contract.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@lru_cache(maxsize=8)
def validator_for(schema: str) -> Draft202012Validator:
    """Return the validator of one of ``components.schemas``, ready for many bodies."""
    resource = DRAFT202012.create_resource(load_contract())
    registry: Registry[Any] = Registry().with_resource(CONTRACT_URI, resource)
    return ContractValidator(
        {"$ref": f"{CONTRACT_URI}#/components/schemas/{schema}"},
        registry=registry,
        format_checker=_FORMATS,
    )


def field_errors(schema: str, body: object) -> list[FieldError]:
    """Return every rule of the schema that ``body`` breaks; [] where it is valid."""
    found = {_field_error(error) for error in validator_for(schema).iter_errors(body)}
    return sorted(found, key=lambda error: (error.pointer, error.rule, error.detail))


def _is_string(_: object, instance: object) -> bool:
    if not isinstance(instance, str):
        return False
    if instance.isascii():
        return True
    try:
        instance.encode()
    except UnicodeEncodeError:
        return False
    return True


def _pattern(
    validator: Draft202012Validator, pattern: str, instance: object, _: object
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not compile_ecma(pattern).search(str(instance)):
        yield ValidationError("pattern")


def _enum(
    _: Draft202012Validator, members: list[str], instance: object, __: object
) -> Iterator[ValidationError]:
    # The contract's enums hold strings only, for which this is equality as JSON Schema means it.
    if not (isinstance(instance, str) and instance in members):
        yield ValidationError("enum")


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    checker.checks("email")(lambda value: not isinstance(value, str) or is_mailbox(value))
    return checker


_FORMATS = _formats()

ContractValidator = extend(
    Draft202012Validator,
    validators={"pattern": _pattern, "enum": _enum},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("string", _is_string),
)
"""Draft 2020-12 with ECMA-262 patterns and strings that are Unicode."""


def _field_error(error: ValidationError) -> FieldError:
    keyword = str(error.validator)
    pointer = "".join(f"/{_escape(str(part))}" for part in error.absolute_path)
    value = error.validator_value
    if keyword == "type":
        return FieldError(pointer, keyword, f"must be of type {value}")
    if keyword in _LIMITS:
        return FieldError(pointer, keyword, _LIMITS[keyword].format(value))
    if keyword == "required":
        missing = ", ".join(name for name in value if name not in error.instance)
        return FieldError(pointer, keyword, f"missing: {missing}")
    if keyword == "dependentRequired":
        return FieldError(pointer, keyword, _dependents(value, error.instance))
    return FieldError(pointer, keyword, _PLAIN.get(keyword, f"breaks the rule {keyword}"))


_LIMITS = {
    "maxLength": "must have at most {} characters",
    "maxProperties": "must have at most {} keys",
    "pattern": "must match {}",
    "format": "must be a valid {}",
}
_PLAIN = {
    "enum": "must be one of the ISO 4217 codes of the contract",
    "additionalProperties": "holds a field that this call does not know",
}


def _dependents(rules: dict[str, list[str]], instance: dict[str, object]) -> str:
    broken = (
        f"{name} needs {', '.join(needed)}"
        for name, needed in rules.items()
        if name in instance and any(other not in instance for other in needed)
    )
    return "; ".join(broken)


def _escape(part: str) -> str:
    # A lone surrogate in a key must not break the answer that reports it.
    safe = part.encode(errors="replace").decode()
    return safe.replace("~", "~0").replace("/", "~1")
