"""The API key: checked before anything else, never shown."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_VARIABLE = "MOMENT_API_KEY"
KEY_FILE_VARIABLE = "MOMENT_API_KEY_FILE"
_SHAPE = re.compile(r"[!-~]{8,512}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A secret key; its repr never shows it."""

    secret: str = field(repr=False)
    mode: str
    """``test`` or ``live``."""
    warning: str = ""


def read_api_key(environment: Mapping[str, str]) -> ApiKey:
    """The key from ``MOMENT_API_KEY``, else from the file that ``MOMENT_API_KEY_FILE`` names.

    Raises:
        UsageError: no key, or one that cannot do this job; the message never shows it.
    """
    warning = ""
    secret = environment.get(KEY_VARIABLE, "").strip()
    where = KEY_VARIABLE
    if not secret and (path := environment.get(KEY_FILE_VARIABLE, "")):
        where = KEY_FILE_VARIABLE
        secret, warning = _from_file(Path(path))
    if not secret:
        raise UsageError(
            "no API key",
            hint=f"set {KEY_VARIABLE}, or {KEY_FILE_VARIABLE} to a file that holds it",
        )
    return ApiKey(secret, _mode(secret, where), warning)


def _from_file(path: Path) -> tuple[str, str]:
    try:
        text = path.read_text(encoding="utf-8").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"{KEY_FILE_VARIABLE}: {path} cannot be read: {reason}") from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        return text, f"{path} can be read by other users; chmod 600 it"
    return text, ""


def _mode(secret: str, where: str) -> str:
    if not _SHAPE.fullmatch(secret):
        raise UsageError(
            f"{where} does not hold an API key",
            hint="one line of visible ASCII that starts with sk_test_ (or sk_ for live)",
        )
    if secret.startswith("pk_"):
        raise UsageError(
            f"{where} holds a public key (pk_...), which cannot create customers",
            hint="use the secret key of the same account: sk_test_... or sk_...",
        )
    if secret.startswith("sk_test_"):
        return "test"
    if secret.startswith("sk_"):
        return "live"
    raise UsageError(
        f"{where} does not hold a Moment secret key", hint="those start with sk_test_ or sk_"
    )


def mode_of(environment: Mapping[str, str], *, live: bool) -> str:
    """The mode that a run would have: the key's if one is set, else ``--live`` or test.

    Raises:
        UsageError: a key is set, and it is none.
    """
    if environment.get(KEY_VARIABLE, "").strip() or environment.get(KEY_FILE_VARIABLE):
        return read_api_key(environment).mode
    return "live" if live else "test"
