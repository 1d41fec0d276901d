"""The promises as code: looked at after every server step, every commit, every run, and at the end.

They are told what happens and never ask the product what it thinks: the ledger is read as a plain
table, keys and payloads are computed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import trio

from importer.delivery.protocol.keys import idempotency_key
from tests.simulation.book import acceptable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    import httpx

    from importer.plan.frames import StagedRow
    from tests.simulation.book import Book
    from tests.simulation.moment import Customer, Moment
    from tests.simulation.process import Importer

LONGEST = 1800.0
"""Seconds of simulated time in which a run ends that has nothing but rows' own faults, or whose
server takes nobody (each row may fail eight times, and a run without progress is given up)."""
MOST_REFUSED = 50
"""Updates that are refused alike, and those in flight meanwhile, before a run has to stop."""
IN_MOMENT = {"created", "found", "unchanged", "changed", "updated", "conflict"}
IN_STEP = {"created", "unchanged", "updated"}
"""Outcomes that say that Moment holds what the source says, in each field that may be written."""
RUN_WRONG = {301, 401}
"""After such a first answer nothing more is sent; a page may say it of one row (docs/delivery.md),
once Moment itself has answered."""
TURNED_AWAY = {403, 404}
"""After such a first answer five other rows are tried, one request at a time."""
MOST_GENERATIONS = 64
_TABLE = (
    "SELECT state, reference, generation, fingerprint, customer_id, coalesce(differs, ''),"
    " coalesce(origin, '')"
    " FROM customer"
)


class Held(NamedTuple):
    """One row of the ledger's table, as stored."""

    state: str
    reference: str
    generation: int
    fingerprint: bytes
    customer_id: str
    differs: str
    origin: str


def read_table(connection: sqlite3.Connection) -> dict[str, Held]:
    """The ledger's table by reference; empty before there is one."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'customer'").fetchall():
        return {}
    return {row[1]: Held(*row) for row in connection.execute(_TABLE)}


def read_open(connection: sqlite3.Connection) -> set[str]:
    """References with an update of which a PATCH may have left."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sync'").fetchall():
        return set()
    # Not "SELECT reference": that is what read faults of the simulated disk strike.
    rows = connection.execute("SELECT ours, reference FROM sync WHERE ours IS NOT NULL")
    return {row[1] for row in rows}


