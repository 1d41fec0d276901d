"""The engine of one process, where its rate belongs to several."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Semaphore
from typing import TYPE_CHECKING

import anyio
import pytest

from importer.delivery.around import Around
from importer.delivery.pacing import shared_rate
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
    """Grants so many slots at once, then the database is away: it says so when all are used."""

    left: int
    sent: Semaphore
    """Counts the requests that came."""
    granted: int = 0
    asks: list[Ask] = field(default_factory=list)

    def lease(self, ask: Ask) -> Grant:
        """As ``RateLedger.lease``."""
        self.asks.append(ask)
        if not self.left:
            # At once it would stop the run before its last slots; a database is waited for.
            for _ in range(self.granted):
                assert self.sent.acquire(timeout=60), "a slot was not used"
            raise LedgerFailed("the database is away")
        slots = min(ask.slots, self.left)
        self.left -= slots
        self.granted += slots
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


def test_no_request_leaves_without_a_slot_of_all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database has been away for too long the run stops; what was sent is recorded."""
    # A busy machine lets slots pass; when one has passed is tested in simulated time.
    monkeypatch.setattr(shared_rate, "LATE", math.inf)
    sent = Semaphore(0)
    with serving(lambda _ref, _asked: sent.release()) as api:
        with pytest.raises(LedgerFailed, match="away"):
            _deliver(Slots(7, sent), api.url)
        assert len(api.customers) == 7
        shared = Slots(100 * ROWS, sent)
        assert len(_deliver(shared, api.url)) == ROWS
    assert {ask.rate for ask in shared.asks} == {1000.0}


def test_alone_it_needs_none() -> None:
    """Without a rate in common the rate is the engine's own."""
    with serving(lambda _ref, _asked: None) as api:
        assert len(_deliver(None, api.url)) == ROWS
