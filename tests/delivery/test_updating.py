"""The update protocol, row by row of docs/syncing.md; a hash is the value itself here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as u
from importer.delivery.protocol.events import Begin, Committed, Halt, Wait, WaitCause, Woken
from importer.delivery.protocol.flight import ProtocolError
from importer.delivery.protocol.safeguards import ALL_ON
from importer.delivery.protocol.states import (
    Conflict,
    Hashes,
    Memory,
    Synced,
    UpdateState,
    UpdateTransition,
    Updating,
    Verdict,
    takes_update,
)
from importer.delivery.protocol.updating import (
    Rule,
    UpdateFlight,
    UpdatePhase,
    UpdatePolicy,
    foresee,
    step,
)
from importer.outcomes import Outcome

ID = "bcus_1"
NEW = b"version 2"
GATEWAY = a.ServerFault(503, "http_503")


def values(**fields: str) -> Hashes:
    """Hashes of these values; ``metadata__key`` is a metadata key."""
    named = {name.replace("__", "."): text.encode() for name, text in fields.items()}
    return tuple(sorted(named.items()))


def shown(etag: str = "", metadata: u.Metadata = (), **fields: str) -> u.Shown:
    """What a GET answers."""
    return u.Shown(values(**fields), metadata, etag)


def patched(**fields: str) -> u.Patched:
    """What a PATCH answers."""
    return u.Patched(values(**fields))


def policy(**rules: Rule) -> UpdatePolicy:
    """The user's rules."""
    named = {name.replace("__", "."): rule for name, rule in rules.items()}
    return UpdatePolicy(tuple(named.items()))


SOURCE = policy(name=Rule.SOURCE, email=Rule.SOURCE)
UNTOUCHED = policy(name=Rule.IF_UNTOUCHED, email=Rule.IF_UNTOUCHED)
BASE = Synced(ID, 3, values(name="Ann", email="a@x"), b"version 1")
OPEN = Updating(ID, 4, values(name="Ann"), values(name="Bea"), NEW)

Answers = (
    u.Shown
    | u.Patched
    | u.Gone
    | u.Clashed
    | u.UpdateLost
    | a.Answer
    | a.LookUpFailed
    | a.Found
    | a.Absent
)


class Story:
    """One customer on its way: what it asked for, and what it left in the ledger."""

    def __init__(
        self,
        state: UpdateState,
        wanted: Hashes,
        rules: UpdatePolicy,
        *answers: Answers,
        version: bytes = NEW,
    ) -> None:
        self.told: list[str] = []
        self.waits: list[tuple[WaitCause, float]] = []
        self.patches: list[u.Patch] = []
        self.commits: list[UpdateState] = []
        self.state = state
        self.end: u.SettleUpdate | Halt | None = None
        self._left = list(answers)
        self._play(UpdateFlight("R-1", version, wanted, state), rules)
        assert self._left == []

    @property
    def settled(self) -> u.SettleUpdate:
        """How it ended."""
        assert isinstance(self.end, u.SettleUpdate)
        return self.end

    @property
    def outcome(self) -> Outcome:
        """In one word."""
        return self.settled.settle.outcome

    def _play(self, flight: UpdateFlight, rules: UpdatePolicy) -> None:
        event: u.UpdateEvent = Begin(0.0)
        while self.end is None:
            flight, command = step(flight, event, rules)
            self.told.append(type(command).__name__)
            match command:
                case u.CommitUpdate(transition):
                    event = self._commit(transition)
                case u.Read():
                    event = u.ReadBack(self._left.pop(0))  # type: ignore[arg-type]
                case u.Patch():
                    self.patches.append(command)
                    event = u.PatchAnswered(self._left.pop(0))  # type: ignore[arg-type]
                case u.Seek():
                    event = u.SoughtAgain(self._left.pop(0))  # type: ignore[arg-type]
                case Wait(cause, floor, _):
                    self.waits.append((cause, floor))
                    event = Woken(0.0)
                case u.SettleUpdate() | Halt():
                    self.end = command

    def _commit(self, transition: UpdateTransition) -> u.UpdateEvent:
        if self._left and isinstance(self._left[0], u.UpdateLost):
            lost = self._left.pop(0)
            assert isinstance(lost, u.UpdateLost)
            self.state = lost.actual
            return lost
        assert takes_update(self.state, transition, ALL_ON)
        assert transition.new.serial == transition.expected.serial + 1
        self.commits.append(transition.new)
        self.state = transition.new
        return Committed(0.0)


