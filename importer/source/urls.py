"""Which sources are URLs, and how messages show them. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def is_url(name: str) -> bool:
    """Whether a source is a URL and no path."""
    return _URL.match(name) is not None


def shown_source(name: str) -> str:
    """A source without what may be secret: user and password, query and fragment of a URL."""
    if not is_url(name):
        return name
    scheme, _, rest = name.partition("://")
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    return f"{scheme.lower()}://{host.rpartition('@')[2]}{slash}{path}"


def host_of(name: str) -> str:
    """The host of a URL, lower case, without its port; "" where it has none."""
    try:
        return urlsplit(name).hostname or ""
    except ValueError:
        return ""
