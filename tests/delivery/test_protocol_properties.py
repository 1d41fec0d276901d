"""What holds for every sequence of events, whatever Moment, the wire and the ledger do."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from importer.delivery.protocol import answers as a
from importer.delivery.protocol import events as e
from importer.delivery.protocol.creating import Flight, Phase, Policy, ProtocolError, step
from importer.delivery.protocol.states import (
    NEW,
    Done,
    Origin,
    Rejected,
    Sent,
    State,
    Transition,
)
from importer.outcomes import Outcome

VERSIONS = st.sampled_from([b"A", b"B"])
TIMES = st.floats(0, 2e6)
SECONDS = st.none() | st.floats(0, 100)
CODES = st.sampled_from(["x", "exists"])
STATES: st.SearchStrategy[State] = st.one_of(
    st.just(NEW),
    st.builds(Sent, st.integers(0, 5), VERSIONS, TIMES),
    st.builds(
        Done, st.integers(0, 5), VERSIONS, st.sampled_from(["bcus_1", "bcus_2"]),
        st.sampled_from(Origin), st.sampled_from([(), ("name",)]),
    ),
    st.builds(Rejected, st.integers(0, 5), VERSIONS, st.sampled_from([400, 422]), CODES),
)  # fmt: skip
WRONG = st.builds(a.RunWrong, st.just("unauthorised"), st.just(401), st.booleans())
ANSWERS: st.SearchStrategy[a.Answer] = st.one_of(
    st.builds(a.Created, st.just("bcus_1"), st.just(201), st.booleans(), st.just(())),
    st.builds(a.Unbelievable, st.just(200), CODES),
    st.builds(a.NotSent, CODES),
    st.builds(a.Unknown, CODES),
    st.builds(
        a.Refused, st.sampled_from([400, 402, 422]), CODES, st.just(""), st.booleans(),
        st.booleans(),
    ),
    st.builds(a.Conflicted, CODES, st.booleans()),
    st.builds(a.ServerFault, st.sampled_from([500, 503]), CODES, st.booleans(), SECONDS),
    st.builds(a.Throttled, SECONDS, st.booleans()),
    WRONG,
)  # fmt: skip
LOOK_UPS: st.SearchStrategy[a.LookUpAnswer] = st.one_of(
    st.builds(a.Found, st.just("bcus_1"), st.sampled_from([(), ("name",)])),
    st.just(a.Absent()),
    st.just(a.Absent()),
    st.builds(a.LookUpFailed, CODES, st.just(503), st.booleans(), SECONDS),
)


@dataclass
class Course:
    """One random course of a row: every step with the flight before and after."""

    ledger: State
    steps: list[tuple[Flight, e.Event, Flight, e.Command]] = field(default_factory=list)
    commits: list[Transition] = field(default_factory=list)
    policy: Policy = field(default_factory=Policy)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """A row driven to its end, or for a hundred steps, by random answers."""
    course = Course(draw(STATES))
    row = Flight("REF", draw(VERSIONS), course.ledger)
    now = draw(TIMES)
    event: e.Event = e.Begin(now)
    for _ in range(100):
        after, command = step(row, event, course.policy)
        course.steps.append((row, event, after, command))
        row = after
        now += draw(st.sampled_from([0.0, 5.0, 3600.0, 21 * 3600.0]))
        match command:
            case e.Commit(transition):
                course.commits.append(transition)
                if draw(st.integers(0, 4)):
                    course.ledger = transition.new
                    event = e.Committed(now)
                else:
                    course.ledger = draw(STATES)
                    event = e.Lost(course.ledger, now)
            case e.Send():
                sent = course.ledger
                # Write-ahead: durable, of this generation, with the version that is sent.
                assert isinstance(sent, Sent)
                assert (sent.generation, sent.fingerprint) == (command.generation, row.fingerprint)
                event = e.Answered(draw(ANSWERS), now)
            case e.LookUp():
                event = e.LookedUp(draw(LOOK_UPS), now)
            case e.Wait():
                event = e.Woken(now)
            case e.Settle() | e.Halt():
                break
    return course


@settings(max_examples=120, deadline=None)
@given(courses())
def test_nothing_is_sent_without_a_durable_sent_of_its_own(course: Course) -> None:
    """Each POST finds its generation and fingerprint in the ledger, not too old (see courses)."""
    for _, event, after, command in course.steps:
        if isinstance(command, e.Send):
            assert isinstance(after.state, Sent)
            age = event.now - after.state.first_sent_at
            assert -course.policy.clock_slack <= age <= course.policy.stale_after


@settings(max_examples=120, deadline=None)
@given(courses())
def test_a_generation_never_skips_and_never_goes_back(course: Course) -> None:
    """A commit keeps the generation it was decided on, or opens the very next one."""
    for transition in course.commits:
        before, after = transition.expected.generation, transition.new.generation
        assert after in ({before, before + 1} if isinstance(transition.new, Sent) else {before})
        if isinstance(transition.expected, Sent) and isinstance(transition.new, Sent):
            assert after == before + 1


@settings(max_examples=120, deadline=None)
@given(courses())
def test_the_generation_advances_only_after_a_404_or_a_rejection(course: Course) -> None:
    """No timeout, reset or fresh fault opens a new key."""
    for before, event, _, command in course.steps:
        if isinstance(command, e.Commit) and isinstance(command.transition.new, Sent):
            known = event.actual if isinstance(event, e.Lost) else before.state
            absent = isinstance(event, e.LookedUp) and isinstance(event.answer, a.Absent)
            assert absent or isinstance(known, Rejected) or known == NEW


@settings(max_examples=120, deadline=None)
@given(courses())
def test_a_settled_row_takes_no_further_event(course: Course) -> None:
    """Settle and Halt are final."""
    row, command = course.steps[-1][2:]
    if isinstance(command, e.Settle | e.Halt):
        assert row.phase is Phase.OVER
        for event in (e.Begin(0), e.Committed(0), e.Woken(0), e.Lost(NEW, 0)):
            try:
                step(row, event, course.policy)
            except ProtocolError:
                continue
            raise AssertionError(event)


@settings(max_examples=120, deadline=None)
@given(courses())
def test_a_429_never_counts_as_a_failure(course: Course) -> None:
    """Being told to slow down does not use up a row's attempts."""
    for before, event, after, _ in course.steps:
        answer = getattr(event, "answer", None)
        if isinstance(answer, a.Throttled) or getattr(answer, "throttled", False):
            assert after.failures == before.failures
        assert after.failures - before.failures in {0, 1}


