"""The bucket that all workers of one API key share: one row, one statement for each lease.

What the statement computes is ``rate_bucket.lease``, word for word; a test compares the two. It
runs in the database so that a worker that stalls never holds the row's lock.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from importer.ledger.rate_bucket import ACTIVE, EMPTY, REMEMBERED, ROUND, Grant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from importer.ledger.rate_bucket import Ask

    class Reads(Protocol):
        """What the table needs of a database."""

        def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            """The rows of one statement that is committed by itself; tried again if need be."""
            ...


RATE_STEP = (
    # Not logged: no fsync on the way of a lease. After a crash of the database the row is made anew
    # and starts empty; its waits and limits are told again by whoever knows them.
    """
    CREATE UNLOGGED TABLE rate (
        base_url TEXT NOT NULL,
        key_digest TEXT NOT NULL,
        next_at DOUBLE PRECISION NOT NULL,
        seen_at DOUBLE PRECISION NOT NULL,
        blocked_until DOUBLE PRECISION NOT NULL,
        found DOUBLE PRECISION,
        found_at DOUBLE PRECISION NOT NULL DEFAULT 0,
        workers JSONB NOT NULL DEFAULT '{}',
        PRIMARY KEY (base_url, key_digest)
    ) WITH (fillfactor = 20)
    """,
)
"""A step of the schema. ``workers`` is {name: [at, rate, found]}, as ``rate_bucket.Worker``."""

NOW = "extract(epoch FROM clock_timestamp())"
"""Seconds since the epoch by the database, at the moment of its evaluation."""


def new_sql(now: str = NOW) -> str:
    """Makes the row where there is none. Parameters: base URL, key digest."""
    return f"""
        INSERT INTO rate (base_url, key_digest, next_at, seen_at, blocked_until)
        SELECT ?, ?, now + {EMPTY}, now, now FROM (SELECT ({now})::float8 AS now) AS timed
        ON CONFLICT DO NOTHING
        RETURNING 1
    """  # noqa: S608 - made of constants


def lease_sql(now: str = NOW) -> str:
    """Leases; no row where there is no bucket.

    Parameters: base URL, key digest, (those of ``now``,) name, name, rate, found, blocked_for,
    slots. The row is locked before the clock is read, so that its times never run backwards
    because somebody waited for the lock.
    """
    return f"""
        WITH held AS MATERIALIZED (
            SELECT * FROM rate WHERE base_url = ? AND key_digest = ? FOR UPDATE
        ), timed AS MATERIALIZED (
            SELECT held.*, ({now})::float8 AS now FROM held
        ), moved AS (
            SELECT timed.*, greatest(0, seen_at - now) AS back FROM timed
        ), active AS (
            SELECT key AS name, (value->>0)::float8 - back AS at,
                (value->>1)::float8 AS rate, (value->>2)::float8 AS found
            FROM moved, jsonb_each(workers)
            WHERE (value->>0)::float8 - back > now - {ACTIVE} AND key <> ?::text
            UNION ALL
            SELECT ?::text, now, ?::float8, ?::float8 FROM moved
        ), together AS (
            SELECT min(rate) AS rate, sum(found) AS found, count(*) AS workers,
                jsonb_object_agg(name, jsonb_build_array(at, rate, found)) AS known
            FROM active
        ), blocked AS (
            SELECT base_url, key_digest, now, next_at - back AS next_at, known, workers.rate,
                workers.workers,
                greatest(blocked_until - back, now + greatest(0, ?::float8)) AS until,
                CASE WHEN workers.found IS NOT NULL THEN workers.found
                    WHEN found_at - back > now - {REMEMBERED} THEN moved.found END AS found,
                CASE WHEN workers.found IS NOT NULL THEN now ELSE found_at - back END AS found_at
            FROM moved, together AS workers
        ), given AS (
            SELECT blocked.*, greatest(next_at, until) AS start_at,
                CASE WHEN rate IS NULL THEN 0 ELSE
                    least(?::float8, greatest(1, floor(rate * {ROUND} / workers))) END AS count
            FROM blocked
        )
        UPDATE rate SET
            next_at = start_at + coalesce(count / given.rate, 0), seen_at = now,
            blocked_until = until, found = given.found, found_at = given.found_at, workers = known
        FROM given
        WHERE rate.base_url = given.base_url AND rate.key_digest = given.key_digest
        RETURNING now, given.rate, count, start_at - now, until - now, given.found, given.workers
    """  # noqa: S608 - made of constants


class RateTable:
    """One worker's view of the bucket."""

    def __init__(self, database: Reads, base_url: str, key: str) -> None:
        """The row is told apart by the address and the API key: the API's limit belongs to it.

        Args:
            database: used by nobody else.
            base_url: normalised.
            key: the API key; only a digest that is keyed with the ledger's salt is stored.
        """
        self._database = database
        [[salt]] = database.read("SELECT value FROM salt")
        digest = hashlib.blake2b(key.encode(), key=bytes(salt), digest_size=16, person=b"rate")
        self._row = (base_url, digest.hexdigest())
        self._name = secrets.token_hex(8)

    def lease(self, ask: Ask) -> Grant:
        """As ``RateLedger.lease``."""
        told = (self._name, self._name, ask.rate, ask.found, ask.blocked_for, ask.slots)
        while True:
            rows = self._database.read(lease_sql(), (*self._row, *told))
            if rows:
                at, rate, slots, *others = rows[0]
                return Grant(at, rate, int(slots), *others)
            self._database.read(new_sql(), self._row)
