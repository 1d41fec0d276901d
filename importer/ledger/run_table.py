"""The runs that used an account, which of them belong together, and what each did to a customer.

Runs belong together that read one nightly file, by its name without the date.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from importer.delivery.protocol.states import SHARED_ID, Origin
from importer.ledger.codec import COLUMNS, Row, decode
from importer.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    series = named or " + ".join(sorted({_stable(one) for one in sources}))
    # A name of a file need not be UTF-8, and what is no character can be stored nowhere.
    return series.encode(errors="backslashreplace").decode()


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


@value
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
    request_id: str = ""
    """What the answer called itself; "" if nothing, and in what older versions noted."""
    seconds: float | None = None
    """How long the exchange took; None where nobody noted it."""


@value
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
            "SELECT at, event, generation, http_status, error_code, run_id, detail, request_id,"
            " seconds FROM attempt JOIN run ON run.id = attempt.run"
            " WHERE attempt.account = ? AND reference = ? ORDER BY attempt.id",
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


@value
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
    series: str
    """Which runs it belongs with; "" in one of an older version (``series_of`` its sources)."""
    stopped_by: str
    """The stop rule or signal that ended it early; "" if none did, and in older versions."""

    @property
    def settled(self) -> bool:
        """Whether it settled any row."""
        return any(self.counts.get(outcome) for outcome in SETTLED)


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


def number_of(db: Reads, account: int, run_id: str) -> int:
    """The number of a run that has begun; 0 if it has not."""
    found = db.read(NUMBER, (account, run_id))
    return int(found[0][0]) if found else 0


def first_since(db: Reads, account: int, run: int) -> int:
    """The first of the runs before this one that have not ended since the last that did, or it."""
    sql = (
        "SELECT coalesce(max(id), 0) + 1 FROM run WHERE account = ? AND id < ?"
        " AND ended_at IS NOT NULL AND command NOT LIKE 'dry run%'"
    )
    between = (
        "SELECT coalesce(min(id), ?) FROM run WHERE account = ? AND id BETWEEN ? AND ?"
        " AND command NOT LIKE 'dry run%'"
    )
    [(after,)] = db.read(sql, (account, run))
    [(first,)] = db.read(between, (run, account, after, run))
    return int(first)


def follows_a_cut(db: Reads, account: int, run_id: str) -> bool:
    """Whether the run before of the same command never ended."""
    sql = (
        "SELECT ended_at FROM run AS before WHERE account = ? AND EXISTS (SELECT 1 FROM run"
        " WHERE account = ? AND run_id = ? AND run.command = before.command AND run.id > before.id)"
        " ORDER BY id DESC LIMIT 1"
    )
    return db.read(sql, (account, account, run_id)) == [(None,)]


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
    content: str,
) -> None:
    """Write what is known when a run begins (inside a transaction)."""
    db.execute(
        "UPDATE run SET started_at = ?, command = ?, version = ?, key_digest = ?, sources = ?,"
        " series = ?, input = ? WHERE id = ?",
        (started_at, command, version, key_digest, json.dumps(list(sources)), series, content, run),
    )


def write_end(
    db: Transaction,
    run: int,
    *,
    ended_at: float,
    exit_code: int,
    counts: Mapping[str, int] | None,
    volume: Mapping[str, Any] | None,
    stopped_by: str,
) -> None:
    """Write how a run ended (inside a transaction); counts that are None stay as they were."""
    told = None if counts is None else json.dumps(dict(counts))
    db.execute(
        "UPDATE run SET ended_at = ?, exit_code = ?, counts = coalesce(?, counts), volume = ?,"
        " stopped_by = ? WHERE id = ?",
        (
            ended_at,
            int(exit_code),
            told,
            json.dumps(dict(volume)) if volume is not None else "",
            stopped_by,
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


class Superseded(NamedTuple):
    """A run, and the last one that delivered another input of its file since."""

    run: Run
    since: Run


def superseded(
    db: Reads, account: int, series: str, *, content: str = "", run_id: str = ""
) -> Superseded | None:
    """The last run of this input, if one of another input came since; None if not.

    It need not be of this series: a file that was copied under another name is what it was. Runs
    from before inputs were noted are nobody's input, nor are those that noted none (``begin_run``).

    Args:
        db: the ledger.
        account: its number.
        series: of this input.
        content: this input's digest; or
        run_id: the run whose errors file this input is.
    """
    where, told = ("input = ?", content) if content else ("run_id = ?", run_id)
    last = db.read(
        f"SELECT id, input FROM run WHERE account = ? AND {where} ORDER BY id DESC LIMIT 1",  # noqa: S608 - constant
        (account, told),
    )
    for number, of in last:
        [found] = db.read(f"{_RUN} AND id = ?", (account, number))
        run = _run(found[1:])
        for since in db.read(_SINCE, (account, number, series, run.series, of)):
            return Superseded(run, _run(since[1:]))
    return None


def last_digest(db: Reads, account: int) -> str | None:
    """The key digest of the account's last run; None before the first."""
    found = db.read(
        "SELECT key_digest FROM run WHERE account = ? AND key_digest <> ''"
        " ORDER BY id DESC LIMIT 1",
        (account,),
    )
    return str(found[0][0]) if found else None


