"""The protocol's table, rule by rule: what the ledger holds, what Moment says, what is done."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as e
from importer.delivery.protocol.creating import Flight, Phase, Policy, ProtocolError, step
from importer.delivery.protocol.states import (
    NEW,
    Done,
    Hashes,
    New,
    Origin,
    Rejected,
    Sent,
    State,
)
from importer.outcomes import Outcome

NOW = 1_000_000.0
HOUR = 3600.0
A, B = b"version A", b"version B"
POLICY = Policy()

SENT = Sent(3, A, NOW - HOUR)
OLD = Sent(3, A, NOW - 21 * HOUR)
FUTURE = Sent(3, A, NOW + HOUR)
OTHER = Sent(3, B, NOW - HOUR)
DONE = Done(3, A, "bcus_1", Origin.CREATED)
DONE_OTHER = Done(3, B, "bcus_1", Origin.FOUND, ("name",))
REJECTED = Rejected(3, A, 400, "invalid")
REJECTED_OTHER = Rejected(3, B, 400, "invalid")

Seen = list[str]


def flight(state: State) -> Flight:
    """A row of version A on what the ledger holds."""
    return Flight("REF", A, state)


def told(command: e.Command) -> str:
    """A command in short, without times."""
    match command:
        case e.Commit(transition):
            new = transition.new
            assert not isinstance(new, New)
            details = f" {new.generation} {new.fingerprint[-1:].decode()}"
            name = type(new).__name__.lower()
            origin = f" {new.origin}" if isinstance(new, Done) else ""
            return f"commit {name}{details}{origin}"
        case e.Send(generation):
            return f"send {generation}"
        case e.LookUp(why):
            return f"look up {why}"
        case e.Wait(cause, floor, failures):
            return f"wait {cause} {floor:g} {failures}"
        case e.Settle(outcome, customer_id):
            return f"settle {outcome} {customer_id}".strip()
        case e.Halt(reason):
            return f"halt {reason}"


def run(state: State, *happened: object, policy: Policy = POLICY) -> Seen:
    """Begin, commit whatever is asked, and feed the answers; the commands in short."""
    row, command = step(flight(state), e.Begin(NOW), policy)
    seen = [told(command)]
    script = list(happened)
    while True:
        if isinstance(command, e.Commit):
            event: e.Event = e.Committed(NOW)
        elif not script:
            return seen
        elif isinstance(command, e.Wait):
            assert script.pop(0) == "woken"
            event = e.Woken(NOW)
        elif isinstance(command, e.LookUp):
            event = e.LookedUp(script.pop(0), NOW)  # type: ignore[arg-type]
        else:
            event = e.Answered(script.pop(0), NOW)  # type: ignore[arg-type]
        row, command = step(row, event, policy)
        seen.append(told(command))


@pytest.mark.parametrize(
    ("state", "policy", "expected"),
    [
        (NEW, POLICY, ["commit sent 0 A", "send 0"]),
        (SENT, POLICY, ["send 3"]),
        (OLD, POLICY, ["look up stale"]),
        (FUTURE, POLICY, ["look up stale"]),
        (OTHER, POLICY, ["look up stale"]),
        (DONE, POLICY, ["settle unchanged bcus_1"]),
        (DONE_OTHER, POLICY, ["settle changed bcus_1"]),
        (REJECTED, POLICY, ["settle rejected"]),
        (REJECTED, replace(POLICY, retry_rejected=True), ["commit sent 4 A", "send 4"]),
        (REJECTED_OTHER, POLICY, ["commit sent 4 A", "send 4"]),
    ],
)
def test_what_the_ledger_holds_decides_how_a_row_begins(
    state: State, policy: Policy, expected: Seen
) -> None:
    """Each ledger state has one way in."""
    assert run(state, policy=policy) == expected


def test_the_twenty_hours_and_the_clock_slack_are_exact() -> None:
    """At the limit itself a row is still sent; beyond it is looked up."""
    assert run(Sent(0, A, NOW - POLICY.stale_after)) == ["send 0"]
    assert run(Sent(0, A, NOW - POLICY.stale_after - 1)) == ["look up stale"]
    assert run(Sent(0, A, NOW + POLICY.clock_slack)) == ["send 0"]
    assert run(Sent(0, A, NOW + POLICY.clock_slack + 1)) == ["look up stale"]


CREATED = a.Created("bcus_7")
FAILED = "wait fault 0 1"
REPLAYED = "look up replayed"
ANSWERS: list[tuple[a.Answer, Seen]] = [
    (CREATED, ["commit done 3 A created", "settle created bcus_7"]),
    (replace(CREATED, http_status=200), ["commit done 3 A created", "settle created bcus_7"]),
    (replace(CREATED, replayed=True), ["commit done 3 A replayed", "settle created bcus_7"]),
    (
        replace(CREATED, replayed=True, differs=("name",)),
        ["commit done 3 A replayed", "settle created bcus_7"],
    ),
    (a.Unbelievable(200, "not_json"), ["look up unsure"]),
    (a.NotSent("connect_error"), [FAILED]),
    (a.Unknown("read_timeout"), [FAILED]),
    (a.Refused(400, "invalid"), ["look up refused"]),
    (a.Refused(402, "invalid"), ["look up refused"]),
    (a.Refused(422, "invalid"), ["look up refused"]),
    (a.Refused(400, "exists", says_exists=True), ["look up refused"]),
    (a.Refused(400, "invalid", replayed=True), [REPLAYED]),
    (a.Refused(422, "exists", replayed=True, says_exists=True), [REPLAYED]),
    (a.Conflicted(), ["look up conflict"]),
    (a.Conflicted(replayed=True), [REPLAYED]),
    (a.ServerFault(503, "http_503"), [FAILED]),
    (a.ServerFault(503, "http_503", retry_after=9.0), ["wait fault 9 1"]),
    (a.ServerFault(500, "http_500", replayed=True), [REPLAYED]),
    (a.Throttled(), ["wait throttled 0 0"]),
    (a.Throttled(retry_after=7.0), ["wait throttled 7 0"]),
    (a.Throttled(replayed=True), [REPLAYED]),
    (a.RunWrong("unauthorised", 401), ["halt unauthorised"]),
    (a.RunWrong("forbidden", 403, replayed=True), [REPLAYED]),
]


@pytest.mark.parametrize(("answer", "expected"), ANSWERS, ids=lambda one: repr(one)[:60])
def test_what_an_answer_to_the_post_leads_to(answer: a.Answer, expected: Seen) -> None:
    """Each answer has one consequence, also in its replayed form."""
    assert run(SENT, answer) == ["send 3", *expected]


@pytest.mark.parametrize(("answer", "expected"), ANSWERS, ids=lambda one: repr(one)[:60])
def test_a_new_row_and_a_corrected_one_meet_the_same_answers(
    answer: a.Answer, expected: Seen
) -> None:
    """What an answer means does not depend on how the row came to be sent."""
    for state, number in ((NEW, 0), (REJECTED_OTHER, 4)):
        wanted = [text.replace("done 3", f"done {number}") for text in expected]
        assert run(state, answer) == [f"commit sent {number} A", f"send {number}", *wanted]


FOUND = a.Found("bcus_7")
GONE = a.Absent()
DIFFERENT = a.Found("bcus_7", ("name",))
FOUND_ENDS = ["commit done 3 A found", "settle found bcus_7"]
ADVANCED = ["commit sent 4 A", "send 4"]
REASONS: list[tuple[a.Answer, str, Seen]] = [
    (a.ServerFault(500, "x", replayed=True), "replayed", ADVANCED),
    (a.Refused(400, "x", replayed=True), "replayed", ADVANCED),
    (a.Conflicted(replayed=True), "replayed", ADVANCED),
    (a.Throttled(replayed=True), "replayed", ADVANCED),
    (a.RunWrong("forbidden", 403, replayed=True), "replayed", ADVANCED),
    (a.Conflicted(), "conflict", ["wait conflict 0 1"]),
    (a.Unbelievable(200, "x"), "unsure", ["wait fault 0 1"]),
    (a.Refused(400, "x"), "refused", ["wait confirm 5 0"]),
    (a.Refused(422, "x"), "refused", ADVANCED),
    (a.Refused(400, "x", says_exists=True), "refused", ["wait confirm 5 1"]),
    (a.Refused(422, "x", says_exists=True), "refused", ADVANCED),
]


@pytest.mark.parametrize(("answer", "why", "absent"), REASONS, ids=lambda one: repr(one)[:60])
def test_what_a_look_up_leads_to(answer: a.Answer, why: str, absent: Seen) -> None:
    """Found is always the end; what a 404 means depends on why was asked."""
    asked = ["send 3", f"look up {why}"]
    assert run(SENT, answer, FOUND) == [*asked, *FOUND_ENDS]
    assert run(SENT, answer, DIFFERENT) == [*asked, *FOUND_ENDS]
    assert run(SENT, answer, GONE) == [*asked, *absent]
    again = [*asked, "wait fault 0 1", f"look up {why}"]
    assert run(SENT, answer, a.LookUpFailed("http_503", 503), "woken") == again
    slower = [*asked, "wait throttled 3 0", f"look up {why}"]
    throttled = a.LookUpFailed("throttled", 429, throttled=True, retry_after=3.0)
    assert run(SENT, answer, throttled, "woken") == slower
    wrong = a.RunWrong("unauthorised", 401)
    assert run(SENT, answer, wrong) == [*asked, "halt unauthorised"]


@pytest.mark.parametrize("state", [OLD, OTHER, FUTURE])
def test_a_stale_row_advances_only_when_it_is_absent(state: Sent) -> None:
    """Old, changed or from the future: found is the end, a 404 opens the next generation."""
    assert run(state, GONE) == ["look up stale", *ADVANCED]
    assert run(state, FOUND)[1:] == FOUND_ENDS


def test_done_remembers_the_version_that_was_sent_where_moment_holds_another() -> None:
    """A changed row whose older version is at Moment shows as changed in the next run."""
    assert run(OTHER, DIFFERENT)[1] == "commit done 3 B found"
    assert run(OTHER, FOUND)[1] == "commit done 3 A found"


SENT_FIELDS = (("balance", b"100"), ("currency", b"ZAR"))


@pytest.mark.parametrize(
    ("fields", "answer", "note"),
    [
        (SENT_FIELDS, replace(CREATED, seen=SENT_FIELDS), (201, "", "")),
        (SENT_FIELDS, replace(CREATED, seen=(*SENT_FIELDS, ("phone", b"+27"))), (201, "", "")),
        (
            SENT_FIELDS,
            replace(CREATED, seen=(("balance", b"100"), ("currency", b"USD"))),
            (201, "stored_otherwise", "Moment stored other values in: currency"),
        ),
        (
            SENT_FIELDS,
            replace(CREATED, seen=(("name", b"Ada"),)),
            (201, "stored_otherwise", "Moment stored other values in: balance, currency"),
        ),
        (SENT_FIELDS, CREATED, (201, "", "")),
        (None, replace(CREATED, seen=SENT_FIELDS), (201, "", "")),
        (SENT_FIELDS, replace(CREATED, replayed=True, seen=SENT_FIELDS[:1]), (201, "", "")),
    ],
    ids=["same", "more", "another", "dropped", "not shown", "not known", "replayed"],
)
def test_a_fresh_customer_that_shows_other_values_than_were_sent_is_told_of(
    fields: Hashes | None, answer: a.Created, note: tuple[int, str, str]
) -> None:
    """The customer is ours and is created; what Moment made of a value is no silent success."""
    row, _ = step(flight(NEW)._replace(fields=fields), e.Begin(NOW), POLICY)
    row, _ = step(row, e.Committed(NOW), POLICY)
    row, command = step(row, e.Answered(answer, NOW), POLICY)
    origin = Origin.REPLAYED if answer.replayed else Origin.CREATED
    assert isinstance(command, e.Commit)
    assert command.transition.new == Done(0, A, answer.customer_id, origin)
    _, settled = step(row, e.Committed(NOW), POLICY)
    assert isinstance(settled, e.Settle)
    assert settled == e.Settle(Outcome.CREATED, answer.customer_id, *note)


def test_a_first_refusal_of_a_row_never_sent_before_is_believed_at_once() -> None:
    """Nothing of ours can exist, so one 404 is enough."""
    seen = run(NEW, a.Refused(400, "invalid"), GONE)
    assert seen[2:] == ["look up refused", "commit rejected 0 A", "settle rejected"]


def test_a_refusal_after_an_earlier_send_needs_two_absences_apart() -> None:
    """One 404 may come from a stale replica; the second, later one rejects."""
    seen = run(SENT, a.Refused(400, "invalid"), GONE, "woken", GONE)
    assert seen[1:] == [
        "look up refused", "wait confirm 5 0", "look up refused",
        "commit rejected 3 A", "settle rejected",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "trouble",
    [a.Unknown("x"), a.ServerFault(503, "x")],
)
def test_trouble_in_this_run_makes_a_later_refusal_doubtful(trouble: a.Answer) -> None:
    """A request of unknown outcome may have created the customer that the refusal is about."""
    seen = run(NEW, trouble, "woken", a.Refused(400, "invalid"), GONE)
    assert seen[-1] == "wait confirm 5 1"


@pytest.mark.parametrize("trouble", [a.NotSent("x"), a.Throttled()])
def test_what_never_reached_moment_leaves_a_refusal_certain(trouble: a.Answer) -> None:
    """No connection and a fresh 429 mean that nothing was processed."""
    seen = run(NEW, trouble, "woken", a.Refused(400, "invalid"), GONE)
    assert seen[-2:] == ["commit rejected 0 A", "settle rejected"]


def test_a_refusal_keeps_moments_words_though_a_look_failed_after_it() -> None:
    """What is wrong with the row is what Moment refused it for, not the 503 of a look-up."""
    answers: list[e.Event] = [
        e.Begin(NOW),
        e.Committed(NOW),
        e.Answered(a.Refused(400, "no_name", "Name it"), NOW),
        e.LookedUp(a.LookUpFailed("http_503", 503), NOW),
        e.Woken(NOW),
        e.LookedUp(a.Absent(), NOW),
        e.Committed(NOW),
    ]
    row = flight(NEW)
    for event in answers:
        row, command = step(row, event, POLICY)
    assert command == e.Settle(Outcome.REJECTED, "", 400, "no_name", "Name it")


def test_a_second_422_is_believed() -> None:
    """The first may speak of the key, the second under a new key speaks of the row."""
    refused = a.Refused(422, "invalid")
    seen = run(NEW, refused, GONE, refused, GONE, "woken", GONE)
    assert seen == [
        "commit sent 0 A", "send 0", "look up refused",
        "commit sent 1 A", "send 1", "look up refused", "wait confirm 5 0", "look up refused",
        "commit rejected 1 A", "settle rejected",
    ]  # fmt: skip


def test_a_refusal_that_says_exists_never_rejects() -> None:
    """Moment and its replica disagree: the row waits, and stays unsettled in the end."""
    policy = replace(POLICY, max_failures=3)
    refused = a.Refused(400, "exists", says_exists=True)
    seen = run(NEW, refused, GONE, "woken", GONE, "woken", GONE, policy=policy)
    assert not any("rejected" in text for text in seen)
    assert seen[-1] == "settle unsettled"


def test_a_409_with_nothing_found_is_sent_again_under_the_same_key() -> None:
    """The first request is still running."""
    seen = run(SENT, a.Conflicted(), GONE, "woken")
    assert seen == ["send 3", "look up conflict", "wait conflict 0 1", "send 3"]


def test_failures_end_in_unsettled_not_in_rejected() -> None:
    """An outage is never the row's fault."""
    happened = [a.Unknown("x"), "woken"] * (POLICY.max_failures - 1)
    seen = run(SENT, *happened, a.Unknown("x"))
    assert seen[-1] == "settle unsettled"
    assert seen.count("send 3") == POLICY.max_failures


