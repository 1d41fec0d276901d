"""The API page as a document (contract.json), and validation of bodies by it with jsonschema.

Strings are Unicode (RFC 8259 section 8.2): one with a lone surrogate is no string here. A bool is
no integer; 12.0 is one (JSON Schema core, section 4.2.1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from importer.sandbox.ecma import compile_ecma
from importer.sandbox.mailbox import is_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator

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
