"""A process killed in the middle of its batches: what it reported is there, and none is torn."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from importer.ledger.opening import open_ledger
from importer.ledger.sqlite.lock import RunLock
from tests.ledger.samples import ACCOUNT, raw

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 40
WRITER = """
import sys
from itertools import count
from pathlib import Path
from importer.ledger.opening import open_ledger
from importer.ledger.sqlite.lock import RunLock
from tests.ledger.samples import ACCOUNT, attempt, done, sent
path, name = Path(sys.argv[1]), sys.argv[2]
with RunLock(path), open_ledger(path, ACCOUNT) as ledger:
    for batch in count():
        references = [f"{name}-{batch}-{row}" for row in range(int(sys.argv[3]))]
        ledger.apply([sent(one) for one in references], [], run_id=name, now=1.0)
        print("sent", batch, flush=True)
        notes = [attempt(one) for one in references]
        ledger.apply([done(one) for one in references], notes, run_id=name, now=2.0)
        print("done", batch, flush=True)
"""


def killed_after(path: Path, name: str, lines: int) -> set[tuple[str, str]]:
    """Run a writer, kill it after so many reports; every (state, batch) that it reported."""
    command = [sys.executable, "-c", WRITER, str(path), name, str(SIZE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = [process.stdout.readline() for _ in range(lines)]
        finally:
            process.kill()
        told += process.stdout.readlines()
    reports = [line.split() for line in told if line.endswith("\n")]
    assert len(reports) >= lines
    return {(state, batch) for state, batch in reports}


@pytest.mark.slow
def test_reported_batches_survive_and_none_is_torn(tmp_path: Path) -> None:
    """Three kills on one ledger, each at a random moment."""
    path = tmp_path / "ledger.db"
    chance = random.Random(7)
    for name in ("first", "second", "third"):
        reported = killed_after(path, name, chance.randint(20, 120))
        with RunLock(path), open_ledger(path, ACCOUNT) as ledger:
            assert ledger._db.read("PRAGMA integrity_check") == [("ok",)]
            assert ledger._db.read("PRAGMA foreign_key_check") == []
            held = Counter(
                (ref.split("-")[1], type(state).__name__.lower())
                for ref, state in ledger.iter_states()
                if ref.startswith(name)
            )
            attempts = ledger._db.read("SELECT COUNT(*) FROM attempt WHERE event = 'unknown'")
            assert set(held.values()) == {SIZE}
            batches = [batch for batch, _ in held]
            assert len(batches) == len(set(batches))
            for state, batch in reported:
                assert held[batch, "done"] or (state == "sent" and held[batch, "sent"])
            settled = ledger.totals()["done"]
            assert attempts == [(settled,)]
    assert raw(path).execute("SELECT COUNT(*) FROM run").fetchone() == (3,)
