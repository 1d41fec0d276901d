"""The runs that used an account, and the API key's digest."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from importer.ledger.series import series_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from importer.ledger.statements import Reads, Transaction


_DIGEST_BYTES = 8
_TRIES_OF_A_SHARD = 4
"""So often may each shard have gone through before the others of its input are looked for."""
NUMBER = "SELECT id FROM run WHERE account = ? AND run_id = ?"
"""The query for a run's number."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one account; times in epoch seconds."""

    run_id: str
    started_at: float
    ended_at: float | None
    """None while it runs, and for ever if it was killed."""
    command: str
    version: str
    key_digest: str
    sources: tuple[str, ...]
    exit_code: int | None
    counts: dict[str, int]
    """Rows by outcome."""


def digest_of(api_key: str, salt: bytes) -> str:
    """16 hex digits that tell two keys apart, and nothing else to who has no such salt.

    Keyed BLAKE2b (RFC 7693). A key holds far more chance than its 64 bits can be searched for.
    """
    keyed = hashlib.blake2b(
        api_key.encode(), digest_size=_DIGEST_BYTES, key=salt, person=b"importer.apikey"
    )
    return keyed.hexdigest()


def run_row(db: Transaction, account: int, run_id: str, now: float) -> int:
    """The number of a run, which is entered if it has not begun yet (inside a transaction)."""
    db.execute(
        "INSERT INTO run (account, run_id, started_at) VALUES (?, ?, ?)"
        " ON CONFLICT (account, run_id) DO NOTHING",
        (account, run_id, now),
    )
    return int(db.read(NUMBER, (account, run_id))[0][0])


def write_beginning(
    db: Transaction,
    run: int,
    *,
    started_at: float,
    command: str,
    version: str,
    key_digest: str,
    sources: Sequence[str],
    series: str,
) -> None:
    """Write what is known when a run begins (inside a transaction)."""
    db.execute(
        "UPDATE run SET started_at = ?, command = ?, version = ?, key_digest = ?, sources = ?,"
        " series = ? WHERE id = ?",
        (started_at, command, version, key_digest, json.dumps(list(sources)), series, run),
    )


def write_end(
    db: Transaction,
    run: int,
    *,
    ended_at: float,
    exit_code: int,
    counts: Mapping[str, int] | None,
    volume: Mapping[str, Any] | None,
) -> None:
    """Write how a run ended (inside a transaction); counts that are None stay as they were."""
    told = None if counts is None else json.dumps(dict(counts))
    db.execute(
        "UPDATE run SET ended_at = ?, exit_code = ?, counts = coalesce(?, counts), volume = ?"
        " WHERE id = ?",
        (
            ended_at,
            int(exit_code),
            told,
            json.dumps(dict(volume)) if volume is not None else "",
            run,
        ),
    )


def runs_of_series(db: Reads, account: int, series: str) -> list[int]:
    """The numbers of all runs of a series; those of an older version by their sources."""
    found = db.read("SELECT id, series, sources FROM run WHERE account = ?", (account,))
    return [
        int(run)
        for run, named, sources in found
        if (named or series_of(tuple(json.loads(sources)))) == series
    ]


def series_of_run(db: Reads, account: int, run_id: str) -> str:
    """The series of a run; "" where there is no such run, or one of an older version."""
    found = db.read("SELECT series FROM run WHERE account = ? AND run_id = ?", (account, run_id))
    return str(found[0][0]) if found else ""


def last_volume(db: Reads, account: int, series: str) -> dict[str, Any] | None:
    """What the last run of a series noted that went through (``write_end``); None if none did.

    Shards of one input went through when all of them did: each notes ``shard``, as [I, N], and the
    ``input``.
    """
    sql = (
        "SELECT volume FROM run WHERE account = ? AND series = ? AND volume <> ''"
        " ORDER BY id DESC LIMIT ?"
    )
    most, shards = 1, defaultdict[str, set[int]](set)
    for (text,) in db.read(sql, (account, series, most)):
        most = _TRIES_OF_A_SHARD * json.loads(text).get("shard", (1, 1))[1]
    for (text,) in db.read(sql, (account, series, most)):
        volume: dict[str, Any] = json.loads(text)
        index, of = volume.get("shard", (1, 1))
        done = shards[volume.get("input", "")]
        done.add(index)
        if len(done) == of:
            return volume
    return None


def last_digest(db: Reads, account: int) -> str | None:
    """The key digest of the account's last run; None before the first."""
    found = db.read(
        "SELECT key_digest FROM run WHERE account = ? AND key_digest <> ''"
        " ORDER BY id DESC LIMIT 1",
        (account,),
    )
    return str(found[0][0]) if found else None


def last_runs(db: Reads, account: int, limit: int) -> list[Run]:
    """The account's last runs, the newest first."""
    found = db.read(
        "SELECT run_id, started_at, ended_at, command, version, key_digest, sources, exit_code,"
        " counts FROM run WHERE account = ? ORDER BY id DESC LIMIT ?",
        (account, limit),
    )
    return [_run(columns) for columns in found]


def _run(columns: Sequence[Any]) -> Run:
    run_id, started, ended, command, version, digest, sources, exit_code, counts = columns
    files, rows = tuple(json.loads(sources)), json.loads(counts)
    return Run(run_id, started, ended, command, version, digest, files, exit_code, rows)
