"""Which values a setting takes, beyond the type of its option; the same wherever it was given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from importer.cli.options import delimiter_of
from importer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.rows import OnDuplicate

LOG_FORMATS = ("auto", "console", "json")
_SECRET = re.compile(r"(?i)\b[sp]k_|://[^/]*@")


def duplicate_policy(text: str) -> OnDuplicate:
    """What ``--on-duplicate`` names.

    Raises:
        UsageError: it names nothing that is known.
    """
    from importer.rows import OnDuplicate  # noqa: PLC0415 - most commands have no rows

    try:
        return OnDuplicate(text)
    except ValueError:
        raise UsageError(
            f"--on-duplicate {text!r} is not known", hint="error, first or last"
        ) from None


def log_format(text: str) -> str:
    """What ``--log-format`` names.

    Raises:
        UsageError: it names nothing that is known.
    """
    if text not in LOG_FORMATS:
        raise UsageError(f"--log-format {text!r} is not known", hint="auto, console or json")
    return text


def judge(name: str, value: Any) -> None:
    """Make sure that a setting can have this value, which its option has converted.

    Raises:
        UsageError: it cannot.
    """
    rule = _RULES.get(name)
    if rule is not None and value is not None:
        rule(value)


def in_words(value: Any) -> str:
    """A value for a message; one that may hold a key or a password is left out."""
    return "a value that may be secret" if _SECRET.search(str(value)) else repr(value)


def _base_url(text: str) -> object:
    from importer.ledger.base_url import check_base_url  # noqa: PLC0415 - only runs send

    return check_base_url(text)


def _encoding(text: str) -> object:
    from importer.source.text.encodings import label_of  # noqa: PLC0415 - most are "auto"

    return label_of(text)


def _max_errors(text: str) -> object:
    from importer.job.limit import parse_limit  # noqa: PLC0415 - most runs take the default

    return parse_limit(text)


_RULES: dict[str, Callable[[str], object]] = {
    "base_url": _base_url,
    "delimiter": delimiter_of,
    "encoding": _encoding,
    "log_format": log_format,
    "max_errors": _max_errors,
    "on_duplicate": duplicate_policy,
}