@settings(max_examples=120, deadline=None)
@given(courses())
def test_only_a_fresh_refusal_rejects(course: Course) -> None:
    """A row is rejected for what Moment said to this very version, never for a replay."""
    refusals = [
        event.answer
        for _, event, _, _ in course.steps
        if isinstance(event, e.Answered) and isinstance(event.answer, a.Refused)
    ]
    fresh = {
        (r.http_status, r.error_code) for r in refusals if not r.replayed and not r.says_exists
    }
    for transition in course.commits:
        if isinstance(transition.new, Rejected):
            assert (transition.new.http_status, transition.new.error_code) in fresh


@settings(max_examples=120, deadline=None)
@given(courses())
def test_the_steps_between_two_waits_are_few(course: Course) -> None:
    """No answer makes a row spin without a pause."""
    policy = course.policy
    # An advance is answer, look-up, commit; a lost commit is a failure.
    most = 4 * (policy.max_advances + 1) + 4 * policy.max_failures
    since = 0
    for *_, command in course.steps:
        since = 0 if isinstance(command, e.Wait) else since + 1
        assert since <= most


@settings(max_examples=120, deadline=None)
@given(courses())
def test_what_a_row_is_told_to_be_is_what_the_ledger_holds(course: Course) -> None:
    """Created, found, unchanged and changed rows are Done with that id; rejected ones Rejected."""
    command = course.steps[-1][3]
    if not isinstance(command, e.Settle):
        return
    if command.outcome is Outcome.REJECTED:
        assert isinstance(course.ledger, Rejected)
    elif command.outcome is not Outcome.UNSETTLED:
        assert isinstance(course.ledger, Done)
        assert course.ledger.customer_id == command.customer_id
