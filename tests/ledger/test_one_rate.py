"""The bucket of one rate in a real database: the SQL says what the pure function says."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from importer.ledger.postgres.postgres_connection import PostgresDatabase, open_postgres
from importer.ledger.postgres.rate_table import NOW, RateTable, lease_sql, new_sql
from importer.ledger.rate_bucket import Ask, Grant, lease, new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.ledger.address import LedgerAddress

ROW = ("https://api.example", "digest")
PRECISE = 1e-5
"""Seconds; a double holds the time of day to a fraction of a microsecond."""


@pytest.fixture
def databases(postgres_address: LedgerAddress) -> Iterator[list[PostgresDatabase]]:
    """Six connections to one ledger."""
    found = [open_postgres(postgres_address, create=True) for _ in range(6)]
    yield found
    for one in found:
        one.close()


def test_the_sql_is_the_pure_function(databases: list[PostgresDatabase]) -> None:
    """Random asks of three workers on a clock that jumps: the same grants, and the same row."""
    database, rng, now = databases[0], random.Random(1), 1_700_000_000.0
    bucket = new(now)
    assert database.read(new_sql("?::float8"), (*ROW, now)) == [(1,)]
    for _ in range(400):
        now += rng.choice([0, 0.001, 0.1, 1, 4, 1000, -0.5, -3600])
        name = rng.choice("abc")
        ask = Ask(
            rng.choice([0, 1, 5, 1000]),
            rng.choice([None, 0.5, 10, 333.3]),
            rng.choice([0, 0, 0, 2.5, -1]),
            rng.choice([None, None, 7.25, 100.1]),
        )
        bucket, wanted = lease(bucket, name, ask, now)
        told = (name, name, ask.rate, ask.found, ask.blocked_for, ask.slots)
        [got] = database.read(lease_sql("?::float8"), (*ROW, now, *told))
        assert got == pytest.approx(tuple(wanted), abs=PRECISE)
    columns = "next_at, seen_at, blocked_until, found, found_at, workers"
    [(*times, workers)] = database.read(f"SELECT {columns} FROM rate")  # noqa: S608
    assert times == pytest.approx(list(bucket[:5]), abs=PRECISE)
    assert workers == {
        name: [pytest.approx(one.at, abs=PRECISE), one.rate, one.found]
        for name, one in bucket.workers.items()
    }
    assert NOW in lease_sql()


def _leased(table: RateTable, rate: float, leases: int) -> list[Grant]:
    return [table.lease(Ask(20, rate)) for _ in range(leases)]


def test_clients_at_once_never_get_a_slot_twice(databases: list[PostgresDatabase]) -> None:
    """Six connections that ask as fast as they can: by the database's clock, one slot in 1/R."""
    rate = 5000.0
    tables = [RateTable(one, "https://api.example", "sk_test_1") for one in databases]
    with ThreadPoolExecutor(len(tables)) as threads:
        rounds = threads.map(lambda table: _leased(table, rate, 60), tables)
    grants = [grant for one in rounds for grant in one]
    slots = sorted(
        grant.at + grant.start_in + number / rate
        for grant in grants
        for number in range(grant.slots)
    )
    assert min(later - one for one, later in pairwise(slots)) > 0.98 / rate
    assert all(grant.start_in >= 0 for grant in grants)
    assert max(grant.workers for grant in grants) == len(tables)
    assert all(one.slots for one in grants)


def test_each_key_and_each_api_has_a_bucket_of_its_own(databases: list[PostgresDatabase]) -> None:
    """What one key is told holds every worker with that key, and nobody else; no key is stored."""
    first, second, *_ = databases
    RateTable(first, "https://api.example", "sk_test_1").lease(Ask(1, 10.0, blocked_for=60.0))
    same = RateTable(second, "https://api.example", "sk_test_1").lease(Ask(1, 10.0))
    assert 59 < same.blocked_for <= 60
    assert same.start_in >= 59
    for base_url, key in (("https://api.example", "sk_test_2"), ("https://b.example", "sk_test_1")):
        assert RateTable(second, base_url, key).lease(Ask(1, 10.0)).blocked_for == 0
    stored = first.read("SELECT rate::text FROM rate")
    assert len(stored) == 3
    assert not any("sk_test" in text for (text,) in stored)
