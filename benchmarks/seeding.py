"""Makes a ledger in which every row of a file is settled, through the ledger's own interface.

``python -m benchmarks.seeding FILE LEDGER BASE_URL``. What a million POSTs would have written, but
for the attempts: each row is judged as a run judges it, and its ``Done`` is applied.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.peers.payload import KEY
from importer.delivery.protocol.states import NEW, Done, Origin, Transition
from importer.ledger.account import Account
from importer.ledger.opening import open_ledger
from importer.rows.header_fields import map_columns
from importer.rows.judged import judge_batch, parts_of
from importer.source.opened import open_source
from importer.source.source_options import SourceOptions

RUN = "20260101T000000Z-seeded"


def seed(file: Path, path: Path, base_url: str) -> int:
    """Settle every row of the file; how many those are."""
    account = Account(base_url, "test", "default")
    now = time.time()
    settled = 0
    with open_ledger(path, account) as ledger:
        ledger.begin_run(
            RUN,
            started_at=now,
            command="run",
            version="0",
            key_digest=ledger.key_digest(KEY),
            sources=[str(file)],
        )
        with open_source(str(file), 0, SourceOptions(), None) as source:
            columns = map_columns(source.layout, strict=False)
            for batch in source.batches():
                for part in parts_of(batch):
                    valid = judge_batch(part, columns).valid
                    rows = valid.select("reference", "fingerprint").iter_rows()
                    changes = [
                        Transition(reference, NEW, _done(number, fingerprint), 201)
                        for number, (reference, fingerprint) in enumerate(rows, settled)
                    ]
                    ledger.apply(changes, [], run_id=RUN, now=now)
                    settled += len(changes)
        ledger.end_run(RUN, ended_at=now, exit_code=0, counts={"created": settled})
    return settled


def _done(number: int, fingerprint: bytes) -> Done:
    return Done(0, fingerprint, f"bcus_{number:021d}", Origin.CREATED)


if __name__ == "__main__":
    seed(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
