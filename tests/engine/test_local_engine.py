"""The engine of one process, where its rate belongs to several."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest

from importer.delivery.around import Around
from importer.delivery.protocol.flight import Planned, Settled
from importer.delivery.protocol.states import NEW
from importer.engine.local_engine import LocalEngine
from importer.engine.seam import EngineSettings
from importer.errors import LedgerFailed
from importer.ledger.rate_bucket import Ask, Grant
from tests.delivery.fake_api import serving
from tests.delivery.test_pool import Ledger

if TYPE_CHECKING:
    from importer.ledger.rate_bucket import RateLedger

ROWS = 40


@dataclass
class Slots:
    """Grants so many slots at once, then the database is away."""

    left: int
    asks: list[Ask] = field(default_factory=list)

    def lease(self, ask: Ask) -> Grant:
        """As ``RateLedger.lease``."""
        self.asks.append(ask)
        if not self.left:
            raise LedgerFailed("the database is away")
        slots, self.left = min(ask.slots, self.left), self.left - min(ask.slots, self.left)
        return Grant(0.0, rate=1000.0, slots=slots)


def _deliver(shared: RateLedger | None, base_url: str) -> list[Settled]:
    settled: list[Settled] = []
    engine = LocalEngine(
        Ledger(),
        EngineSettings("run", base_url, rate=1000.0),
        Around(),
        api_key="sk_test_1",
        on_settled=settled.append,
        shared=shared,
    )
    body = '{"external_reference":"C-%d"}'
    rows = (Planned(n, f"C-{n}", b"f" * 32, body % n, NEW) for n in range(ROWS))
    anyio.run(engine.deliver, rows)
    return settled


def test_no_request_leaves_without_a_slot_of_all_workers() -> None:
    """When the database has been away for too long the run stops; what was sent is recorded."""
    with serving(lambda _ref, _asked: None) as api:
        with pytest.raises(LedgerFailed, match="away"):
            _deliver(Slots(7), api.url)
        assert len(api.customers) == 7
        shared = Slots(10 * ROWS)
        assert len(_deliver(shared, api.url)) == ROWS
    assert {ask.rate for ask in shared.asks} == {1000.0}


def test_alone_it_needs_none() -> None:
    """Without a rate in common the rate is the engine's own."""
    with serving(lambda _ref, _asked: None) as api:
        assert len(_deliver(None, api.url)) == ROWS