def test_a_server_that_replays_everything_costs_a_bounded_number_of_generations() -> None:
    """After max_advances the row is left for the next run."""
    fault = a.ServerFault(500, "x", replayed=True)
    seen = run(SENT, *[fault, GONE] * (POLICY.max_advances + 1))
    assert [text for text in seen if text.startswith("send")] == [f"send {n}" for n in (3, 4, 5, 6)]
    assert seen[-1] == "settle unsettled"


def lost(state: State, answer: a.Answer, actual: State) -> tuple[Flight, e.Command]:
    """A row whose commit after ``answer`` finds ``actual`` in the ledger."""
    row, _ = step(flight(state), e.Begin(NOW), POLICY)
    row, command = step(row, e.Answered(answer, NOW), POLICY)
    assert isinstance(command, e.Commit)
    return step(row, e.Lost(actual, NOW), POLICY)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (Done(3, A, "bcus_7", Origin.FOUND), "settle unchanged bcus_7"),
        (Done(3, B, "bcus_7", Origin.FOUND), "settle changed bcus_7"),
        (Done(3, A, "bcus_8", Origin.FOUND), "settle unsettled"),
        (Sent(4, A, NOW), "send 4"),
        (Sent(4, B, NOW), "look up stale"),
        (NEW, "commit sent 0 A"),
        (REJECTED, "settle rejected"),
        (REJECTED_OTHER, "commit sent 4 A"),
    ],
)
def test_a_lost_compare_and_set_believes_the_ledger(actual: State, expected: str) -> None:
    """Whoever moved the row first is right; two different ids are reported, never merged."""
    assert told(lost(SENT, CREATED, actual)[1]) == expected


