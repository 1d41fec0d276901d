"""The ledger of one account: states read, changes applied in durable transactions.

What a ledger is, for both kinds. Only how many rows are found and written at once is left to them.
"""

from __future__ import annotations

import hmac
import json
from abc import ABC, abstractmethod
from collections import Counter
from functools import partial
from itertools import islice, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from importer.delivery.protocol.safeguards import ALL_ON, Safeguards
from importer.delivery.protocol.states import (
    Transition,
    UpdateTransition,
    doubted,
    shares_id,
)
from importer.errors import BugFound, ExitCode
from importer.ledger import account as versioning
from importer.ledger import run_table
from importer.ledger.account import Account, refuse_half
from importer.ledger.applying import Folded, attempt_rows, fold
from importer.ledger.codec import COLUMNS, REFERENCE, Row, Written, decode, written
from importer.ledger.field_hashes import (
    FieldHasher,
    fields_that_differ,
    hashes_of,
    short_fields_that_differ,
    short_hashes_of,
    unpacked,
)
from importer.ledger.run_table import History, read_history
from importer.ledger.sync_table import (
    SHARED,
    Note,
    Synchronised,
    encode,
    fold_updates,
    read_known,
    read_state,
    select_known,
    select_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence
    from typing import Self

    import polars as pl

    from importer.delivery.protocol.states import (
        Attempt,
        State,
        UpdateState,
    )
    from importer.ledger.applying import AttemptColumns
    from importer.ledger.interface import Hasher, Known
    from importer.ledger.statements import Database, Reads, Transaction
    from importer.ledger.sync_table import Record


PAGE = 5000
"""Rows of one read when the whole ledger is walked; no read blocks a writer's checkpoint."""
MOST_OWN = 4096
"""Rows that are remembered between two of their changes."""
REFERENCES = 65_536
"""References of one read of nothing else."""
_LAST = "\U0010ffff" * 256
"""Behind every reference, which is a text of 255 characters at most."""
_WALK = "FROM customer WHERE account = ? AND reference > ?"
_ACCOUNT = "SELECT id, copying FROM account WHERE base_url = ? AND mode = ? AND name = ?"
_SALT = "SELECT coalesce((SELECT salt FROM account WHERE id = ?), value) FROM salt"
_SUCCESS = (
    "SELECT max(ended_at) FROM run WHERE account = ? AND series = ? AND command = ?"
    " AND exit_code = 0"
)
_NEWS = "SELECT state, told_at FROM news WHERE account = ? AND scope = ?"
_NOTE = (
    "INSERT INTO news (account, scope, state, told_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (account, scope) DO UPDATE"
    " SET state = excluded.state, told_at = excluded.told_at"
)
_FEW = 10
"""References that are named where there may be any number."""
_FIRST_KEPT = "SELECT id FROM attempt WHERE at >= ? ORDER BY id LIMIT 1"
_FORGET = "DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE id < ? LIMIT ?)"


_SHARED = (
    "SELECT customer_id, count(*), min(reference), max(reference) FROM customer"
    # The plus: rows as they lie, and not by way of the index on references.
    " WHERE +account = ? AND customer_id {} AND state = 'done'"
    " GROUP BY customer_id HAVING count(*) > 1 AND max(last_run) >= {} ORDER BY customer_id LIMIT ?"
)


class SharedId(NamedTuple):
    """An id that several references of an account have."""

    customer_id: str
    references: int
    first: str
    """By code point, as ``last``."""
    last: str


class Mapped(NamedTuple):
    """A reference and the customer that it became; ``settled_at`` in epoch seconds."""

    reference: str
    customer_id: str
    origin: str
    settled_at: float


def select_customers(among: str) -> str:
    """The query for the rows of some references; ``among`` as in ``sync_table.select_records``."""
    return f"SELECT {COLUMNS} FROM customer WHERE account = ? AND reference {among}"  # noqa: S608 - constant names


class Ledger(ABC):
    """Which row became which customer, for one account. Made by ``open_ledger``.

    Every method raises ``LedgerFailed`` when the ledger cannot be read or written.
    May be used from any thread, by one at a time.
    """

    _JOINED: ClassVar[str]
    """What makes one text of many in SQL."""

    def __init__(self, db: Database, account: Account, safeguards: Safeguards = ALL_ON) -> None:
        self._db = db
        self.account = account
        self._safeguards = safeguards
        self._account_id: int | None = None
        self._salt: bytes | None = None
        self._hasher: FieldHasher | None = None
        self._run: tuple[str, int] | None = None
        self._own: dict[str, Row] = {}
        """Rows that were written here and will change again,"""
        self._own_at: object = None
        """and the ledger's stamp as of then."""

    # What is left to each kind --------------------------------------------------------------------

    @abstractmethod
    def versions(self, references: Sequence[str] | pl.Series) -> Iterator[pl.DataFrame]:
        """See ``LedgerReader``."""

    @abstractmethod
    def _any_of(self, values: Sequence[str | int]) -> tuple[str, object]:
        """(what a column is compared with to be one of these, the one value of that)."""

    @abstractmethod
    def _among(
        self, db: Reads, select: Callable[[str], str], account: int, references: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a query that takes an account and references; ``select`` says among which."""

    @abstractmethod
    def _hold(self, db: Transaction, account: int, references: Sequence[str]) -> None:
        """Keep other writers away from these rows until the transaction ends."""

    @abstractmethod
    def _write_customers(self, db: Transaction, account: int, changes: Sequence[Written]) -> None:
        """Write rows, ordered by reference within each change."""

    @abstractmethod
    def _write_records(
        self, db: Transaction, account: int, records: Sequence[Record], notes: Sequence[Note]
    ) -> None:
        """Write records of updates, ordered by reference, and what their customers' rows note."""

    @abstractmethod
    def _write_attempts(
        self, db: Transaction, account: int, rows: Sequence[AttemptColumns]
    ) -> None:
        """Add to the history, in the order given."""

    @abstractmethod
    def _write_totals(self, db: Transaction, account: int, moved: Mapping[str, int]) -> None:
        """Add to the number of customers in each state."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; everything that was applied is durable already."""
        self._db.close()

    @property
    def label(self) -> str:
        """The account in words."""
        return self.account.label

    # States ---------------------------------------------------------------------------------------

    def states(self, references: Sequence[str]) -> dict[str, State]:
        """What is known of these references; one of which nothing is known is missing."""
        account = self._known_account()
        if account is None:
            return {}
        return {
            row.reference: decode(row)
            for row in self._rows(self._db, account, references)
            if row.state != "new"
        }

    def updates(self, references: Sequence[str]) -> dict[str, UpdateState]:
        """How those that are ``Done`` are kept in step; the others are missing.

        A customer that was never updated has serial 0, and for a base what Moment confirmed when
        it was made or found: nothing, in a ledger from before that was noted.
        """
        account = self._known_account()
        return {} if account is None else self._updates(self._db, account, references)

    def known(self, references: Sequence[str]) -> dict[str, Known]:
        """``states`` and ``updates`` of these references, read at once."""
        account = self._known_account()
        if account is None:
            return {}
        return dict(map(read_known, self._among(self._db, select_known, account, references)))

    def open_updates(self) -> int:
        """How many customers have an update whose outcome nobody knows yet."""
        sql = "SELECT count(*) FROM sync WHERE account = ? AND ours IS NOT NULL"
        return int(self._db.read(sql, (self._known_account(),))[0][0])

    def hasher(self, *, remember: bool = True) -> Hasher:
        """See ``LedgerReader``."""
        if not remember:
            return partial(hashes_of, salt=self._key())
        if self._hasher is None:
            self._hasher = FieldHasher(self._key())
        return self._hasher

    def changed_fields(self, payloads: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """In which fields each payload differs from the version that is known of its reference."""
        account = self._known_account()
        found: dict[str, tuple[str, ...]] = {}
        for row in () if account is None else self._rows(self._db, account, list(payloads)):
            payload = payloads[row.reference]
            if row.hashes is not None:
                now = hashes_of(row.reference, json.loads(payload), self._key())
                found[row.reference] = fields_that_differ(unpacked(row.hashes), now)
            elif row.fields is not None:
                short = short_hashes_of(payload, self._key())
                found[row.reference] = short_fields_that_differ(row.fields, short)
        return found

    def iter_states(self) -> Iterator[tuple[str, State]]:
        """Every reference with its state, ordered by code point, in bounded memory."""
        sql = f"SELECT {COLUMNS} {_WALK} AND state <> 'new' ORDER BY reference LIMIT ?"
        for columns in self._walk(sql):
            row = Row._make(columns)
            yield row.reference, decode(row)

    def mapping(self) -> Iterator[Mapped]:
        """Every reference with its customer's id, ordered by code point, in bounded memory."""
        columns = ", ".join(Mapped._fields)
        sql = f"SELECT {columns} {_WALK} AND state = 'done' ORDER BY reference LIMIT ?"
        yield from map(Mapped._make, self._walk(sql))

    def apply(
        self,
        transitions: Sequence[Transition | UpdateTransition],
        attempts: Sequence[Attempt],
        *,
        run_id: str,
        now: float,
    ) -> list[State | UpdateState | None]:
        """See ``LedgerWriter``."""
        creating = [one for one in transitions if isinstance(one, Transition)]
        updating: list[UpdateTransition] = []
        if len(creating) < len(transitions):
            updating = [one for one in transitions if not isinstance(one, Transition)]

        def work(db: Transaction) -> tuple[int, int, Folded, Synchronised, object]:
            account, run = self._enter(db, run_id, now)
            made = {*map(REFERENCE, creating), *map(REFERENCE, attempts)}
            ordered = sorted(made)
            self._hold(
                db,
                account,
                sorted(made | {one.reference for one in updating}) if updating else ordered,
            )
            held = self._held(db, account, ordered)
            folded = fold(held, creating, attempts, run=run, now=now, guard=self._safeguards)
            changes = [*written(folded.rows, held)]
            self._write_customers(db, account, changes)
            told = list(attempt_rows(folded.advances, attempts, run))
            synced = self._synchronise(db, account, run, updating, now)
            told += attempt_rows([], synced.events, run)
            self._write_attempts(db, account, told)
            if synced.states:
                # What an update notes in its customer's row comes with its own record.
                own = [row for row in folded.rows if row.reference not in synced.states]
                changes = [*written(own, held)]
            self._read_back(db, account, changes, synced.states)
            # Last, because every writer of the account waits for these rows.
            if None in folded.results or synced.states:
                versioning.write_move(db, account, run)
            self._write_totals(db, account, {one: n for one, n in folded.moved.items() if n})
            return account, run, folded, synced, self._stamp(db)

        account, run, folded, synced, self._own_at = self._db.transact(work)
        self._account_id, self._run = account, (run_id, run)
        self._remember(folded.rows, synced.states)
        if not updating:
            return [*folded.results]
        created, updated = iter(folded.results), iter(synced.results)
        return [
            next(created) if isinstance(one, Transition) else next(updated) for one in transitions
        ]

    # Runs -----------------------------------------------------------------------------------------

    def begin_run(
        self,
        run_id: str,
        *,
        started_at: float,
        command: str,
        version: str,
        key_digest: str,
        sources: Sequence[str],
        series: str = "",
        content: str = "",
        plan: tuple[str, str] | None = None,
    ) -> None:
        """Note that a run of a series begins; ``started_at`` in epoch seconds.

        ``content`` is the digest of the input that it delivers from; "" if it delivers nothing, or
        only what others left (a fed-back errors file): then no other input is older for it.

        ``plan`` is the digest of the plan that it follows, and the version that was planned on.
        """

        def work(db: Transaction) -> tuple[int, int]:
            account, run = self._enter(db, run_id, started_at)
            run_table.write_beginning(
                db,
                run,
                started_at=started_at,
                command=command,
                version=version,
                key_digest=key_digest,
                sources=sources,
                series=series,
                content=content,
            )
            if plan is not None:
                versioning.write_plan(db, account, run, plan=plan[0], base=plan[1])
            return account, run

        account, run = self._db.transact(work)
        self._account_id, self._run = account, (run_id, run)

    def end_run(
        self,
        run_id: str,
        *,
        ended_at: float,
        exit_code: int,
        counts: Mapping[str, int] | None = None,
        volume: Mapping[str, Any] | None = None,
        stopped_by: str = "",
    ) -> None:
        """Note how a run ended; ``counts`` are rows by outcome, None for what was told before.

        ``volume`` is what the next run of the series is compared with; None if this run is no
        measure, because it was stopped or sent nothing. ``stopped_by`` is the stop rule or signal
        that ended it early.
        """

        def work(db: Transaction) -> None:
            _, run = self._enter(db, run_id, ended_at)
            run_table.write_end(
                db,
                run,
                ended_at=ended_at,
                exit_code=exit_code,
                counts=counts,
                volume=volume,
                stopped_by=stopped_by,
            )

        self._db.transact(work)

    def runs(self, limit: int = 10) -> list[run_table.Run]:
        """The account's last runs, the newest first."""
        return list(islice(self.every_run(), limit))

    def every_run(self, since: float = 0.0) -> Iterator[run_table.Run]:
        """The account's runs that began at ``since`` (epoch seconds) or later, newest first."""
        account = self._known_account()
        if account is not None:
            yield from run_table.every_run(self._db, account, since=since)

    def find_run(self, run_id: str) -> run_table.Run | None:
        """A run by its id; None if the account has none of that id."""
        account = self._known_account()
        return None if account is None else run_table.find_run(self._db, account, run_id)

    def is_tried_in_vain(self, references: Sequence[str], now: float) -> bool:
        """Whether each of the references was tried often enough, for long enough, to no avail."""
        account = self._known_account()
        if account is None:
            return False
        for start in range(0, len(references), PAGE):
            some = references[start : start + PAGE]
            noted: dict[str, list[tuple[float, str, int]]] = {one: [] for one in some}
            found = self._among(self._db, run_table.TRIES.format, account, some)
            for reference, at, event, run in sorted(found, key=itemgetter(1)):
                noted[reference].append((at, event, run))
            if not all(run_table.tries_of(one, now).in_vain(now) for one in noted.values()):
                return False
        return True

    def stops_in_vain(self, now: float) -> bool:
        """Whether the last runs all ended with what passes by itself, for long, settling nothing.

        Shards count as runs of their own.
        """
        ended = (run for run in self.every_run() if run.exit_code is not None)
        idle = takewhile(lambda run: run.exit_code == ExitCode.TEMPFAIL and not run.settled, ended)
        last = list(islice(idle, run_table.MOST_RUNS))
        return run_table.Tries(
            frozenset(run.run_id for run in last),
            min((run.started_at for run in last), default=now),
        ).in_vain(now)

    def last_volume(self, series: str) -> dict[str, Any] | None:
        """The ``volume`` of the last run of a series that had one; None before the first."""
        account = self._known_account()
        return None if account is None else run_table.last_volume(self._db, account, series)

    def superseded(
        self, series: str, *, content: str = "", run_id: str = ""
    ) -> run_table.Superseded | None:
        """See ``run_table.superseded``."""
        account = self._known_account()
        if account is None or not (content or run_id):
            return None
        return run_table.superseded(self._db, account, series, content=content, run_id=run_id)

    def last_success(self, series: str, command: str) -> float | None:
        """When a run of a series last ended with 0, epoch seconds; None if none did.

        ``command`` is ``run``, with a shard's I/N behind it.
        """
        account = self._known_account()
        found = self._db.read(_SUCCESS, (account, series, command)) if account is not None else []
        return found[0][0] if found else None

    def last_news(self, scope: str) -> tuple[str, float]:
        """What ``note_news`` noted last for this scope, and when; ("", 0) if nothing."""
        account = self._known_account()
        found = self._db.read(_NEWS, (account, scope)) if account is not None else []
        return (str(found[0][0]), float(found[0][1])) if found else ("", 0.0)

    def note_news(self, scope: str, state: str, *, now: float) -> bool:
        """Note what people are told of the runs of a scope; False if the account is not known.

        It may be written while another run holds the ledger: it is nothing of a customer.
        """
        account = self._known_account()
        if account is None:
            return False
        self._db.transact(lambda db: db.execute(_NOTE, (account, scope, state, now)))
        return True

    def series_runs(self, series: str) -> list[int]:
        """The numbers of the runs of a series, as ``versions`` gives them."""
        account = self._known_account()
        return [] if account is None else run_table.runs_of_series(self._db, account, series)

    def series_of_run(self, run_id: str) -> str:
        """The series of a run; "" where the account has no such run."""
        account = self._known_account()
        return "" if account is None else run_table.series_of_run(self._db, account, run_id)

    def customers_of(self, runs: Sequence[int]) -> Iterator[tuple[str, str]]:
        """(reference, customer id) of those customers, ordered by code point, in bounded memory."""
        sql = (
            f"SELECT reference, customer_id, first_run {_WALK} AND state = 'done'"
            " ORDER BY reference LIMIT ?"
        )
        wanted = frozenset(runs)
        for reference, customer_id, run in self._walk(sql):
            if run in wanted:
                yield reference, customer_id

    def references(self) -> Iterator[pl.Series]:
        """Every reference of the account, in large pages, ordered by code point.

        Within a page they may have any order. Also those for which nothing was sent in the end, as
        ``states`` tells: without that question the index alone is read.
        """
        import polars as pl  # noqa: PLC0415 - only a plan needs it

        nth = f"SELECT reference {_WALK} ORDER BY reference LIMIT 1 OFFSET ?"
        # Up to a reference: a subquery that is cut by LIMIT takes twice as long.
        page = f"{_WALK} AND reference <= ?"
        joined = f"SELECT count(*), max(reference), {self._JOINED}(reference, ?) {page}"
        account, last = self._known_account(), ""
        while account is not None:
            beyond = self._db.read(nth, (account, last, REFERENCES - 1))
            told = (account, last, beyond[0][0] if beyond else _LAST)
            [(number, end, text)] = self._db.read(joined, ("\n", *told))
            if not number:
                return
            found = pl.Series([text]).str.split("\n").explode()
            if found.len() != number:  # One holds a line break itself.
                each = self._db.read(f"SELECT reference {page}", told)
                found = pl.Series([one for (one,) in each], dtype=pl.String)
            yield found
            last = end

    def settled_by(self, run_id: str, references: Sequence[str]) -> set[str]:
        """Those of the references that this run made ``Done`` or ``Rejected``."""
        return self._of_run(
            "SELECT reference, last_run FROM customer"
            " WHERE account = ? AND state IN ('done', 'rejected') AND reference {}",
            run_id,
            references,
        )

    def delivered_by(self, runs: Sequence[int]) -> int:
        """How many customers of the account are in Moment that these runs met first."""
        account = self._known_account()
        if account is None or not runs:
            return 0
        among, told = self._any_of(runs)
        sql = (
            "SELECT count(*) FROM customer WHERE account = ? AND state = 'done'"  # noqa: S608 - constant
            f" AND first_run {among}"
        )
        return int(self._db.read(sql, (account, told))[0][0])

    def shared_ids(self, run_id: str, ids: Sequence[str] | None = None) -> Iterator[SharedId]:
        """Ids that several references have, one of them settled by this run, ordered.

        What runs settled that were killed since the last one that ended belongs to it. There is
        no index on ids, which would cost every row: each look reads the whole account once.

        Args:
            run_id: a run that has begun.
            ids: those that it settled, where they are few; None where they are not known.
        """
        account, last = self._known_account(), ""
        if account is None:
            return
        run = run_table.number_of(self._db, account, run_id)
        since = run_table.first_since(self._db, account, run)
        if ids is not None and since == run:
            # A third of what grouping all of them takes.
            among, told = self._any_of(ids)
            sql = _SHARED.format(among, run)
            yield from map(SharedId._make, self._db.read(sql, (account, told, len(ids))))
            return
        sql = _SHARED.format("> ?", since)
        while found := self._db.read(sql, (account, last, PAGE)):
            yield from map(SharedId._make, found)
            if len(found) < PAGE:
                return
            last = found[-1][0]

    def follows_a_cut(self, run_id: str) -> bool:
        """Whether the run before of the same command never ended: it may have been killed."""
        account = self._known_account()
        return account is not None and run_table.follows_a_cut(self._db, account, run_id)

    def doubt(self, ids: Sequence[str], *, run_id: str, now: float) -> None:
        """Note of every customer with one of these ids that others have it, too.

        It is a conflict from then on, whatever its row says, until Moment was asked again and
        shows it under this id. Who is noted already stays as it is. Each look at the ids reads
        the whole account once.
        """
        account = self._known_account()
        if account is None:
            return
        for start in range(0, len(ids), PAGE):
            among, told = self._any_of(ids[start : start + PAGE])
            sql = (
                f"SELECT reference FROM customer WHERE account = ? AND customer_id {among}"  # noqa: S608 - constant
                " AND state = 'done'"
            )
            found = [reference for (reference,) in self._db.read(sql, (account, told))]
            for at in range(0, len(found), PAGE):
                held = self.updates(found[at : at + PAGE])
                changes = [
                    UpdateTransition(reference, state, doubted(state))
                    for reference, state in held.items()
                    if not shares_id(state)
                ]
                if changes:
                    self.apply(changes, [], run_id=run_id, now=now)

    def doubtful(self) -> int:
        """How many customers are noted by ``doubt``."""
        sql = f"SELECT count(*) FROM sync WHERE account = ? AND {SHARED}"  # noqa: S608 - constant
        return int(self._db.read(sql, (self._known_account(),))[0][0])

    def others_with(self, customer_id: str, reference: str) -> list[str]:
        """Other references with this id, a few; reads the whole account, as few ever ask."""
        sql = (
            "SELECT reference FROM customer WHERE account = ? AND customer_id = ?"
            " AND reference <> ? ORDER BY reference LIMIT ?"
        )
        told = (self._known_account(), customer_id, reference, _FEW)
        return [one for (one,) in self._db.read(sql, told)]

    def updated_by(self, run_id: str, references: Sequence[str]) -> set[str]:
        """Those of the references whose record of updates this run changed last."""
        sql = "SELECT reference, run FROM sync WHERE account = ? AND reference {}"
        return self._of_run(sql, run_id, references)

    def key_digest(self, api_key: str) -> str:
        """16 hex digits that tell this API key from others, on this ledger only."""
        return run_table.digest_of(api_key, self._key())

    def last_key_digest(self) -> str | None:
        """The digest of the key that the account's last run used; None before the first run."""
        account = self._known_account()
        return None if account is None else run_table.last_digest(self._db, account)

    def same_key(self, api_key: str) -> bool:
        """Whether the account's last run used this API key; True before the first run."""
        last = self.last_key_digest()
        return last is None or hmac.compare_digest(last, self.key_digest(api_key))

    # Plans ----------------------------------------------------------------------------------------

    def version(self) -> str:
        """Hex digits that every change of a customer of this account replaces; "" before any."""
        return versioning.version(self._db, self._known_account())

    def standing(self, plan: str, base: str) -> versioning.Standing:
        """How this ledger stands to the plan of that digest, made on the version ``base``."""
        return versioning.standing(self._db, self._known_account(), plan=plan, base=base)

    def forget_attempts(self, before: float) -> int:
        """Drop from the history what happened before that time (epoch seconds); how much it was.

        What a customer's own row tells stays: its state, id, times and number of requests. No
        delivery rests on the history. A few rows at a time, so that nobody waits long.
        """
        found = self._db.read(_FIRST_KEPT, (before,))
        first_kept = found[0][0] if found else 1 << 62
        dropped = 0
        some = PAGE
        while some == PAGE:
            some = self._db.transact(lambda db: db.execute(_FORGET, (first_kept, PAGE)))
            dropped += some
        return dropped

    # For people -----------------------------------------------------------------------------------

    def totals(self) -> dict[str, int]:
        """Rows of the account by state (``new``, ``sent``, ``done``, ``rejected``)."""
        account = self._known_account()
        sql = "SELECT state, customers FROM total WHERE account = ? AND customers <> 0"
        return dict(self._db.read(sql, (account,)))

    def accounts(self) -> list[Account]:
        """All accounts of this ledger file, the oldest first."""
        return accounts_in(self._db)

    def reference_of(self, customer_id: str) -> str | None:
        """The reference of a customer by its id; reads the whole account, as few ever ask."""
        sql = "SELECT reference FROM customer WHERE account = ? AND customer_id = ?"
        found = self._db.read(sql, (self._known_account(), customer_id))
        return str(found[0][0]) if found else None

    def history(self, reference: str) -> History | None:
        """What happened to one customer of this account; None if it is not known."""
        account = self._known_account()
        if account is None:
            return None
        return read_history(self._db, self.account, account, reference)

    # Inside ---------------------------------------------------------------------------------------

    def _synchronise(
        self,
        db: Transaction,
        account: int,
        run: int,
        transitions: Sequence[UpdateTransition],
        now: float,
    ) -> Synchronised:
        """Apply updates (inside a transaction)."""
        if not transitions:
            return Synchronised()
        wanted = sorted({one.reference for one in transitions})
        held = self._updates(db, account, wanted)
        folded = fold_updates(held, transitions, now=now, guard=self._safeguards)
        records = [
            encode(reference, state, run=run, now=now)
            for reference, state in sorted(folded.states.items())
        ]
        patches = Counter(one.reference for one in folded.events if one.event == "updating")
        notes = [
            Note(
                one.reference, b"" if one.ours is not None else one.version, patches[one.reference]
            )
            for one in records
        ]
        self._write_records(db, account, records, notes)
        return folded

    def _stamp(self, db: Transaction) -> object:
        """What stays the same until anybody writes to the ledger; None where nothing tells that."""
        del db
        return None

    def _held(self, db: Transaction, account: int, references: Sequence[str]) -> dict[str, Row]:
        """The rows of these references; those that this one wrote last it need not read again."""
        if self._own_at is None or self._stamp(db) != self._own_at:
            self._own.clear()
        own = map(self._own.get, references)
        held = {row.reference: row for row in own if row is not None}
        if len(held) < len(references):
            others = [one for one in references if one not in held]
            held |= {row.reference: row for row in self._rows(db, account, others)}
        return held

    def _remember(self, rows: Sequence[Row], updated: Container[str]) -> None:
        """Keep the rows that were committed and will change again; updates noted more in theirs."""
        if self._own_at is None:
            return
        own = self._own
        for row in rows:
            if row.state == "sent" and row.reference not in updated:
                own[row.reference] = row
            else:
                own.pop(row.reference, None)
        if len(own) > MOST_OWN:
            own.clear()

    def _read_back(
        self,
        db: Transaction,
        account: int,
        changes: Sequence[Written],
        states: Mapping[str, UpdateState],
    ) -> None:
        """Make sure that it holds what is to be committed: a lost id costs money."""
        is_there = self._updates(db, account, list(states)) == states
        if is_there and all(self._holds(db, account, one) for one in changes):
            return
        raise BugFound(
            "the ledger does not hold what was written to it",
            safe="nothing more is sent, and the results tell what Moment answered",
        )

    def _holds(self, db: Reads, account: int, change: Written) -> bool:
        """Whether the rows of a change are as it wrote them."""
        names = ", ".join([*change.columns, *change.same])
        select = f"SELECT {names} FROM customer WHERE account = ? AND reference {{}}"  # noqa: S608 - names of ours
        found = self._among(db, select.format, account, change.columns["reference"])
        same = tuple(change.same.values())
        return sorted(found) == [
            (*one, *same) for one in zip(*change.columns.values(), strict=True)
        ]

    def _updates(
        self, db: Reads, account: int, references: Sequence[str]
    ) -> dict[str, UpdateState]:
        return dict(map(read_state, self._among(db, select_records, account, references)))

    def _rows(self, db: Reads, account: int, references: Sequence[str]) -> Iterator[Row]:
        return map(Row._make, self._among(db, select_customers, account, references))

    def _of_run(self, sql: str, run_id: str, references: Sequence[str]) -> set[str]:
        account = self._known_account()
        if account is None:
            return set()
        found = self._db.read(run_table.NUMBER, (account, run_id))
        pairs = self._among(self._db, sql.format, account, references)
        return {reference for reference, run in pairs if [(run,)] == found}

    def _key(self) -> bytes:
        if self._salt is None:
            self._salt = bytes(self._db.read(_SALT, (self._known_account(),))[0][0])
        return self._salt

    def _walk(self, sql: str) -> Iterator[tuple[Any, ...]]:
        account, last = self._known_account(), ""
        while account is not None and (page := self._db.read(sql, (account, last, PAGE))):
            yield from page
            last = page[-1][0]

    def _known_account(self) -> int | None:
        if self._account_id is None:
            for number, copying in self._db.read(_ACCOUNT, self._names):
                refuse_half(self.account, copying)
                self._account_id = number
        return self._account_id

    def _enter(self, db: Transaction, run_id: str, now: float) -> tuple[int, int]:
        """(account, run) as numbers, entered if need be; remembered only once committed."""
        account = self._account_id
        if account is not None and self._run is not None and self._run[0] == run_id:
            return account, self._run[1]
        db.execute(
            "INSERT INTO account (base_url, mode, name) VALUES (?, ?, ?)"
            " ON CONFLICT (base_url, mode, name) DO NOTHING",
            self._names,
        )
        account, copying = db.read(_ACCOUNT, self._names)[0]
        refuse_half(self.account, copying)
        return account, run_table.run_row(db, account, run_id, now)

    @property
    def _names(self) -> tuple[str, str, str]:
        return self.account.base_url, self.account.mode, self.account.name


def accounts_in(db: Reads) -> list[Account]:
    """All accounts of a ledger, the oldest first."""
    found = db.read("SELECT base_url, mode, name FROM account ORDER BY id")
    return [Account(*names) for names in found]