# What costs no request ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "wanted", "rules", "outcome"),
    [
        (BASE, values(name="Bea"), policy(), Outcome.CHANGED),
        (BASE, values(name="Ann"), SOURCE, Outcome.UNCHANGED),
        (BASE, values(email="a@x"), UNTOUCHED, Outcome.UNCHANGED),
        (BASE, (), SOURCE, Outcome.UNCHANGED),
        (
            replace(BASE, memory=Memory(conflicts=(Conflict("name", b"Cid", b"Bea"),))),
            values(name="Bea"),
            UNTOUCHED,
            Outcome.CONFLICT,
        ),
        (
            replace(BASE, memory=Memory(otherwise=values(name="BEA"))),
            values(name="BEA"),
            SOURCE,
            Outcome.UNCHANGED,
        ),
        (
            replace(
                BASE,
                memory=Memory(verdict=Verdict(Outcome.REJECTED, values(name="Bea"), 400, "bad")),
            ),
            values(name="Bea"),
            SOURCE,
            Outcome.REJECTED,
        ),
        (
            replace(
                OPEN,
                memory=Memory(verdict=Verdict(Outcome.MISSING, values(name="Bea"), 404, "")),
            ),
            values(name="Bea"),
            SOURCE,
            Outcome.MISSING,
        ),
    ],
    ids=[
        "never",
        "equal",
        "equal, looked",
        "empty cells",
        "conflict",
        "other form",
        "refused",
        "missing",
    ],
)
def test_a_quiet_night_sends_nothing(
    state: UpdateState, wanted: Hashes, rules: UpdatePolicy, outcome: Outcome
) -> None:
    """What is in step, left alone, or known to be impossible is settled from the ledger."""
    story = Story(state, wanted, rules)
    assert story.told == ["SettleUpdate"]
    assert story.outcome is outcome
    assert foresee(state, NEW, wanted, rules).outcome is outcome


def test_a_field_that_is_left_alone_is_named() -> None:
    """A changed row says which fields differ in the source."""
    story = Story(BASE, values(name="Bea", email="a@x"), policy())
    assert story.settled.left == ("name",)


# The straight ways --------------------------------------------------------------------------------


def test_the_source_wins_with_one_request() -> None:
    """A source field is written without a look, after the write-ahead."""
    story = Story(BASE, values(name="Bea", email="a@x"), SOURCE, patched(name="Bea", email="a@x"))
    assert story.told == ["CommitUpdate", "Patch", "CommitUpdate", "SettleUpdate"]
    ahead, after = story.commits
    assert ahead == Updating(ID, 4, BASE.base, values(name="Bea"), NEW)
    assert after == Synced(ID, 5, values(name="Bea", email="a@x"), NEW)
    assert story.outcome is Outcome.UPDATED
    assert story.settled.updated == ("name",)


def test_an_untouched_field_is_read_and_written() -> None:
    """Where Moment still holds what we wrote, the source's value is written over it."""
    story = Story(
        BASE,
        values(name="Bea"),
        UNTOUCHED,
        shown("tag", name="Ann", email="a@x"),
        patched(name="Bea"),
    )
    assert story.told == ["Read", "CommitUpdate", "Patch", "CommitUpdate", "SettleUpdate"]
    assert story.patches == [u.Patch(ID, ("name",), (), "tag")]
    assert story.outcome is Outcome.UPDATED


def test_a_touched_field_is_a_conflict_and_the_others_are_written() -> None:
    """What somebody wrote at Moment stays, and is remembered; the rest of the row is written."""
    look = shown(name="Cid", email="a@x")
    story = Story(
        BASE, values(name="Bea", email="b@x"), UNTOUCHED, look, look, patched(email="b@x")
    )
    assert [patch.fields for patch in story.patches] == [("email",)]
    assert story.outcome is Outcome.CONFLICT
    assert story.settled.conflicts == ("name",)
    assert story.settled.updated == ("email",)
    assert isinstance(story.state, Synced)
    assert story.state.memory.conflicts == (Conflict("name", b"Cid", b"Bea"),)
    assert story.state.version == b""
    again = Story(story.state, values(name="Bea", email="b@x"), UNTOUCHED)
    assert (again.told, again.outcome) == (["SettleUpdate"], Outcome.CONFLICT)