def test_a_row_that_someone_else_moved_may_have_been_sent_by_them() -> None:
    """After a lost compare-and-set a refusal needs two absences, also of a new row."""
    row, _ = step(flight(NEW), e.Begin(NOW), POLICY)
    row, command = step(row, e.Lost(Sent(0, A, NOW), NOW), POLICY)
    assert told(command) == "send 0"
    row, _ = step(row, e.Answered(a.Refused(400, "invalid"), NOW), POLICY)
    _, command = step(row, e.LookedUp(GONE, NOW), POLICY)
    assert told(command) == "wait confirm 5 1"


def test_two_ids_for_one_row_are_named() -> None:
    """The message carries both ids, for a person to look at."""
    _, command = lost(SENT, CREATED, Done(3, A, "bcus_8", Origin.FOUND))
    assert isinstance(command, e.Settle)
    assert command.error_code == "second_id"
    assert "bcus_7" in command.message
    assert "bcus_8" in command.message


def test_losing_again_and_again_ends_unsettled() -> None:
    """Two importers that fight over a row give up, one at least."""
    row, command = step(flight(NEW), e.Begin(NOW), POLICY)
    lost_times = 0
    while isinstance(command, e.Commit):
        row, command = step(row, e.Lost(NEW, NOW), POLICY)
        lost_times += 1
    assert lost_times == POLICY.max_failures
    assert command == e.Settle(Outcome.UNSETTLED, error_code="ledger_contended")


