"""The delivery protocol of one row as a pure state machine: an event in, a command out.

Nothing here does I/O, reads a clock or draws a random number, so the same code is model-checked
(tests/model), simulated (tests/simulation) and run.

Theory of operation. The API stores the first answer to an idempotency key, whatever it was, and
replays it for a day; then it forgets the key. So a key alone does not make reruns safe, and the
key is a function of the reference **and a generation**. The ledger holds ``New``, ``Sent``,
``Done`` or ``Rejected`` of each row. ``Sent`` is durable before its request leaves (write-ahead)
and never changes within a generation (write-once). The generation only ever grows, and only
where a *finished* request and a 404 to a look-up prove that nothing of ours exists. An answer
that proves nothing changes nothing: the same key again, or a look-up. Trouble that may be the
run's is never charged to the row; whose it is, the pool finds out by other rows.

The rules (a test holds them equal to docs/delivery.md, where the reasons stand)::

    what the ledger holds                            what is done
    -----------------------------------------------  -------------------------------------------
    Done                                             settle: unchanged, or changed
    Rejected, same version                           settle: rejected
    Rejected, other version                          generation + 1, POST
    New                                              commit Sent(0), POST
    Sent, stale or with another version              look up; found: Done; 404: generation + 1
    Sent otherwise                                   POST, same key

    answer to the POST                               what is done
    -----------------------------------------------  -------------------------------------------
    2xx, well-formed, our reference                  Done
    2xx with anything else                           look up; 404: backoff, same key
    replayed, and not 2xx                            look up; 404: generation + 1
    refused by the API (400, 402, 422 ...)           look up, see the next table
    409                                              look up; 404: backoff, same key
    429                                              wait, same key
    connection failed before a byte was written      backoff, same key
    timeout, reset, fresh 5xx                        backoff, same key
    403, 404, 405, 415 ... of the API itself         settle: unsettled (turned_away)
    a 4xx without a problem document of it, or 511   look up; 404: backoff, same key, three times
    401, 407, redirect, TLS failure, no such host    stop the run

    refused, and the look-up says                    what is done
    -----------------------------------------------  -------------------------------------------
    found                                            Done
    404, the refusal speaks of the idempotency key   generation + 1
    404, the first 422 of this run                   generation + 1
    404, the refusal says that the reference exists  ask again later; unsettled in the end
    404, the row may have been sent before           ask again after settle_delay, then Rejected
    404, never sent before                           Rejected
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from importer.delivery.protocol import answers as a
from importer.delivery.protocol.events import (
    Answered,
    Begin,
    Command,
    Commit,
    Committed,
    Event,
    Halt,
    LookedUp,
    LookUp,
    Lost,
    Send,
    Settle,
    Wait,
    WaitCause,
    Why,
    Woken,
)
from importer.delivery.protocol.flight import Flight, Phase, Policy, ProtocolError
from importer.delivery.protocol.states import (
    Done,
    New,
    Origin,
    Rejected,
    Sent,
    Transition,
)
from importer.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.delivery.protocol.flight import Note
    from importer.delivery.protocol.states import Hashes

__all__ = ["Flight", "Phase", "Policy", "ProtocolError", "step"]

UNPROCESSABLE = 422
"""Also what the Idempotency-Key draft gives a key that was used with another payload."""
TURNED_AWAY = "turned_away"
"""Error code of a row that the API turned away (403, 404, 405, 415 ...), though it takes others."""
STORED_OTHERWISE = "stored_otherwise"
"""Error code of a row whose customer Moment answered with other values than it was sent."""
NOT_THE_API = "not_the_api"
"""Error code of a row that only something other than the API answered: a firewall, a gateway."""
PROOF = 2
"""Look-ups in a row, apart by ``settle_delay``, that together prove absence."""

Step = tuple[Flight, Command]
_send = cache(Send)
"""Most rows get the same."""

# What every row meets: to ask an enum for a member takes as long as two calls (CPython 3.11).
_SENDING, _OVER, _FRESH, _CREATED = Phase.SENDING, Phase.OVER, Origin.CREATED, Outcome.CREATED


def step(flight: Flight, event: Event, policy: Policy) -> Step:
    """Advance one row by one event.

    Raises:
        ProtocolError: the event does not fit the flight's phase.
    """
    phase, follow = _AWAITED[type(event)]
    if phase is not flight.phase:
        raise ProtocolError(f"{type(event).__name__} in phase {flight.phase}")
    return follow(flight, event, policy)


def _begun(flight: Flight, event: Begin, policy: Policy) -> Step:
    if not isinstance(flight.state, New):
        flight = flight._replace(suspect=True)
    return _route(flight, event.now, policy)


def _woken(flight: Flight, event: Woken, policy: Policy) -> Step:
    if flight.why is not None:
        return _look_up(flight, flight.why)
    return _route(flight, event.now, policy)


# Where a row goes from what the ledger holds ------------------------------------------------------


def _route(flight: Flight, now: float, policy: Policy) -> Step:
    state = flight.state
    match state:
        case New():
            return _commit(flight, Sent(0, flight.fingerprint, now), flight.note)
        case Sent():
            if _is_stale(flight, state, now, policy):
                return _look_up(flight, Why.STALE)
            if not policy.safeguards.write_once:
                again = Sent(state.generation, flight.fingerprint, now)
                return _commit(flight, again, flight.note)
            sent = flight._replace(phase=Phase.SENDING, sends=flight.sends + 1)
            return sent, _send(state.generation)
        case Done():
            return _settle_done(flight, state)
        case Rejected():
            if state.fingerprint == flight.fingerprint and not policy.retry_rejected:
                return _settle(
                    flight, Outcome.REJECTED, note=(state.http_status, state.error_code, "")
                )
            return _advance(flight, now, policy)


def _is_stale(flight: Flight, state: Sent, now: float, policy: Policy) -> bool:
    """Whether it must be looked up before it is sent (again)."""
    return policy.safeguards.lookup_before_resend and (
        not -policy.clock_slack <= now - state.first_sent_at <= policy.stale_after
        or state.fingerprint != flight.fingerprint
    )


def _advance(flight: Flight, now: float, policy: Policy) -> Step:
    if flight.advances >= policy.max_advances:
        note = (flight.note[0], "generations_spent", flight.note[2])
        return _settle(flight, Outcome.UNSETTLED, note=note)
    following = Sent(flight.state.generation + 1, flight.fingerprint, now)
    flight = flight._replace(advances=flight.advances + 1, suspect=True)
    return _commit(flight, following, flight.note)


# What a commit led to -----------------------------------------------------------------------------


def _committed(flight: Flight, event: Committed, policy: Policy) -> Step:
    state, refusal = flight.pending, flight.refusal
    if isinstance(state, Sent):
        # A refusal was of what was sent before.
        if _is_stale(flight, state, event.now, policy):
            return _look_up(flight.holding(state, Phase.LOOKING_UP, None), Why.STALE)
        return flight.holding(state, _SENDING, None, 1), _send(state.generation)
    if isinstance(state, Done):
        return flight.holding(state, _OVER, refusal), _known(state, flight.note)
    if isinstance(state, Rejected):
        held = flight.holding(state, _OVER, refusal)
        return _settle(held, Outcome.REJECTED, note=flight.note)
    raise ProtocolError(f"committed {state}")


def _known(state: Done, latest: Note) -> Settle:
    """The id was learned in this run."""
    outcome, (http_status, code, message) = _CREATED, latest
    if state.origin is not _FRESH:
        code = message = ""
        if state.origin is Origin.FOUND:
            outcome = Outcome.FOUND
    if state.differs:
        code, message = "differs", _differs(state)
    return Settle(outcome, state.customer_id, http_status, code, message)


def _lost(flight: Flight, event: Lost, policy: Policy) -> Step:
    """Someone else moved the row: believe the ledger, and say so if two ids meet."""
    wanted, actual = flight.pending, event.actual
    flight = flight._replace(state=actual, pending=None, why=None, suspect=True, absences=0)
    if isinstance(actual, Done):
        if isinstance(wanted, Done) and wanted.customer_id != actual.customer_id:
            message = f"Moment answered {wanted.customer_id}, the ledger holds {actual.customer_id}"
            return _settle(flight, Outcome.UNSETTLED, note=(0, "second_id", message))
        return _settle_done(flight, actual)
    if flight.failures + 1 >= policy.max_failures:
        return _settle(flight, Outcome.UNSETTLED, note=(0, "ledger_contended", ""))
    return _route(flight._replace(failures=flight.failures + 1), event.now, policy)


# What an answer to the POST means -----------------------------------------------------------------


def _answered(flight: Flight, event: Answered, policy: Policy) -> Step:
    answer, guard = event.answer, policy.safeguards
    match answer:
        case a.Created():
            if answer.replayed:
                note = (answer.http_status, "", "")
                return _done(flight, answer, Origin.REPLAYED, answer.differs, note)
            return _done(flight, answer, _FRESH, (), _stored(flight, answer))
        case a.Unbelievable():
            noted = _suspect(flight, answer.http_status, answer.error_code)
            return _look_up(noted, Why.UNSURE)
        case a.Refused(replayed=True) if not guard.replay_attribution:
            return _refused(flight, answer)
        case (
            a.Refused(replayed=True)
            | a.Conflicted(replayed=True)
            | a.ServerFault(replayed=True)
            | a.Throttled(replayed=True)
            | a.Blocked(replayed=True)
            | a.RunWrong(replayed=True)
        ):
            # The stored answer of a finished request, perhaps to another payload: never charged.
            return _look_up(_suspect(flight, *_status_and_code(answer)), Why.REPLAYED)
        case a.Refused():
            return _refused(flight, answer)
        case a.Conflicted():
            return _look_up(_suspect(flight, 409, answer.error_code), Why.CONFLICT)
        case a.Throttled():
            noted = flight._replace(note=(429, "too_many_requests", ""))
            return _wait(noted, WaitCause.THROTTLED, answer.retry_after or 0.0)
        case a.NotSent():
            # No byte of it left, so it is no attempt.
            unsent = flight._replace(sends=flight.sends - 1, note=(0, answer.error_code, ""))
            return _fail(unsent, policy)
        case a.Unknown():
            suspect = _suspect(flight, 0, answer.error_code)
            return _fail(suspect, policy) if guard.advance_on_proof else _eager(suspect)
        case a.ServerFault():
            suspect = _suspect(flight, answer.http_status, answer.error_code)
            if not guard.advance_on_proof:
                return _eager(suspect)
            return _fail(suspect, policy, floor=answer.retry_after or 0.0)
        case a.Blocked(of_api=True):
            return _settle(flight, Outcome.UNSETTLED, note=_turned_away(answer))
        case a.Blocked():
            return _look_up(_suspect(flight, answer.http_status, NOT_THE_API), Why.BLOCKED)
        case a.RunWrong():
            over = flight._replace(phase=Phase.OVER)
            return over, Halt(answer.reason, answer.http_status, answer.detail)


def _stored(flight: Flight, answer: a.Created) -> Note:
    """What is to be told where a fresh answer shows other values than those just sent."""
    seen, sent = answer.seen, flight.fields
    if seen != sent and seen and sent:
        other = [pair[0] for pair in sent if pair not in seen]
        if other:
            message = f"Moment stored other values in: {', '.join(other)}"
            return answer.http_status, STORED_OTHERWISE, message
    return answer.http_status, "", ""


def _turned_away(answer: a.Blocked) -> Note:
    return answer.http_status, TURNED_AWAY, "Moment turned this row away, not its values"


def _refused(flight: Flight, answer: a.Refused) -> Step:
    note = (answer.http_status, answer.error_code, answer.message)
    return _look_up(flight._replace(refusal=answer, note=note, absences=0), Why.REFUSED)


def _eager(flight: Flight) -> Step:
    return _look_up(flight, Why.EAGER)


def _status_and_code(
    answer: a.Refused | a.Conflicted | a.ServerFault | a.Throttled | a.Blocked | a.RunWrong,
) -> tuple[int, str]:
    match answer:
        case a.Conflicted():
            return 409, answer.error_code
        case a.Throttled():
            return 429, "too_many_requests"
        case a.Blocked():
            return answer.http_status, TURNED_AWAY if answer.of_api else NOT_THE_API
        case a.RunWrong():
            return answer.http_status, answer.reason
        case _:
            return answer.http_status, answer.error_code


# What a look-up means -----------------------------------------------------------------------------


def _looked_up(flight: Flight, event: LookedUp, policy: Policy) -> Step:
    answer = event.answer
    match answer:
        case a.Found():
            return _done(flight, answer, Origin.FOUND, answer.differs, flight.note)
        case a.Absent():
            return _absent(flight, event.now, policy)
        case a.LookUpFailed(throttled=True):
            return _wait(flight, WaitCause.THROTTLED, answer.retry_after or 0.0)
        case a.LookUpFailed() if flight.why is Why.BLOCKED:
            return _blocked(flight, policy)
        case a.LookUpFailed():
            code = f"look_up_{answer.error_code}"
            noted = flight._replace(note=(answer.http_status, code, ""))
            return _fail(noted, policy, floor=answer.retry_after or 0.0)
        case a.RunWrong():
            over = flight._replace(phase=Phase.OVER)
            return over, Halt(answer.reason, answer.http_status, answer.detail)


def _absent(flight: Flight, now: float, policy: Policy) -> Step:
    match flight.why:
        case Why.STALE | Why.REPLAYED | Why.EAGER:
            return _advance(flight._replace(why=None), now, policy)
        case Why.CONFLICT:
            return _fail(flight._replace(why=None), policy, cause=WaitCause.CONFLICT)
        case Why.BLOCKED:
            return _blocked(flight, policy)
        case Why.REFUSED:
            return _absent_after_refusal(flight, now, policy)
        case _:
            return _fail(flight._replace(why=None), policy)


def _blocked(flight: Flight, policy: Policy) -> Step:
    """Nothing is there, or nobody says so: the same key again, a few times."""
    flight = flight._replace(why=None, blocked=flight.blocked + 1)
    if flight.blocked >= policy.max_blocked:
        return _settle(flight, Outcome.UNSETTLED, note=flight.note)
    return _fail(flight, policy)


def _absent_after_refusal(flight: Flight, now: float, policy: Policy) -> Step:
    refusal, state = flight.refusal, flight.state
    if refusal is None or not isinstance(state, Sent):
        raise ProtocolError("no refusal to judge")
    if refusal.about_key or (refusal.http_status == UNPROCESSABLE and not flight.second_key):
        # A 422 may speak of the key: used for another body by a run whose ledger is gone.
        return _advance(flight._replace(why=None, second_key=True), now, policy)
    absences = flight.absences + 1
    # A look that failed in between is no reason for what follows: the refusal is.
    note = (refusal.http_status, refusal.error_code, refusal.message)
    flight = flight._replace(absences=absences, note=note)
    if refusal.says_exists:
        # Moment says that it exists and a replica says that it does not: wait for them to agree.
        return _fail(flight, policy, floor=policy.settle_delay, cause=WaitCause.CONFIRM)
    if policy.safeguards.confirm_absence and flight.suspect and absences < PROOF:
        return _wait(flight, WaitCause.CONFIRM, policy.settle_delay)
    version, (http_status, error_code, _) = flight.fingerprint, note
    rejected = Rejected(state.generation, version, http_status, error_code)
    return _commit(flight, rejected, note)


# The commands -------------------------------------------------------------------------------------


def _done(
    flight: Flight,
    answer: a.Created | a.Found,
    origin: Origin,
    differs: tuple[str, ...],
    note: Note,
) -> Step:
    state = flight.state
    # Where Moment holds another version than the source, remember the version that was sent.
    version = state.fingerprint if differs and isinstance(state, Sent) else flight.fingerprint
    done = Done(state.generation, version, answer.customer_id, origin, differs)
    return _commit(flight, done, note, answer.seen)


def _commit(flight: Flight, new: Sent | Done | Rejected, note: Note, seen: Hashes = ()) -> Step:
    """Ask for the change; ``note`` is the latest trouble."""
    # Where another version settles, the hashes of this one would be wrong.
    fields = flight.fields if new.fingerprint == flight.fingerprint else None
    transition = Transition(flight.reference, flight.state, new, note[0], fields, seen)
    return flight.committing(new, note), Commit(transition)


def _look_up(flight: Flight, why: Why) -> Step:
    return flight._replace(phase=Phase.LOOKING_UP, why=why), LookUp(why)


def _suspect(flight: Flight, http_status: int, error_code: str) -> Flight:
    return flight._replace(suspect=True, note=(http_status, error_code, ""))


def _wait(flight: Flight, cause: WaitCause, floor: float) -> Step:
    return flight._replace(phase=Phase.WAITING), Wait(cause, floor, flight.failures)


def _fail(
    flight: Flight, policy: Policy, *, floor: float = 0.0, cause: WaitCause = WaitCause.FAULT
) -> Step:
    flight = flight._replace(failures=flight.failures + 1)
    if flight.failures >= policy.max_failures:
        return _settle(flight, Outcome.UNSETTLED, note=flight.note)
    return _wait(flight, cause, floor)


def _settle(flight: Flight, outcome: Outcome, *, customer_id: str = "", note: Note) -> Step:
    http_status, error_code, message = note
    over = flight._replace(phase=Phase.OVER, pending=None)
    return over, Settle(outcome, customer_id, http_status, error_code, message)


def _settle_done(flight: Flight, state: Done) -> Step:
    same = state.fingerprint == flight.fingerprint
    outcome = Outcome.UNCHANGED if same else Outcome.CHANGED
    return _settle(flight, outcome, customer_id=state.customer_id, note=(0, "", ""))


def _differs(state: Done) -> str:
    return f"Moment holds other values in: {', '.join(state.differs)}" if state.differs else ""


_AWAITED: dict[type[Event], tuple[Phase, Callable[[Flight, Any, Policy], Step]]] = {
    Begin: (Phase.READY, _begun),
    Committed: (Phase.COMMITTING, _committed),
    Lost: (Phase.COMMITTING, _lost),
    Answered: (Phase.SENDING, _answered),
    LookedUp: (Phase.LOOKING_UP, _looked_up),
    Woken: (Phase.WAITING, _woken),
}
"""In which phase each event may come, and what follows."""