def test_a_conflict_stays_remembered_while_other_fields_are_written() -> None:
    """A mark says nothing of the name: what somebody wrote there is no news afterwards."""
    conflict = Conflict("name", b"Cid", b"Ann")
    marked = Story(
        replace(BASE, memory=Memory(conflicts=(conflict,))),
        values(metadata__status="gone"),
        policy(metadata__status=Rule.SOURCE),
        shown(name="Cid", email="a@x"),
        patched(metadata__status="gone"),
        version=b"",
    )
    assert marked.outcome is Outcome.UPDATED
    assert marked.state.memory.conflicts == (conflict,)
    again = Story(marked.state, values(name="Ann", email="a@x"), UNTOUCHED)
    assert (again.told, again.outcome) == (["SettleUpdate"], Outcome.CONFLICT)


def test_a_conflict_is_asked_again_once_the_source_wants_another_value() -> None:
    """Remembered is what was wanted then; another wish, or the policy source, is a new question."""
    memory = Memory(conflicts=(Conflict("name", b"Cid", b"Bea"),))
    state = replace(BASE, memory=memory)
    look = shown(name="Ann")
    back = Story(state, values(name="Dee"), UNTOUCHED, look, patched(name="Dee"))
    forced = Story(state, values(name="Bea"), SOURCE, patched(name="Bea"))
    assert back.outcome is forced.outcome is Outcome.UPDATED


def test_a_surprise_is_read_twice() -> None:
    """A stale replica shows an older value once; the second look, later, decides."""
    story = Story(
        BASE,
        values(name="Bea"),
        UNTOUCHED,
        shown(name="Old"),
        shown(name="Ann"),
        patched(name="Bea"),
    )
    assert story.waits == [(WaitCause.CONFIRM, 5.0)]
    assert story.outcome is Outcome.UPDATED


def test_a_field_without_a_base_conflicts_unless_nothing_stands_there() -> None:
    """What we never wrote is somebody else's; an empty place is nobody's."""
    found = Synced(ID, 0)
    other = Story(found, values(name="Bea"), UNTOUCHED, shown(name="Cid"))
    same = Story(found, values(name="Bea"), UNTOUCHED, shown(name="Bea"))
    empty = Story(
        found,
        values(phone="+27"),
        policy(phone=Rule.IF_UNTOUCHED),
        shown(name="Cid"),
        patched(phone="+27"),
    )
    assert other.outcome is Outcome.CONFLICT
    assert same.outcome is Outcome.UNCHANGED
    assert same.state == Synced(ID, 1, values(name="Bea"), NEW)
    assert empty.outcome is Outcome.UPDATED


def test_a_value_that_somebody_took_away_is_a_conflict() -> None:
    """A place that we had filled and that is empty now was emptied by somebody."""
    look = shown(email="a@x")
    story = Story(BASE, values(name="Bea"), UNTOUCHED, look, look)
    assert story.outcome is Outcome.CONFLICT
    assert isinstance(story.state, Synced)
    assert story.state.memory.conflicts == (Conflict("name", b"", b"Bea"),)


# Money and metadata -------------------------------------------------------------------------------

MONEY = Synced(ID, 1, values(balance="100", currency="ZAR"))


def test_the_currency_stands_beside_a_balance() -> None:
    """A balance is sent with its currency, without a look where Moment is known to hold it."""
    rules = policy(balance=Rule.SOURCE)
    story = Story(
        MONEY, values(balance="70", currency="ZAR"), rules, patched(balance="70", currency="ZAR")
    )
    assert [patch.fields for patch in story.patches] == [("balance", "currency")]


@pytest.mark.parametrize("held", ["USD", ""])
def test_an_amount_is_never_written_under_another_currency(held: str) -> None:
    """Where Moment holds another currency, which may not be written, the balance is a conflict."""
    rules = policy(balance=Rule.SOURCE)
    look = u.Shown(values(balance="100", **({"currency": held} if held else {})))
    story = Story(MONEY, values(balance="70", currency="EUR"), rules, look, look)
    assert story.outcome is Outcome.CONFLICT
    assert "balance" in story.settled.conflicts
    again = Story(story.state, values(balance="70", currency="EUR"), rules)
    assert (again.told, again.outcome) == (["SettleUpdate"], Outcome.CONFLICT)