FITS: dict[Phase, set[type[e.Event]]] = {
    Phase.READY: {e.Begin},
    Phase.COMMITTING: {e.Committed, e.Lost},
    Phase.SENDING: {e.Answered},
    Phase.LOOKING_UP: {e.LookedUp},
    Phase.WAITING: {e.Woken},
    Phase.OVER: set(),
}
EVENTS: list[e.Event] = [
    e.Begin(NOW),
    e.Committed(NOW),
    e.Lost(NEW, NOW),
    e.Answered(CREATED, NOW),
    e.LookedUp(FOUND, NOW),
    e.Woken(NOW),
]


@pytest.mark.parametrize(
    ("phase", "event"),
    [(p, event) for p, event in product(Phase, EVENTS) if type(event) not in FITS[p]],
    ids=lambda one: one.value if isinstance(one, Phase) else type(one).__name__,
)
def test_an_event_out_of_order_is_a_programming_error(phase: Phase, event: e.Event) -> None:
    """A driver that breaks the order is stopped, not obeyed."""
    row = flight(SENT)._replace(phase=phase, pending=SENT)
    with pytest.raises(ProtocolError) as raised:
        step(row, event, POLICY)
    assert phase.value in str(raised.value)


def test_the_changes_by_place_are_those_by_name() -> None:
    """Each sets the fields that it says, and keeps every other."""
    places: Any = range(len(Flight._fields))
    every = Flight(*places)
    trouble, refusal = (429, "busy", ""), a.Refused(400, "invalid")
    assert every.committing(DONE, trouble) == every._replace(
        phase=Phase.COMMITTING, pending=DONE, note=trouble
    )
    assert every.holding(SENT, Phase.SENDING, refusal, 1) == every._replace(
        state=SENT,
        phase=Phase.SENDING,
        pending=None,
        sends=every.sends + 1,
        why=None,
        refusal=refusal,
        absences=0,
    )
    assert type(every.committing(DONE, trouble)) is type(every.holding(SENT, Phase.OVER, None))


