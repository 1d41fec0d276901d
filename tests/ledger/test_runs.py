"""Runs and the digest of the API key."""

from __future__ import annotations

import re

from importer.ledger import Ledger, Run, open_ledger
from tests.ledger.samples import ACCOUNT, Place, sent

KEY = "sk_test_obviously_fictional"


def begin(ledger: Ledger, run_id: str, at: float, digest: str) -> None:
    """Begin a run of two sources."""
    ledger.begin_run(
        run_id,
        started_at=at,
        command="run",
        version="0.1.0",
        key_digest=digest,
        sources=["a.csv", "b.csv"],
    )


def test_a_run_is_kept_from_beginning_to_end(place: Place) -> None:
    """The newest run comes first; one without an end was killed or still runs."""
    with open_ledger(place(), ACCOUNT) as ledger:
        begin(ledger, "r1", 10.0, "aa")
        ledger.end_run("r1", ended_at=20.0, exit_code=1, counts={"created": 3, "invalid": 1})
        begin(ledger, "r2", 30.0, "bb")
        files = ("a.csv", "b.csv")
        killed = Run("r2", 30.0, None, "run", "0.1.0", "bb", files, None, {})
        ended = Run("r1", 10.0, 20.0, "run", "0.1.0", "aa", files, 1, {"created": 3, "invalid": 1})
        assert ledger.runs() == [killed, ended]
        assert ledger.runs(limit=1) == [killed]
        assert ledger.last_key_digest() == "bb"


def test_a_write_of_a_run_that_has_not_begun_enters_it(place: Place) -> None:
    """No change is without its run, and such a run says nothing of the key."""
    with open_ledger(place(), ACCOUNT) as ledger:
        ledger.apply([sent("A")], [], run_id="r1", now=10.0)
        assert [(one.run_id, one.started_at) for one in ledger.runs()] == [("r1", 10.0)]
        assert ledger.last_key_digest() is None


def test_the_digest_tells_keys_apart_and_nothing_else(place: Place) -> None:
    """It is short, stable on one ledger, other on another ledger, and never the key."""
    digests = set()
    for name in ("one.db", "two.db"):
        with open_ledger(place(name), ACCOUNT) as ledger:
            digest = ledger.key_digest(KEY)
            assert re.fullmatch(r"[0-9a-f]{16}", digest)
            assert digest != ledger.key_digest(KEY + "x")
            assert ledger.same_key(KEY)
            begin(ledger, "r1", 1.0, digest)
            assert ledger.same_key(KEY)
            assert not ledger.same_key(KEY + "x")
        with open_ledger(place(name), ACCOUNT, read_only=True) as ledger:
            assert ledger.key_digest(KEY) == digest
        if (path := place(name).path) is not None:
            assert KEY.encode() not in path.read_bytes()
        digests.add(digest)
    assert len(digests) == 2