def test_a_currency_is_not_written_under_an_amount_that_somebody_moved() -> None:
    """100 ZAR that a payment made 40 must not become 40 EUR."""
    rules = policy(balance=Rule.IF_UNTOUCHED, currency=Rule.SOURCE)
    look = shown(balance="40", currency="ZAR")
    story = Story(MONEY, values(balance="70", currency="EUR"), rules, look, look)
    assert story.patches == []
    assert story.settled.conflicts == ("balance", "currency")


def test_both_are_written_together() -> None:
    """An amount with a new currency goes as one PATCH."""
    rules = policy(balance=Rule.SOURCE, currency=Rule.SOURCE)
    answer = patched(balance="70", currency="EUR")
    story = Story(MONEY, values(balance="70", currency="EUR"), rules, answer)
    assert story.outcome is Outcome.UPDATED


def test_metadata_is_read_first_and_sent_as_the_union() -> None:
    """Each key has its own base; the PATCH carries all that Moment held."""
    base = replace(BASE, base=values(metadata__tier="gold"))
    held = (("tier", '"gold"'), ("vip", "true"))
    look = u.Shown(values(metadata__tier="gold", metadata__vip="true"), held)
    story = Story(
        base,
        values(metadata__tier="silver", metadata__vip="false"),
        policy(metadata=Rule.SOURCE, metadata__vip=Rule.NEVER),
        look,
        patched(metadata__tier="silver"),
    )
    assert story.patches == [u.Patch(ID, ("metadata.tier",), held)]
    assert story.settled.left == ("metadata.vip",)
    assert story.outcome is Outcome.UPDATED


# What an answer to the PATCH means ----------------------------------------------------------------


def test_what_moment_stores_otherwise_is_told_and_not_sent_again() -> None:
    """The answer's form becomes the base, and the same source value is in step with it."""
    story = Story(BASE, values(name="BEA"), SOURCE, patched(name="Bea"))
    assert (story.outcome, story.settled.otherwise) == (Outcome.UPDATED, ("name",))
    assert Story(story.state, values(name="BEA"), SOURCE).told == ["SettleUpdate"]
    further = Story(
        story.state, values(name="Dee"), UNTOUCHED, shown(name="Bea"), patched(name="Dee")
    )
    assert further.outcome is Outcome.UPDATED


def test_a_field_that_the_answer_lacks_is_read() -> None:
    """The GET then decides; what even that does not show is taken on Moment's word, once."""
    read = Story(BASE, values(name="Bea"), SOURCE, patched(email="a@x"), shown(name="Bea"))
    assert (read.outcome, read.settled.updated) == (Outcome.UPDATED, ("name",))
    hidden = Story(BASE, values(name="Bea"), SOURCE, patched(), shown(email="a@x"))
    assert hidden.outcome is Outcome.UPDATED
    assert Story(hidden.state, values(name="Bea"), SOURCE).told == ["SettleUpdate"]


@pytest.mark.parametrize(
    "lost",
    [
        GATEWAY,
        a.Unknown("read_timeout"),
        a.Unbelievable(200, "not_our_customer"),
        a.Blocked(403, of_api=False),
    ],
)
def test_an_unknown_outcome_stays_open_and_is_read(lost: a.Answer) -> None:
    """Nothing is sent again before Moment was asked what it holds."""
    landed = Story(BASE, values(name="Bea"), SOURCE, lost, shown(name="Bea"))
    assert landed.waits == [(WaitCause.FAULT, 5.0)]
    assert landed.told == ["CommitUpdate", "Patch", "Wait", "Read", "CommitUpdate", "SettleUpdate"]
    assert landed.outcome is Outcome.UPDATED
    not_landed = Story(
        BASE,
        values(name="Bea"),
        UNTOUCHED,
        shown(name="Ann"),
        lost,
        shown(name="Ann"),
        patched(name="Bea"),
    )
    assert len(not_landed.patches) == 2


def test_an_edit_after_an_unknown_outcome_is_not_overwritten() -> None:
    """The look after a lost answer sees what somebody wrote meanwhile."""
    cid = shown(name="Cid")
    story = Story(BASE, values(name="Bea"), UNTOUCHED, shown(name="Ann"), GATEWAY, cid, cid)
    assert (len(story.patches), story.outcome) == (1, Outcome.CONFLICT)


