"""The runs that used an account, which of them belong together, and what each did to a customer.

Runs belong together that read one nightly file, by its name without the date.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from importer.delivery.protocol.states import Origin
from importer.ledger.codec import COLUMNS, Row, decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from importer.delivery.protocol.states import State
    from importer.ledger.account import Account
    from importer.ledger.statements import Reads, Transaction


_COMPRESSED = (".gz", ".zst", ".zip")
_DATED = re.compile(
    # A date with or without a time (ISO 8601 and its usual spellings), an epoch, or a counter of
    # digits only, with the sign in front of it.
    r"[-_. ]*(?<![0-9])(?:"
    r"(?:19|20)[0-9]{2}[-_.]?[01][0-9](?:[-_.]?[0-3][0-9])?"
    r"|[0-3][0-9][-_.][01][0-9][-_.](?:19|20)?[0-9]{2}"
    r"|(?:1[5-9]|2[0-9])[0-9]{8}(?:[0-9]{3})?"
    r")(?:[-_ t]?[0-2][0-9][-_.:h]?[0-5][0-9](?:[-_.:m]?[0-5][0-9])?s?z?)?(?![0-9])"
)
_MONTHS = re.compile(
    r"[-_. ]*(?<![a-z])[0-3]?[0-9]?[-_. ]?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
    r"[-_. ]?(?:[0-3]?[0-9][-_. ,]*)?(?:19|20)[0-9]{2}(?![0-9])"
)


def series_of(sources: Sequence[str], named: str = "") -> str:
    """The series that a run of these sources belongs to.

    ``crm_2026-11-25.csv`` and ``crm_2026-11-26.csv.gz`` are both ``crm.csv``; several sources are
    a series of their own. Folders do not count: a night's folder has a date as well.

    Args:
        sources: as the user named them.
        named: what ``--series`` says; it wins.
    """
    return named or " + ".join(sorted({_stable(one) for one in sources}))


def _stable(source: str) -> str:
    name = source.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1].lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    plain = _MONTHS.sub("", _DATED.sub("", stem))
    # A name that is nothing but a date is the series of all such names.
    return f"{plain.strip('-_. ')}{dot}{ending}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event; ``at`` in epoch seconds. No payload."""

    at: float
    event: str
    generation: int
    http_status: int
    error_code: str
    run_id: str
    detail: str = ""
    """Names of fields, of an update."""


@dataclass(frozen=True, slots=True)
class History:
    """A row of the ledger and everything that led to it, in the order of time."""

    account: Account
    reference: str
    state: State
    first_sent_at: float | None
    """Of the present generation."""
    settled_at: float | None
    http_status: int
    """Of the answer that caused the state, 0 if none did."""
    requests: int
    """Requests of all runs that were answered or lost."""
    first_run: str
    last_run: str
    entries: tuple[Entry, ...]


def read_history(db: Reads, account: Account, account_id: int, ref: str) -> History | None:
    """The history of one reference; None if the ledger does not know it."""
    found = db.read(
        f"SELECT {COLUMNS} FROM customer WHERE account = ? AND reference = ?",  # noqa: S608 - constant names
        (account_id, ref),
    )
    if not found:
        return None
    row = Row._make(found[0])
    runs = dict(
        db.read("SELECT id, run_id FROM run WHERE id IN (?, ?)", (row.first_run, row.last_run))
    )
    noted = [
        Entry(*columns)
        for columns in db.read(
            "SELECT at, event, generation, http_status, error_code, run_id, detail FROM attempt"
            " JOIN run ON run.id = attempt.run WHERE attempt.account = ? AND reference = ?"
            " ORDER BY attempt.id",
            (account_id, ref),
        )
    ]
    told = _told_by_row(row, noted, runs)
    created = sum(entry.event == "created" for entry in told)
    return History(
        account,
        ref,
        decode(row),
        row.first_sent_at,
        row.settled_at,
        row.http_status,
        row.attempts + created,
        runs[row.first_run],
        runs[row.last_run],
        tuple(sorted([*told, *noted], key=lambda entry: entry.at)),
    )


def _told_by_row(row: Row, noted: list[Entry], runs: dict[int, str]) -> list[Entry]:
    """The events of the straight path, which the row itself tells."""
    told = []
    if row.first_sent_at is not None and row.generation == 0:
        told.append(Entry(row.first_sent_at, "sent", 0, 0, "", runs[row.first_run]))
    created = row.origin == Origin.CREATED and row.settled_at is not None
    if created and not any(entry.event == "created" for entry in noted):
        at, status = row.settled_at or 0.0, row.http_status
        told.append(Entry(at, "created", row.generation, status, "", runs[row.last_run]))
    return told


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
