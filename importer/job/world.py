"""What the job takes from the world. Swapped in simulations."""

from __future__ import annotations

import secrets
import sqlite3
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from importer.delivery.around import Around, open_network
from importer.shard import WHOLE, Shard
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@value
class World(Around):
    """The real world by default."""

    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    stdin: BinaryIO | None = None

    def standard_input(self) -> BinaryIO | None:
        """Where ``-`` reads from; None where the process has no standard input."""
        if self.stdin is None and sys.stdin is not None:
            return sys.stdin.buffer
        return self.stdin


def real_world(bundle: Path | None) -> World:
    """The real one, in which the authorities of ``--ca-bundle`` are trusted."""
    return World(network=partial(open_network, bundle=bundle))


def new_run_id(now: float, shard: Shard = WHOLE) -> str:
    """A run id that sorts by time: ``20261122T233704Z-1f3a9c``, of a shard with ``-2of8`` after it.

    Shards of one run begin in one second and may have one OUT: no two of them have one id.
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    share = "" if shard.is_whole else f"-{shard.index}of{shard.of}"
    return f"{stamp}-{secrets.token_hex(3)}{share}"


def iso(now: float) -> str:
    """A time in ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
