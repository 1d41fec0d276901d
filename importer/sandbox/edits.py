"""Edits by hand: a customer of a running sandbox, changed as somebody at Moment would change it."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

import httpx

from importer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

EDITABLE = ("name", "email", "phone", "currency", "balance", "metadata.KEY")
_PATH = "/_sandbox/edit"


def fields_of(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Fields as a person types them: "" takes away, a balance is a number, ``metadata.KEY``."""
    fields: dict[str, Any] = {}
    for name, text in pairs:
        value: Any = text or None
        if name == "balance" and re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
            value = int(text)
        if name.startswith("metadata."):
            fields.setdefault("metadata", {})[name.removeprefix("metadata.")] = value
        else:
            fields[name] = value
    return fields


def edit(url: str, customer: str, changes: Iterable[str], *, account: str = "") -> dict[str, Any]:
    """Change a customer of the sandbox at ``url``; returns it as it is now.

    Args:
        url: the sandbox's base URL, on this machine.
        customer: its reference or id.
        changes: each ``FIELD=VALUE``; an empty value takes the field away.
        account: whose customer, where several accounts have one of that name.

    Raises:
        UsageError: no sandbox is there, it has no such customer, or it refuses the change.
    """
    pairs = []
    for one in changes:
        name, equals, text = one.partition("=")
        if not equals or not (name in EDITABLE or name.startswith("metadata.")):
            raise UsageError(
                f"{name!r} is no change", hint=f"FIELD=VALUE, with a field of {', '.join(EDITABLE)}"
            )
        pairs.append((name, text))
    if not _is_here(url):
        raise UsageError(
            "only a sandbox on this machine can be edited",
            hint="--url http://127.0.0.1:8787, as the sandbox says when it starts",
        )
    body = {"customer": customer, "account": account, "fields": fields_of(pairs)}
    try:
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(url.rstrip("/") + _PATH, json=body)
        said = answer.json()
    except httpx.TransportError:
        raise UsageError(
            f"no sandbox answers at {url}", hint="start it: importer sandbox"
        ) from None
    except ValueError:
        said = None
    if not isinstance(said, dict) or answer.headers.get("x-sandbox") != "edit":
        raise UsageError(f"what answers at {url} is no sandbox of this version")
    if answer.is_success:
        return said
    raise UsageError(f"not changed: {_why(said)}", hint=_HINTS.get(answer.status_code, ""))


_HINTS = {
    404: "the page of the sandbox shows the latest customers",
    409: "--account test/default, for example; the page of the sandbox shows the accounts",
}


def _why(said: dict[str, Any]) -> str:
    errors = said.get("errors", [])
    broken = "; ".join(f"{one['pointer'].lstrip('/')} {one['detail']}".strip() for one in errors)
    return broken or str(said.get("error") or said.get("detail") or "refused")


def _is_here(url: str) -> bool:
    try:
        parts = httpx.URL(url)
        return parts.scheme == "http" and (
            parts.host == "localhost" or ipaddress.ip_address(parts.host).is_loopback
        )
    except (httpx.InvalidURL, ValueError):
        return False
