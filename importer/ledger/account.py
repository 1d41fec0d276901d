"""Whose customers these are: one merchant account at one API, in test or live mode."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from importer.errors import UsageError

MODES = ("test", "live")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Account:
    """Rows of different accounts never mix; a rotated API key changes nothing.

    Raises:
        UsageError: no http(s) URL, an unknown mode, or a name that is empty or not printable.
    """

    base_url: str
    """Normalised: lower-case scheme and host, no default port, no trailing slash."""
    mode: str
    """The kind of API key: ``test`` or ``live``."""
    name: str = "default"
    """Tells merchants apart whose URL and mode are the same (``--account``)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", normalised(self.base_url))
        if self.mode not in MODES:
            raise UsageError(f"the key mode {self.mode!r} is not known", hint="test or live")
        if not self.name.strip() or not self.name.isprintable():
            raise UsageError(
                "the account name is empty or holds characters that cannot be printed",
                hint="--account takes any short name, for example the merchant's",
            )

    @property
    def label(self) -> str:
        """The account in words, for people."""
        return f"{self.base_url}, {self.mode} mode, account {self.name}"


def normalised(base_url: str) -> str:
    """One spelling for one API (RFC 3986 section 6.2.2 and 6.2.3).

    Raises:
        UsageError: it is no http(s) URL, or holds more than scheme, host, port and path.
    """
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port
    except ValueError:
        raise UsageError("the base URL is not a URL") from None
    host = parts.hostname
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise UsageError("the base URL is not an http(s) URL")
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError("the base URL may hold a scheme, a host, a port and a path only")
    host = f"[{host}]" if ":" in host else host
    shown = "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{host}{shown}{parts.path.rstrip('/')}"
