"""One suite for every kind of ledger: a test that takes ``place`` runs on each of them."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from importer.ledger.address import LedgerAddress

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.samples import Place
    from tests.postgres_server import PostgresServer

_schemas = count(1)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a test's ledgers are: each name is one that nobody has made yet."""
    if request.param == "sqlite":
        return lambda name="ledger": LedgerAddress.parse(tmp_path / f"{name}.db")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    made: dict[str, LedgerAddress] = {}

    def in_database(name: str = "ledger") -> LedgerAddress:
        if name not in made:
            made[name] = LedgerAddress.parse(server.url(schema=f"placed_{next(_schemas)}"))
        return made[name]

    return in_database