class Checkers:
    """Reports the first broken promise by name and in words."""

    def __init__(
        self, book: Book, moment: Moment, on_violation: Callable[[str, str], None]
    ) -> None:
        self._book = book
        self._moment = moment
        self._on_violation = on_violation
        self.violations: list[tuple[str, str]] = []
        self.ledger: dict[str, Held] = {}
        """What is durable."""
        self._exempt: set[str] = set()
        """References that were sent before the ledger was lost or restored."""
        self._sent: set[str] = set()
        """References of which a request ever left."""
        self._rules: dict[str, str] = {}
        """Of updates, by field."""
        self._open: set[str] = set()
        """References whose update is durably open."""
        self._made_by: dict[str, str] = {}
        """Which importer settled a customer's creation, by reference."""
        self._opened_by: dict[str, str] = {}
        """Which importer opened a customer's last update, by reference."""
        self._durable: set[tuple[str, int]] = set()
        """(reference, generation) of every durable ``Sent`` of the present ledger."""

    def watch_edits(self, update: str) -> None:
        """From the policies of ``--update`` on: what may be overwritten, and what is in step."""
        self._rules = dict(one.split("=") for one in update.split(",") if one)
        self._moment.on_overwritten = self._overwritten

    def _overwritten(self, reference: str, field: str) -> None:
        if self._rules.get(field) != "source":
            self.violated("an edit is overwritten", f"{field} of {reference}")

    def violated(self, name: str, text: str) -> None:
        """A promise is broken."""
        self.violations.append((name, text))
        if len(self.violations) == 1:
            self._on_violation(name, text)

    # Continuous -----------------------------------------------------------------------------------

    def leaves(self, importer: Importer, request: httpx.Request) -> str:
        """A request leaves an importer; returns its name."""
        if request.method != "POST":
            reference = self._reference_of(request.url.path.rsplit("/", 1)[1])
            name = f"{request.method} {reference}"
            if request.method == "PATCH" and reference not in self._open:
                self.violated("not written ahead", f"{name} leaves, and no update is open")
        else:
            reference, generation = self._generation(request)
            name = f"POST {reference}/{generation}"
            self._write_ahead(importer, reference, generation)
            self._sent.add(reference)
        name = f"{name} (request {importer.sent} of {importer.name})"
        importer.luck.tell(f"{name} leaves")
        if not importer.staged:
            self.violated("sent before the whole input was read", name)
        if not importer.may_send(reference):
            self.violated("sent though the input does not allow it", name)
        if importer.is_wrong:
            self.violated("canary", f"{name} after the first answer was {importer.first_status}")
        return name

    def _reference_of(self, name: str) -> str:
        customer = self._moment.by_id(name)
        return name if customer is None else str(customer.fields["external_reference"])

    def first_answer(self, importer: Importer) -> None:
        """A run that is wrong as a whole has cost one request, not one a worker."""
        wrong = RUN_WRONG | TURNED_AWAY
        if importer.first_status in wrong and importer.in_flight > 1:
            count = importer.in_flight
            text = f"{count} requests of {importer.name} were out when it heard"
            self.violated("canary", f"{text} {importer.first_status}")

    def created(self, reference: str, customer: Customer) -> None:
        """Moment has created a customer."""
        ours = [one for one in self._moment.customers[reference] if one.ours]
        if customer.ours and len(ours) > 1:
            ids = ", ".join(one.id for one in ours)
            self.violated("second customer", f"{reference} is {ids}")
        self._no_lost_id(reference)

    def committed(self, importer: Importer, connection: sqlite3.Connection) -> None:
        """A transaction is durable."""
        before, self.ledger = self.ledger, read_table(connection)
        opened, self._open = self._open, read_open(connection)
        self._opened_by |= dict.fromkeys(self._open - opened, importer.name)
        for reference, now in self.ledger.items():
            if before.get(reference) == now:
                continue
            self._told(importer, before.get(reference), now)
            self._no_lost_id(reference)
            self._sound(now)
            if now.state == "done" and (
                reference not in before or before[reference].state != "done"
            ):
                self._made_by[reference] = importer.name
            if now.state == "sent":
                self._durable.add((reference, now.generation))
        if missing := before.keys() - self.ledger.keys():
            self.violated("forgotten row", ", ".join(sorted(missing)))

    def ledger_replaced(self, table: dict[str, Held]) -> None:
        """The ledger was lost, or an old backup took its place: from outside, by the user."""
        self.ledger = table
        self._exempt |= self._sent
        self._durable = {(one.reference, one.generation) for one in table.values()}

    # At the end of a run, and of the history ------------------------------------------------------

    def run_ended(self, importer: Importer, rows: Sequence[StagedRow]) -> None:
        """A run has results: every line has one, and each agrees with ledger, server and input."""
        expected = importer.file.expected()
        lines = {row.line: row for row in rows}
        if lines.keys() != expected.keys() or len(rows) != len(lines):
            self.violated("dropped row", f"lines {sorted(lines.keys() ^ expected.keys())}")
            return
        for line, row in lines.items():
            outcome = str(row.outcome or "")
            wanted = expected[line]
            if wanted in {"invalid", "duplicate"} or outcome in {"invalid", "duplicate", ""}:
                if outcome != wanted:
                    self.violated("wrong outcome", f"line {line}: {outcome}, not {wanted}")
            else:
                self._agrees(importer, row, outcome)
        self._lively(importer, rows)
        most = MOST_REFUSED + importer.world.scene.concurrency
        if importer.world.scene.refuses_updates and importer.refused_updates > most:
            text = f"{importer.name} heard {importer.refused_updates} refusals of updates"
            self.violated("goes on though nothing is taken", text)

    def _lively(self, importer: Importer, rows: Sequence[StagedRow]) -> None:
        """Every row that the server takes is taken in this run; else the run ends soon."""
        scene = importer.world.scene
        took = trio.current_time() - importer.began
        if (scene.lively or scene.nobody) and took > LONGEST:
            self.violated("ends late", f"{importer.name} took {took:.0f} s")
        if not scene.lively or importer.asked or importer.overlapped:
            return
        takes = {
            reference
            for reference, entry in importer.file.deliverable().items()
            if not entry.refused and reference not in self._moment.curses
        }
        told = importer.file.expected()
        left = [
            row.reference
            for row in rows
            if told.get(row.line) == "deliver"
            and row.reference in takes
            and row.outcome not in IN_MOMENT
        ]
        if left:
            why = importer.stopped_by or "no stop rule"
            text = f"{len(left)} of {len(takes)} rows that the server takes, {left[0]} first; {why}"
            self.violated("starved", text)

    def ledger_agrees(self, table: dict[str, Held]) -> None:
        """The file holds what was committed, no more and no less."""
        if table != self.ledger:
            self.violated("the ledger's file differs", str(table.keys() ^ self.ledger.keys()))

    def final(self, importer: Importer, rows: Sequence[StagedRow]) -> None:
        """The last run has ended, no request is on the wire, no fault has struck for a while."""
        told = importer.file.expected()
        for row in rows:
            if told.get(row.line) != "deliver":
                continue
            held = self.ledger.get(row.reference)
            if held is None or held.state not in {"done", "rejected"}:
                self.violated("never settled", f"{row.reference}: {row.outcome} {row.error_code}")
        for reference, customers in self._moment.customers.items():
            mine = [one for one in customers if one.ours]
            held = self.ledger.get(reference)
            in_file = importer.may_send(reference)
            if not mine or (reference in self._exempt and not in_file):
                continue
            if held is None or held.state not in ({"done"} if in_file else {"done", "sent"}):
                state = held.state if held else "nothing"
                self.violated("lost id", f"{reference} is {mine[0].id}, the ledger says {state}")

    # One promise each -----------------------------------------------------------------------------

    def _write_ahead(self, importer: Importer, reference: str, generation: int) -> None:
        held = self.ledger.get(reference)
        if importer.overlapped:
            durable = (reference, generation) in self._durable
        else:
            durable = held is not None and (held.state, held.generation) == ("sent", generation)
        if not durable:
            text = f"{reference}/{generation} leaves, the ledger holds {_words(held)}"
            self.violated("not written ahead", text)

    def _no_lost_id(self, reference: str) -> None:
        """A customer of ours is Sent or Done in the ledger, at every moment."""
        held = self.ledger.get(reference)
        known = held is not None and held.state in {"sent", "done"}
        if known or reference in self._exempt:
            return
        for customer in self._moment.customers.get(reference, ()):
            if customer.ours:
                text = f"{reference} is {customer.id}, the ledger holds {_words(held)}"
                self.violated("lost id", text)

    def _sound(self, now: Held) -> None:
        """What the ledger now says is true."""
        payload = self._book.payloads.get(now.fingerprint)
        if now.state != "new" and payload is None:
            self.violated("unknown version", _words(now))
        if now.state == "rejected" and payload is not None and acceptable(payload):
            self.violated("wrong rejection", f"{_words(now)}: Moment accepts this version")
        if now.state == "done":
            customers = self._moment.customers.get(now.reference, ())
            real = [one for one in customers if one.id == now.customer_id]
            if not real:
                self.violated("an id that is not there", _words(now))
            elif payload is not None and not now.differs:
                wrong = [name for name in payload if real[0].fields.get(name) != payload[name]]
                if wrong:
                    self.violated("another version is held", f"{_words(now)}: {', '.join(wrong)}")

    def _told(self, importer: Importer, before: Held | None, now: Held) -> None:
        if before is None or before[:5] != now[:5]:
            importer.luck.tell(f"{importer.name} commits {_words(now)}")
        if before is None:
            return
        if before.state == "done" and now[:5] != before[:5]:
            self.violated("forgotten id", f"{_words(before)} becomes {_words(now)}")
        if now.generation < before.generation and now.state != "done":
            self.violated("generation goes back", f"{_words(before)} becomes {_words(now)}")

    def _agrees(self, importer: Importer, row: StagedRow, outcome: str) -> None:
        held = self.ledger.get(row.reference)
        customers = self._moment.customers.get(row.reference, ())
        if outcome in IN_MOMENT:
            if row.customer_id not in {one.id for one in customers}:
                self.violated("an id that is not there", f"{row.reference}: {row.customer_id}")
            if held is None or (held.state, held.customer_id) != ("done", row.customer_id):
                self.violated("results and ledger disagree", f"{outcome}, {_words(held)}")
            self._own_doing(importer, row, outcome)
            self._in_step(importer, row, outcome)
        elif outcome == "rejected":
            if importer.overlapped:
                return
            if held is not None and held.state == "done":
                self._refused_update(importer, row)
            elif held is None or held.state != "rejected":
                self.violated("results and ledger disagree", f"{outcome}, {_words(held)}")
            elif acceptable(self._book.payloads[held.fingerprint]):
                self.violated("wrong rejection", _words(held))
        elif outcome != "unsettled":
            self.violated("wrong outcome", f"{row.reference}: {outcome}")

    def _own_doing(self, importer: Importer, row: StagedRow, outcome: str) -> None:
        """What this run did is told as its own doing, not as what it found."""
        by = {self._made_by.get(row.reference)}
        if outcome == "unchanged":
            by.add(self._opened_by.get(row.reference))
        if outcome in {"unchanged", "changed"} and importer.name in by:
            self.violated("own doing is not told", f"{row.reference} is {outcome}")

    def _refused_update(self, importer: Importer, row: StagedRow) -> None:
        """A customer whose new values are said to be refused: Moment refuses them."""
        entry = importer.file.deliverable()[row.reference]
        if not (entry.refused or self._moment.refuses_updates):
            self.violated("wrong rejection", f"{row.reference}: Moment accepts this update")

    def _in_step(self, importer: Importer, row: StagedRow, outcome: str) -> None:
        """What is said to be in step is, and a conflict has somebody who caused it."""
        edits = self._moment.edits
        if not self._rules:
            return
        if outcome == "changed":
            # Every field that changes in these files may be written.
            self.violated("not in step", f"{row.reference} is left as it was")
        # What somebody else made was never ours to begin with.
        told_conflict = outcome == "conflict" and self._moment.customers[row.reference][0].ours
        if told_conflict and not any((row.reference, name) in edits for name in self._rules):
            self.violated("false conflict", f"{row.reference}: nobody has edited it")
        _, name, _, _, balance = importer.file.deliverable()[row.reference].cells
        wanted = {"name": name, "balance": int(balance)}
        held = self._moment.customers[row.reference][0].fields
        for field in self._rules if outcome in IN_STEP else ():
            if (row.reference, field) not in edits and held.get(field) != wanted[field]:
                text = f"{row.reference} is {outcome}, and {field} is {held.get(field)}"
                self.violated("not in step", text)

    def _generation(self, request: httpx.Request) -> tuple[str, int]:
        """(reference, generation) of a POST, by trying the key's own definition."""
        key, body = request.headers["Idempotency-Key"], request.content
        reference = _reference(body)
        for generation in range(MOST_GENERATIONS):
            if idempotency_key(reference, generation) == key:
                return reference, generation
        self.violated("unknown key", f"{reference}: {key}")
        return reference, -1


def _reference(body: bytes) -> str:
    text = body.decode()
    return text.split('"external_reference":"', 1)[1].split('"', 1)[0]


def _words(held: Held | None) -> str:
    if held is None:
        return "nothing"
    customer = f" {held.customer_id}" if held.customer_id else ""
    version = held.fingerprint.hex()[:6] if held.fingerprint else ""
    return f"{held.reference} {held.state}/{held.generation}{customer} (version {version})"
