"""A plan decides of many rows at once what the rules say of each alone."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import polars as pl

from importer.delivery.protocol.states import (
    NEW,
    Conflict,
    Done,
    Hashes,
    Memory,
    Origin,
    Rejected,
    Sent,
    State,
    Synced,
    UpdateState,
    Updating,
    Verdict,
    hashes,
)
from importer.delivery.protocol.updating import Rule, UpdatePolicy, foresee
from importer.ledger.known_versions import COLUMNS
from importer.outcomes import Outcome
from importer.plan.decide import Decider, Decision, decide, decide_update
from importer.plan.forecast import EXAMPLES, Example, forecast, masked_fields
from importer.plan.make import make_plan
from importer.plan.staging import Staging
from importer.rows.payload import canonical, fingerprint
from importer.rows.row import Row
from importer.shard import Shard
from tests.plan.test_make import Known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUNDS, ROWS = 30, 60
NAMES = ("name", "email", "phone", "currency", "balance", "metadata.a", "metadata.b", "metadata.c")
RULES = (Rule.NEVER, Rule.SOURCE, Rule.IF_UNTOUCHED)
VERDICTS = (Outcome.REJECTED, Outcome.MISSING, Outcome.CONFLICT)


class InStep(Known):
    """A ledger that holds these states, and these records of updates."""

    def __init__(self, held: dict[str, State], records: dict[str, UpdateState]) -> None:
        super().__init__(held)
        self.records = records

    def updates(self, references: Sequence[str]) -> dict[str, UpdateState]:
        """As ``Ledger.updates``."""
        return {one: self.records[one] for one in references if one in self.records}

    def versions(self, references: Sequence[str] | pl.Series) -> Iterator[pl.DataFrame]:
        """As ``Ledger.versions``: an update has its own version, an open one none."""
        lines = [(index, *self.version(one)) for index, one in enumerate(references)]
        known = [one for one in lines if references[one[0]] in self.held]
        yield pl.DataFrame(known, schema=COLUMNS, orient="row")

    def version(self, reference: str) -> tuple[bytes, str, int]:
        """(version, id if that is all there is to know, run) of a reference."""
        state, update = self.held.get(reference), self.records.get(reference)
        if not isinstance(state, Done):
            return getattr(state, "fingerprint", b""), "", 0
        if update is not None and update.serial:
            return update.version if isinstance(update, Synced) else b"", state.customer_id, 1
        return state.fingerprint, "" if state.differs else state.customer_id, 1


class Chance:
    """Draws rows, what a ledger holds of them, and policies; of few values, as many are equal."""

    def __init__(self, seed: int) -> None:
        self.of = random.Random(seed)
        self.given = self.of.choice((1.0, 0.75))

    def values(self) -> dict[str, Any]:
        """What a row says."""
        row: dict[str, Any] = {}
        for name in NAMES:
            if self.of.random() > self.given:
                continue
            value: Any = self.of.choice("xy")
            if name == "balance":
                value = self.of.randrange(3)
            if name.startswith("metadata."):
                row.setdefault("metadata", {})[name.removeprefix("metadata.")] = value
            else:
                row[name] = value
        return row

    def some(self, pairs: Sequence[tuple[str, bytes]], share: float) -> Hashes:
        """A part of them."""
        return hashes(pair for pair in pairs if self.of.random() < share)

    def policy(self) -> UpdatePolicy:
        """Rules for some fields; sometimes for none."""
        named = self.of.sample((*NAMES, "metadata"), self.of.choice((0, 1, 2, 4, 9)))
        rules = tuple((name, self.of.choice(RULES)) for name in named)
        return UpdatePolicy(rules, retry_rejected=self.of.random() < 0.3)

    def memory(self, wanted: Hashes, other: Hashes, todo: Hashes) -> Memory:
        """What is remembered of earlier nights: mostly nothing."""
        either = dict(self.some([*wanted, *other], 0.3))
        match self.of.randrange(6):
            case 0:
                return Memory(hashes(either.items()))
            case 1:
                seen = self.of.choice((b"", b"s" * 8))
                return Memory(
                    conflicts=tuple(sorted(Conflict(one, seen, either[one]) for one in either))
                )
            case 2:
                asked = self.of.choice((todo, todo, self.some(wanted, 0.4)))
                return Memory((), (), Verdict(self.of.choice(VERDICTS), asked, 422, "no"))
            case _:
                return Memory()

    def update(self, row: Row, wanted: Hashes, other: Hashes, policy: UpdatePolicy) -> UpdateState:
        """How a customer is kept in step: as the row says, as another one said, or in between."""
        base = dict(self.some(wanted, self.of.choice((1.0, 0.9, 0.5, 0.0))))
        base = {**dict(self.some(other, self.of.choice((1.0, 0.5, 0.0)))), **base}
        if self.of.random() < 0.3:
            base = dict(other)
        whole = base.items() >= dict(wanted).items()
        # Also where it cannot be, for the rules are held to what they say of any state.
        is_known = self.of.random() < (0.8 if whole else 0.5)
        version = row.fingerprint or b"" if is_known else b""
        serial = self.of.randrange(2)
        held = hashes(base.items())
        fields = foresee(Synced("", 0, held), b"", wanted, policy).fields
        todo = tuple(pair for pair in wanted if pair[0] in fields)
        memory = self.memory(wanted, other, todo)
        if self.of.random() < 0.1:
            ours = self.some([*wanted, *other], 0.4)
            return Updating("bcus_2", 1, held, ours, version, memory)
        return Synced(self.of.choice(("bcus_1", "bcus_2")), serial, held, version, memory)

    def state(self, own: bytes) -> State:
        """What the ledger holds of a row."""
        print_ = self.of.choice((own, b"o" * 32, b"o" * 32))
        match self.of.randrange(10):
            case 0:
                return NEW
            case 1:
                return Sent(0, print_, 1.0)
            case 2:
                return Rejected(0, print_, 422, "bad")
            case _:
                differs = self.of.choice(((), (), ("name",)))
                return Done(0, print_, "bcus_1", self.of.choice([*Origin]), differs)


def alone(
    row: Row, ledger: InStep, policy: UpdatePolicy
) -> tuple[Decision, str, tuple[str, ...], bool]:
    """(decision, why it would be sent, fields, reads) of one row, rule by rule."""
    assert row.payload is not None
    assert row.fingerprint is not None
    state, update = ledger.held.get(row.reference, NEW), ledger.records.get(row.reference)
    version, customer_id, _ = ledger.version(row.reference)
    if version == row.fingerprint and customer_id:
        return Decision(Outcome.UNCHANGED, customer_id), "", (), False
    if update is not None and (policy.rules or update.serial):
        wanted = ledger.hasher()(row.reference, json.loads(row.payload))
        decision, foreseen = decide_update(update, row.fingerprint, wanted, policy)
        return decision, "would_update", foreseen.fields, foreseen.reads
    decision = decide(state, row.fingerprint, retry_rejected=policy.retry_rejected)
    if isinstance(state, Rejected):
        same = state.fingerprint == row.fingerprint
        return decision, "retried" if same else "corrected", (), False
    return decision, "in_flight" if isinstance(state, Sent) else "would_create", (), False


def drawn(chance: Chance, policy: UpdatePolicy) -> tuple[list[Row], InStep]:
    """Some rows, and a ledger that knows most of them."""
    rows: list[Row] = []
    held: dict[str, State] = {}
    records: dict[str, UpdateState] = {}
    hashed = Known({}).hasher()
    for line in range(2, ROWS + 2):
        reference = f"R{line:03}"
        values, other = chance.values(), chance.values()
        payload = canonical({"external_reference": reference, **values})
        row = Row(0, line, reference, payload, fingerprint(payload), (), (reference,))
        held[reference] = chance.state(row.fingerprint or b"")
        if isinstance(held[reference], Done):
            wanted, before = hashed(reference, values), hashed(reference, other)
            records[reference] = chance.update(row, wanted, before, policy)
        rows.append(row)
    return rows, InStep(held, records)


def test_all_at_once_is_each_alone() -> None:
    """Every decision, id and text, and every figure of the forecast, for any state and policy."""
    met: Counter[str] = Counter()
    for seed in range(ROUNDS):
        chance = Chance(seed)
        policy = chance.policy()
        rows, ledger = drawn(chance, policy)
        staging = Staging()
        staging.add(rows[: ROWS // 2])
        staging.add(rows[ROWS // 2 :])
        retry = policy.retry_rejected
        plan = make_plan(staging, ledger, retry_rejected=retry, updates=policy)
        each = [alone(row, ledger, policy) for row in rows]
        assert [
            (one.outcome, one.customer_id or "", one.error_code, one.error)
            for one in staging.rows()
        ] == [(one.outcome, one.customer_id, one.error_code, one.error) for one, *_ in each]
        sent = [
            (row, why, fields, reads)
            for row, (one, why, fields, reads) in zip(rows, each, strict=True)
            if one.outcome is None
        ]
        made = forecast(staging, ledger)
        whys = Counter(why for _, why, _, _ in sent)
        assert {name: made.outcomes.get(name, 0) for name in whys} == whys
        assert made.to_deliver == len(sent)
        assert plan.to_update == whys["would_update"]
        assert made.updated_fields == Counter(name for _, _, fields, _ in sent for name in fields)
        assert made.update_reads == sum(reads for *_, reads in sent)
        shown: defaultdict[str, list[Example]] = defaultdict(list)
        for row, _, fields, _ in sent:
            for name in fields:
                value = masked_fields(row.payload or "").get(name, "another value")
                shown[name].append(Example(0, row.line, row.reference, value))
        assert made.update_examples == {name: many[:EXAMPLES] for name, many in shown.items()}
        met.update(whys)
        met.update(one.outcome or "" for one, *_ in each)
        # Of a part of them it is the figures of that part.
        half = Shard(1, 2)
        staging.keep(half)
        mine = [one for one in sent if half.holds(one[0].reference, one[0].line)]
        made = forecast(staging, ledger)
        assert made.to_deliver == len(mine)
        assert made.updated_fields == Counter(name for _, _, fields, _ in mine for name in fields)
        lines = {row.reference: row.line for row in rows}
        for examples in made.update_examples.values():
            assert all(lines[one.reference] == one.line for one in examples)
        staging.close()
    assert (
        min(met[one] for one in ("would_update", "conflict", "rejected", "missing", "changed")) > 9
    )


def test_a_version_in_step_is_not_alike_one_that_is_not() -> None:
    """Where nothing may be written the version alone says that the row is unchanged."""
    policy = UpdatePolicy((("name", Rule.SOURCE),))
    decider = Decider(Known({}).hasher(), policy, retry_rejected=False)
    payload = canonical({"external_reference": "A", "email": "a@example.com"})
    done = Done(0, b"o" * 32, "bcus_1", Origin.CREATED)
    told = [
        decider("A", (done, Synced("bcus_1", 1, (), version)), b"v" * 32, payload)[0].outcome
        for version in (b"o" * 32, b"v" * 32)
    ]
    assert told == [Outcome.CHANGED, Outcome.UNCHANGED]
