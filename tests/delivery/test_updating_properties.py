"""What holds for every customer, every policy and every sequence of answers to an update."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as u
from importer.delivery.protocol.events import Begin, Committed, Halt, Wait, Woken
from importer.delivery.protocol.states import (
    Conflict,
    Hashes,
    Memory,
    Synced,
    UpdateState,
    Updating,
    Verdict,
    hashes,
)
from importer.delivery.protocol.updating import METADATA, Rule, UpdateFlight, UpdatePolicy, step
from importer.outcomes import Outcome

ID = "bcus_1"
FIELDS = ("balance", "currency", "metadata.a", "name")
VALUES = st.sampled_from([b"1", b"2", b"3"])
PAIRS: st.SearchStrategy[Hashes] = st.dictionaries(st.sampled_from(FIELDS), VALUES).map(
    lambda found: tuple(sorted(found.items()))
)
MANY: st.SearchStrategy[Hashes] = st.lists(st.tuples(st.sampled_from(FIELDS), VALUES)).map(hashes)
CONFLICTS = st.dictionaries(st.sampled_from(FIELDS), st.tuples(VALUES, VALUES)).map(
    lambda found: tuple(Conflict(name, *values) for name, values in sorted(found.items()))
)
VERDICTS = st.builds(
    Verdict,
    st.sampled_from([Outcome.REJECTED, Outcome.MISSING, Outcome.CONFLICT]),
    PAIRS.filter(bool),
    st.sampled_from([0, 404, 422]),
    st.sampled_from(["", "bad"]),
)
MEMORIES = st.builds(Memory, PAIRS, CONFLICTS, st.none() | VERDICTS)
STATES: st.SearchStrategy[UpdateState] = st.one_of(
    st.builds(Synced, st.just(ID), st.integers(0, 3), PAIRS, st.just(b""), MEMORIES),
    st.builds(Updating, st.just(ID), st.integers(1, 3), PAIRS, MANY, st.just(b"old"), MEMORIES),
)
POLICIES = st.dictionaries(
    st.sampled_from(["balance", "currency", "metadata", "name"]), st.sampled_from(Rule)
).map(lambda rules: UpdatePolicy(tuple(rules.items())))
FAILED = a.LookUpFailed("http_503", 503)
READS: st.SearchStrategy[u.ReadAnswer] = st.one_of(
    st.builds(u.Shown, PAIRS, st.just((("a", '"x"'), ("z", "1")))),
    st.builds(u.Shown, PAIRS),
    st.just(u.Gone()),
    st.just(FAILED),
    st.just(a.LookUpFailed("http_429", 429, throttled=True)),
)
PATCHES: st.SearchStrategy[u.PatchAnswer] = st.one_of(
    st.builds(u.Patched, PAIRS),
    st.builds(u.Patched, PAIRS),
    st.just(u.Gone()),
    st.sampled_from([u.Clashed(409), u.Clashed(412)]),
    st.just(a.Unknown("timeout")),
    st.just(a.NotSent("refused")),
    st.just(a.Unbelievable(200, "not_json")),
    st.just(a.Refused(422, "bad")),
    st.just(a.ServerFault(500, "http_500")),
    st.just(a.Throttled()),
    st.sampled_from([a.Blocked(403, of_api=True), a.Blocked(403, of_api=False)]),
)
SEEKS: st.SearchStrategy[a.LookUpAnswer] = st.sampled_from(
    [a.Found(ID), a.Found("bcus_2"), a.Absent(), a.Absent(), FAILED]
)


@dataclass
class Run:
    """One run over one customer, with what it asked and was told."""

    state: UpdateState
    wanted: Hashes
    policy: UpdatePolicy
    reads: list[u.ReadAnswer] = field(default_factory=list)
    patches: list[u.PatchAnswer] = field(default_factory=list)
    seeks: list[a.LookUpAnswer] = field(default_factory=list)
    requests: int = 0
    shown: u.Shown | None = None

    def play(self) -> u.SettleUpdate:
        """To the end; once the answers are used up, everything fails."""
        flight = UpdateFlight("R-1", b"new", self.wanted, self.state)
        event: u.UpdateEvent = Begin(0.0)
        for _ in range(400):
            flight, command = step(flight, event, self.policy)
            match command:
                case u.CommitUpdate(transition):
                    assert transition.expected == self.state
                    assert transition.new.serial == self.state.serial + 1
                    self.state = transition.new
                    event = Committed(0.0)
                case u.Read():
                    event = u.ReadBack(self._read())
                case u.Patch():
                    self._check(command)
                    self.requests += 1
                    lost = a.Unknown("timeout")
                    event = u.PatchAnswered(self.patches.pop() if self.patches else lost)
                case u.Seek():
                    self.requests += 1
                    event = u.SoughtAgain(self.seeks.pop() if self.seeks else FAILED)
                case Wait():
                    event = Woken(0.0)
                case u.SettleUpdate():
                    return command
                case Halt():
                    raise AssertionError("no answer here stops a run")
        raise AssertionError("no end")

    def _read(self) -> u.ReadAnswer:
        self.requests += 1
        answer = self.reads.pop() if self.reads else FAILED
        if isinstance(answer, u.Shown):
            self.shown = answer
        return answer

    def _check(self, patch: u.Patch) -> None:
        """What may leave, and only after what the ledger must hold by then."""
        state, wanted = self.state, dict(self.wanted)
        assert isinstance(state, Updating)
        written = [name for name in patch.fields if (name, wanted[name]) in state.ours]
        assert {*patch.fields} - {*written} <= {"currency"}
        seen = dict(self.shown.seen) if self.shown else {}
        mine = {*state.base, *state.ours, *state.memory.otherwise}
        for name in written:
            rule = self.policy.rule(name)
            beside = name == "currency" and "balance" in patch.fields
            assert rule is not Rule.NEVER or beside
            if rule is Rule.IF_UNTOUCHED and not beside and name in seen:
                assert (name, seen[name]) in {*mine, *self.otherwise}
        if any(name.startswith(METADATA) for name in patch.fields):
            assert self.shown is not None
            assert patch.metadata == self.shown.metadata

    @property
    def otherwise(self) -> Hashes:
        """What was remembered when the run began."""
        return self._otherwise

    def __post_init__(self) -> None:
        """Keep what the first state remembers."""
        self._otherwise = self.state.memory.otherwise


RUNS = st.builds(
    Run,
    STATES,
    PAIRS,
    POLICIES,
    st.lists(READS, max_size=6),
    st.lists(PATCHES, max_size=6),
    st.lists(SEEKS, max_size=4),
)


@settings(max_examples=150)
@given(RUNS)
def test_whatever_moment_answers_a_customer_ends_and_stays_so(run: Run) -> None:
    """A run ends, sends only what it may, tells only what is so, and the next one is quiet."""
    wanted, policy = run.wanted, run.policy
    settled = run.play()
    outcome = settled.settle.outcome
    taken = {*run.state.base, *run.state.memory.otherwise}
    if outcome is Outcome.UPDATED:
        assert settled.updated
        assert {(name, dict(wanted)[name]) for name in settled.updated} <= taken
        assert not settled.conflicts
    if outcome is Outcome.UNSETTLED:
        return
    again = Run(run.state, wanted, policy)
    assert again.play().settle.outcome is (
        outcome if outcome is not Outcome.UPDATED else again_after_update(settled)
    )
    assert again.requests == 0


def again_after_update(settled: u.SettleUpdate) -> Outcome:
    """What the night after says of a customer that was updated."""
    return Outcome.CHANGED if settled.left else Outcome.UNCHANGED