def test_a_row_without_luck_stays_open() -> None:
    """After so many failures the customer is left unsettled, and the PATCH is known to be open."""
    rules = replace(SOURCE, max_failures=3)
    story = Story(
        BASE,
        values(name="Bea"),
        rules,
        GATEWAY,
        a.LookUpFailed("timeout"),
        a.LookUpFailed("timeout"),
    )
    assert story.outcome is Outcome.UNSETTLED
    assert story.settled.settle.error_code == "look_up_timeout"
    assert isinstance(story.state, Updating)


@pytest.mark.parametrize("nothing_sent", [a.NotSent("refused"), a.Throttled(7.0)])
def test_what_never_left_is_sent_again(nothing_sent: a.Answer) -> None:
    """A 429 or a failed connection wrote nothing: without a look before, none is needed now."""
    story = Story(BASE, values(name="Bea"), SOURCE, nothing_sent, patched(name="Bea"))
    assert story.told.count("Read") == 0
    looked = Story(
        BASE,
        values(name="Bea"),
        UNTOUCHED,
        shown(name="Ann"),
        nothing_sent,
        shown(name="Ann"),
        patched(name="Bea"),
    )
    assert looked.told.count("Read") == 2


def test_a_throttled_row_never_fails() -> None:
    """429 slows the run, and is no failure of the row."""
    rules = replace(SOURCE, max_failures=1)
    story = Story(BASE, values(name="Bea"), rules, *[a.Throttled()] * 20, patched(name="Bea"))
    assert story.outcome is Outcome.UPDATED


def test_a_customer_that_the_api_turns_away_is_set_aside() -> None:
    """403 of the API itself is not about these values: nothing is remembered of them."""
    story = Story(BASE, values(name="Bea"), SOURCE, a.Blocked(403, of_api=True))
    assert (story.outcome, story.settled.settle.error_code) == (Outcome.UNSETTLED, "turned_away")
    assert isinstance(story.state, Updating)


@pytest.mark.parametrize("status", [409, 412])
def test_a_clash_is_read_again_a_few_times(status: int) -> None:
    """Somebody was faster: look again, decide again, and give up after a while."""
    look = shown(name="Ann")
    once = Story(
        BASE, values(name="Bea"), UNTOUCHED, look, u.Clashed(status), look, patched(name="Bea")
    )
    assert once.outcome is Outcome.UPDATED
    for_ever = [answer for _ in range(4) for answer in (look, u.Clashed(status))]
    never = Story(BASE, values(name="Bea"), UNTOUCHED, *for_ever)
    assert never.outcome is Outcome.UNSETTLED


def test_a_refused_version_is_not_sent_again() -> None:
    """The same values are refused without a request; others, or the user's wish, are sent."""
    refusal = a.Refused(422, "bad_name", "no such name")
    story = Story(BASE, values(name="Bea"), SOURCE, refusal)
    assert (story.outcome, story.settled.settle.error_code) == (Outcome.REJECTED, "bad_name")
    assert isinstance(story.state, Synced)
    assert story.state.base == BASE.base
    assert Story(story.state, values(name="Bea"), SOURCE).told == ["SettleUpdate"]
    other = Story(story.state, values(name="Dee"), SOURCE, patched(name="Dee"))
    retried = Story(
        story.state, values(name="Bea"), replace(SOURCE, retry_rejected=True), patched(name="Bea")
    )
    assert other.outcome is retried.outcome is Outcome.UPDATED
    assert other.state.memory == Memory()


# A customer that is not there ---------------------------------------------------------------------


def test_a_missing_customer_is_never_created_again() -> None:
    """Both ways to it answer 404 twice; the next night asks nothing."""
    story = Story(BASE, values(name="Bea"), SOURCE, u.Gone(), a.Absent(), u.Gone(), a.Absent())
    assert story.outcome is Outcome.MISSING
    assert Story(story.state, values(name="Bea"), SOURCE).told == ["SettleUpdate"]


def test_a_replica_that_lags_makes_nobody_missing() -> None:
    """The second look finds the customer, and it is written."""
    story = Story(
        BASE,
        values(name="Bea"),
        SOURCE,
        u.Gone(),
        a.Absent(),
        shown(name="Ann"),
        patched(name="Bea"),
    )
    assert story.outcome is Outcome.UPDATED