@pytest.mark.parametrize(
    "answer", [replace(CREATED, seen=SENT_FIELDS), replace(FOUND, seen=SENT_FIELDS)]
)
def test_what_moment_showed_goes_to_the_ledger_with_the_id(answer: a.Created | a.Found) -> None:
    """It is the base of updates, so it is written with the change that learns the id."""
    if isinstance(answer, a.Created):
        event: e.Event = e.Answered(answer, NOW)
        row = flight(SENT)._replace(phase=Phase.SENDING)
    else:
        row = flight(SENT)._replace(phase=Phase.LOOKING_UP, why=e.Why.STALE)
        event = e.LookedUp(answer, NOW)
    _, command = step(row, event, POLICY)
    assert isinstance(command, e.Commit)
    assert command.transition.seen == SENT_FIELDS


@pytest.mark.parametrize("pending", [None, NEW])
def test_a_commit_of_nothing_is_a_programming_error(pending: State | None) -> None:
    """Committed without a pending state cannot be."""
    row = flight(SENT)._replace(phase=Phase.COMMITTING, pending=pending)
    with pytest.raises(ProtocolError):
        step(row, e.Committed(NOW), POLICY)


def test_a_404_for_a_refusal_that_nobody_had_is_a_programming_error() -> None:
    """The look-up after a refusal needs the refusal."""
    row = flight(SENT)._replace(phase=Phase.LOOKING_UP, why=e.Why.REFUSED)
    with pytest.raises(ProtocolError):
        step(row, e.LookedUp(GONE, NOW), POLICY)
