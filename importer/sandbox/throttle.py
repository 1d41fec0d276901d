"""What a 429 looks like; Moment documents none of its headers, so they are settings."""

from __future__ import annotations

from email.utils import formatdate
from math import ceil
from typing import TYPE_CHECKING

from importer.sandbox.reply import problem

if TYPE_CHECKING:
    from importer.sandbox.core import Core
    from importer.sandbox.reply import Reply


def throttled(core: Core, wait: float) -> Reply:
    """Build the 429 for a caller that should wait that many seconds."""
    seconds = max(1, ceil(wait))
    headers: list[tuple[bytes, bytes]] = []
    if core.config.retry_after == "seconds":
        headers.append((b"retry-after", str(seconds).encode()))
    elif core.config.retry_after == "http-date":
        # Rounded up: an HTTP-date has whole seconds and must not name a time too early.
        date = formatdate(ceil(core.clock.wall()) + seconds, usegmt=True)
        headers.append((b"retry-after", date.encode()))
    if core.config.ratelimit_headers:
        # draft-ietf-httpapi-ratelimit-headers: quota and window, what is left and for how long.
        quota = core.config.bucket_size
        window = max(1, ceil(quota / (core.config.rate or 1)))
        headers.append((b"ratelimit-policy", f'"default";q={quota};w={window}'.encode()))
        headers.append((b"ratelimit", f'"default";r=0;t={seconds}'.encode()))
    return problem(
        429,
        "too-many-requests",
        "Too many requests",
        "Slow down and retry with exponential backoff.",
        instance=core.next_instance(),
        headers=tuple(headers),
    )