def test_another_id_under_the_reference_is_a_conflict() -> None:
    """The id of the ledger is not replaced by another."""
    story = Story(BASE, values(name="Bea"), SOURCE, u.Gone(), a.Found("bcus_2"))
    assert (story.outcome, story.settled.settle.error_code) == (Outcome.CONFLICT, "other_id")
    assert story.state.customer_id == ID


# An update that was open --------------------------------------------------------------------------


def test_an_open_update_that_landed_is_told_by_the_next_run() -> None:
    """The run that sent it could not know; this one has looked."""
    story = Story(OPEN, values(name="Bea"), UNTOUCHED, shown(name="Bea"))
    assert (story.outcome, story.settled.updated) == (Outcome.UPDATED, ("name",))
    assert story.state == Synced(ID, 5, values(name="Bea"), NEW)


def test_a_newer_version_lets_the_older_one_land_first() -> None:
    """The wait comes before the look, and what was sent counts as ours: no false conflict."""
    story = Story(
        OPEN,
        values(name="Dee"),
        UNTOUCHED,
        shown(name="Bea"),
        patched(name="Dee"),
        version=b"version 3",
    )
    assert story.waits == [(WaitCause.CONFIRM, 5.0)]
    assert story.told[:2] == ["Wait", "Read"]
    assert story.outcome is Outcome.UPDATED
    ahead = story.commits[0]
    assert isinstance(ahead, Updating)
    assert set(ahead.ours) == {("name", b"Ann"), ("name", b"Bea"), ("name", b"Dee")}


def test_a_source_that_went_back_closes_the_open_update() -> None:
    """Base and source agree, and still Moment is asked: the open PATCH may have landed."""
    story = Story(
        OPEN,
        values(name="Ann"),
        SOURCE,
        shown(name="Bea"),
        patched(name="Ann"),
        version=b"version 1",
    )
    assert story.outcome is Outcome.UPDATED


# The ledger, and the end of a run -----------------------------------------------------------------


def test_a_lost_compare_and_set_believes_the_ledger() -> None:
    """Another importer was faster: what it left is what is decided on."""
    actual = Synced(ID, 9, values(name="Bea", email="a@x"), NEW)
    story = Story(BASE, values(name="Bea"), SOURCE, u.UpdateLost(actual))
    assert (story.told, story.outcome) == (["CommitUpdate", "SettleUpdate"], Outcome.UNCHANGED)
    other = Story(BASE, values(name="Bea"), SOURCE, u.UpdateLost(replace(actual, customer_id="x")))
    assert (other.outcome, other.settled.settle.error_code) == (Outcome.UNSETTLED, "second_id")


def test_the_run_may_be_wrong() -> None:
    """401 and the like stop the run; the customer keeps its state."""
    story = Story(BASE, values(name="Bea"), SOURCE, a.RunWrong("unauthorised", 401))
    assert story.end == Halt("unauthorised", 401)


def test_an_event_out_of_turn_is_a_programming_error() -> None:
    """The machine takes nothing that it did not ask for."""
    flight = UpdateFlight("R-1", NEW, values(name="Bea"), BASE)
    assert flight.phase is UpdatePhase.READY
    with pytest.raises(ProtocolError, match="Woken in phase ready"):
        step(flight, Woken(0.0), SOURCE)


@pytest.mark.parametrize(
    ("rules", "field", "rule"),
    [
        (policy(), "name", Rule.NEVER),
        (policy(metadata=Rule.SOURCE), "metadata.tier", Rule.SOURCE),
        (policy(metadata=Rule.SOURCE, metadata__tier=Rule.NEVER), "metadata.tier", Rule.NEVER),
    ],
)
def test_a_key_has_its_own_rule_or_that_of_all(rules: UpdatePolicy, field: str, rule: Rule) -> None:
    """``metadata.tier`` wins over ``metadata``; without a word it is ``never``."""
    assert rules.rule(field) is rule


def test_what_is_foreseen_is_what_is_done() -> None:
    """A plan says which fields may be written, and whether Moment is asked first."""
    wanted = values(name="Bea", email="a@x")
    assert foresee(BASE, NEW, wanted, SOURCE).fields == ("name",)
    assert not foresee(BASE, NEW, wanted, SOURCE).reads
    assert foresee(BASE, NEW, wanted, UNTOUCHED).reads
    assert foresee(OPEN, NEW, wanted, SOURCE).reads