def every_run(db: Reads, account: int, *, since: float = 0.0) -> Iterator[Run]:
    """The account's runs that began at ``since`` or later, the newest first, some at a time."""
    last = 1 << 62
    while found := db.read(f"{_RUN} AND id < ? ORDER BY id DESC LIMIT ?", (account, last, _RUNS)):
        for one in found:
            run = _run(one[1:])
            if run.started_at >= since:
                yield run
        last = found[-1][0]


def find_run(db: Reads, account: int, run_id: str) -> Run | None:
    """A run by its id; None if the account has none of that id."""
    found = db.read(f"{_RUN} AND run_id = ?", (account, run_id))
    return _run(found[0][1:]) if found else None


_RUN = (
    "SELECT id, run_id, started_at, ended_at, command, version, key_digest, sources, exit_code,"
    " counts, series, stopped_by FROM run WHERE account = ?"
)
_SINCE = f"{_RUN} AND id > ? AND series IN (?, ?) AND input NOT IN ('', ?) ORDER BY id DESC LIMIT 1"
_RUNS = 200
"""Runs of one read."""
SETTLED = ("created", "found", "updated")
"""Outcomes that only the run has which settled the row."""


def _run(columns: Sequence[Any]) -> Run:
    run_id, started, ended, command, version, digest, sources, exit_code, counts, *told = columns
    files, rows = tuple(json.loads(sources)), json.loads(counts)
    return Run(run_id, started, ended, command, version, digest, files, exit_code, rows, *told)


# What does not change by itself ------------------------------------------------------------------

MOST_TRIES = 5
"""Runs that may have tried in vain,"""
LONGEST_TRY = 12 * 3600.0
"""for so many seconds, before a person is asked for."""
_RECENT = 30 * 86_400.0
"""Seconds; tries from before say nothing of today."""
_ENDS = frozenset({"updated", "in_step", "rejected", "missing", "conflict", SHARED_ID})
"""Events with which an update is settled."""
_NO_TRIES = frozenset({"updating", "advanced", "sent"})
"""What is noted of sending, before anything came of it."""
MOST_RUNS = 10_000
"""Runs that are looked at, at most."""
TRIES = "SELECT reference, at, event, run FROM attempt WHERE account = ? AND reference {}"


class Tries(NamedTuple):
    """Runs that could not settle a row, one after the other."""

    runs: frozenset[Any]
    since: float
    """Epoch seconds of the first."""

    def in_vain(self, now: float) -> bool:
        """Whether trying has been shown to be of no use: often enough, and for long enough."""
        return len(self.runs) >= MOST_TRIES and now - self.since >= LONGEST_TRY


def tries_of(events: Iterable[tuple[float, str, Any]], now: float) -> Tries:
    """The runs that tried a row in vain, from what its history says: (at, event, run).

    An update that was settled ends what was before it; a creation that is settled is never
    unsettled again.
    """
    runs: set[Any] = set()
    since = now
    for at, event, run in events:
        if event in _ENDS:
            runs, since = set(), now
        elif event not in _NO_TRIES and now - at <= _RECENT:
            runs.add(run)
            since = min(since, at)
    return Tries(frozenset(runs), since)
