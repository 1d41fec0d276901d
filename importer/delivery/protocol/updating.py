"""The update protocol of one customer as a pure state machine: an event in, a command out.

The rules are those of docs/syncing.md. As in creating.py nothing here does I/O, reads a clock or
draws a random number. It sees no values either, only their hashes: the driver has the values.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from importer.delivery.protocol import answers as a
from importer.delivery.protocol.creating import NOT_THE_API, TURNED_AWAY
from importer.delivery.protocol.events import (
    Begin,
    Clashed,
    Committed,
    CommitUpdate,
    Gone,
    Halt,
    Patch,
    PatchAnswered,
    Patched,
    Read,
    ReadBack,
    Seek,
    Settle,
    SettleUpdate,
    Shown,
    SoughtAgain,
    UpdateCommand,
    UpdateEvent,
    UpdateLost,
    Wait,
    WaitCause,
    Woken,
)
from importer.delivery.protocol.flight import ProtocolError
from importer.delivery.protocol.safeguards import UPDATES_ALL_ON, UpdateSafeguards
from importer.delivery.protocol.states import (
    SHARED_ID,
    Conflict,
    Hashes,
    Memory,
    Synced,
    UpdateState,
    UpdateTransition,
    Updating,
    Verdict,
    hashes,
    shares_id,
)
from importer.outcomes import Outcome
from importer.values import quick, value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.delivery.protocol.events import PatchAnswer, ReadAnswer

METADATA = "metadata."
"""What the name of a metadata key's field begins with."""
CURRENCY, BALANCE = "currency", "balance"


class Rule(StrEnum):
    """Who wins where the source differs from Moment; the user says it for each field."""

    NEVER = "never"
    """The field is left alone."""
    SOURCE = "source"
    """The source, whatever Moment holds."""
    IF_UNTOUCHED = "if_untouched"
    """The source, unless somebody changed the field at Moment since we wrote it."""


@value
class UpdatePolicy:
    """What the user allows, and the protocol's numbers. Times in seconds."""

    rules: tuple[tuple[str, Rule], ...] = ()
    """By field; ``metadata`` stands for every key that has no rule of its own."""
    settle_delay: float = 5.0
    """Longest time that a replica lags, or that a PATCH which was given up is still on its way."""
    max_failures: int = 8
    """Failed requests of one customer in one run before it is left unsettled."""
    max_clashes: int = 3
    """Times that a customer is read again because Moment speaks of a conflict (409, 412)."""
    retry_rejected: bool = False
    """Ask again for what was refused or missing, although nothing has changed."""
    safeguards: UpdateSafeguards = UPDATES_ALL_ON

    def rule(self, field: str) -> Rule:
        """The field's rule; ``never`` where the user said nothing."""
        named = dict(self.rules)
        if field in named:
            return named[field]
        general = "metadata" if field.startswith(METADATA) else field
        return named.get(general, Rule.NEVER)


class UpdatePhase(StrEnum):
    """What the machine is waiting for."""

    READY = "ready"
    COMMITTING = "committing"
    READING = "reading"
    PATCHING = "patching"
    SEEKING = "seeking"
    WAITING = "waiting"
    OVER = "over"


class Then(StrEnum):
    """What comes after a commit or a wait."""

    READ = "read"
    WRITE = "write"
    SEEK = "seek"
    PATCH = "patch"
    SETTLE = "settle"


@quick
class UpdateFlight(NamedTuple):
    """One customer on its way in one run."""

    reference: str
    version: bytes
    """Fingerprint of the row as the source has it now."""
    wanted: Hashes
    """Of every field that the source gives; an empty cell gives none: its field is left alone."""
    state: UpdateState
    """What the ledger durably holds."""
    phase: UpdatePhase = UpdatePhase.READY
    pending: UpdateState | None = None
    """The state being committed."""
    then: Then = Then.READ
    shown: Shown | None = None
    """What the decision to write rests on; None where Moment was not asked."""
    writes: Hashes = ()
    """What the PATCH writes."""
    unshown: Hashes = ()
    """Written and answered with 2xx, without the answer showing it."""
    updated: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    confirmed: bool = False
    """What is read next is the second look at a surprise."""
    absent_once: bool = False
    failures: int = 0
    clashes: int = 0
    unseen: int = 0
    """2xx answers in which a written field could not be seen."""
    patches: int = 0
    """PATCHes of this run, for the results file."""
    outcome: Outcome | None = None
    """The verdict that is being committed."""
    note: tuple[int, str, str] = (0, "", "")
    """Status, code and message of the latest trouble."""


Step = tuple[UpdateFlight, UpdateCommand]


def step(flight: UpdateFlight, event: UpdateEvent, policy: UpdatePolicy) -> Step:
    """Advance one customer by one event.

    Raises:
        ProtocolError: the event does not fit the flight's phase.
    """
    match event, flight.phase:
        case Begin(), UpdatePhase.READY:
            return _start(flight, policy)
        case Committed(), UpdatePhase.COMMITTING:
            return _committed(flight, policy)
        case UpdateLost(actual), UpdatePhase.COMMITTING:
            return _lost(flight, actual, policy)
        case ReadBack(answer), UpdatePhase.READING:
            return _read_back(flight, answer, policy)
        case PatchAnswered(answer), UpdatePhase.PATCHING:
            return _patch_answered(flight, answer, policy)
        case SoughtAgain(answer), UpdatePhase.SEEKING:
            return _sought(flight, answer, policy)
        case Woken(), UpdatePhase.WAITING:
            return _go_on(flight, policy)
        case _:
            raise ProtocolError(f"{type(event).__name__} in phase {flight.phase}")


# What there is to do, from the ledger alone -------------------------------------------------------


class Foreseen(NamedTuple):
    """What a run would do with a customer, as far as it can be known without asking Moment."""

    outcome: Outcome | None
    """Where nothing would be sent."""
    fields: tuple[str, ...] = ()
    """Those that may be written."""
    reads: bool = False
    """Moment is asked first, which may turn each field into a conflict or find it in step."""


def foresee(state: UpdateState, version: bytes, wanted: Hashes, policy: UpdatePolicy) -> Foreseen:
    """What ``step`` would do first; the machine itself decides by this.

    Args:
        state: what the ledger holds of the customer.
        version: fingerprint of the row as the source has it now.
        wanted: hashes of the fields that it gives.
        policy: the user's.
    """
    todo = _todo(state, wanted, policy)
    fields = tuple(field for field, _ in todo)
    verdict, shared = state.memory.verdict, shares_id(state)
    holds = verdict is not None and (shared or verdict.wanted == todo)
    if verdict is not None and holds and not policy.retry_rejected:
        return Foreseen(verdict.outcome)
    if isinstance(state, Updating) or shared:
        return Foreseen(None, fields, reads=True)
    if todo:
        return Foreseen(None, fields, reads=_must_look(state, todo, wanted, policy))
    if state.version == version and version:
        return Foreseen(Outcome.UNCHANGED)
    if conflicting(state, wanted, policy):
        return Foreseen(Outcome.CONFLICT)
    left = _left(state, wanted, policy)
    return Foreseen(Outcome.CHANGED if left else Outcome.UNCHANGED)


def _todo(state: UpdateState, wanted: Hashes, policy: UpdatePolicy) -> Hashes:
    """What the source wants and Moment is not known to hold, without remembered conflicts.

    Where an update is open, a field that may have been sent counts as well.
    """
    blocked = _known_conflicts(state, wanted, policy)
    return tuple(
        (field, value) for field, value in _differing(state, wanted, policy) if field not in blocked
    )


def _differing(state: UpdateState, wanted: Hashes, policy: UpdatePolicy) -> Hashes:
    # A field that somebody changed differs, also where the source wants what we wrote before.
    conflicting = {(field, value) for field, _, value in state.memory.conflicts}
    taken = {*state.base, *state.memory.otherwise} - conflicting
    sent = {field for field, _ in state.ours} if isinstance(state, Updating) else set()
    allowed = [pair for pair in wanted if policy.rule(pair[0]) is not Rule.NEVER]
    differ = {pair for pair in allowed if pair not in taken or pair[0] in sent}
    if policy.safeguards.one_currency and any(field == CURRENCY for field, _ in differ):
        # The amount that stands there would change its currency: it goes along.
        differ |= {pair for pair in allowed if pair[0] == BALANCE}
    return tuple(sorted(differ))


def _known_conflicts(state: UpdateState, wanted: Hashes, policy: UpdatePolicy) -> set[str]:
    """Fields that conflicted before and are wanted as they were then."""
    gives = dict(wanted)
    same = {field for field, _, value in state.memory.conflicts if gives.get(field) == value}
    if any(field == CURRENCY and field not in same for field, _, _ in state.memory.conflicts):
        same.discard(BALANCE)  # it may have waited for that currency only
    known = {field for field in same if policy.rule(field) is not Rule.SOURCE}
    if CURRENCY in known:
        return known | {BALANCE}
    # A currency that was not written because of its amount waits for that amount.
    stays = BALANCE in known or policy.rule(BALANCE) is Rule.NEVER
    return known | {CURRENCY} if CURRENCY in same and stays else known


def _left(state: UpdateState, wanted: Hashes, policy: UpdatePolicy) -> tuple[str, ...]:
    """Fields that differ and are to be left alone."""
    taken = {*state.base, *state.memory.otherwise}
    return tuple(
        pair[0] for pair in wanted if policy.rule(pair[0]) is Rule.NEVER and pair not in taken
    )


def conflicting(state: UpdateState, wanted: Hashes, policy: UpdatePolicy) -> tuple[str, ...]:
    """Fields that differ, and are known to conflict."""
    known = _known_conflicts(state, wanted, policy)
    differ = [field for field, _ in _differing(state, wanted, policy)]
    return tuple(field for field in differ if field in known)


def waiting(state: UpdateState, conflicts: Iterable[str], policy: UpdatePolicy) -> tuple[str, ...]:
    """Of these conflicts those that nobody else caused: amount and currency go together.

    Such a field holds what it held, and might be written if it were alone; or it is a currency
    that may never be written, and its amount waits for it.
    """
    base, found = dict(state.base), []
    for field, seen, _ in state.memory.conflicts:
        held = seen == base.get(field, b"")
        if field in {CURRENCY, BALANCE} and (policy.rule(field) is not Rule.IF_UNTOUCHED or held):
            found.append(field)
    return tuple(field for field in found if field in set(conflicts))


def _must_look(state: Synced, todo: Hashes, wanted: Hashes, policy: UpdatePolicy) -> bool:
    """Whether Moment is asked before these fields are written."""
    fields = {field for field, _ in todo}
    if any(policy.rule(field) is Rule.IF_UNTOUCHED for field in fields):
        return True
    if any(field.startswith(METADATA) for field in fields):
        return True  # for the union
    if not policy.safeguards.one_currency or (BALANCE in fields and CURRENCY in fields):
        return False
    if CURRENCY in fields:
        return BALANCE in dict(wanted)
    money = [pair for pair in wanted if pair[0] == CURRENCY]
    return BALANCE in fields and any(pair not in state.base for pair in money)


# Where a customer goes ----------------------------------------------------------------------------


def _start(flight: UpdateFlight, policy: UpdatePolicy) -> Step:
    state = flight.state
    expected = foresee(state, flight.version, flight.wanted, policy)
    if expected.outcome is not None:
        verdict = state.memory.verdict
        if verdict is not None and expected.outcome is verdict.outcome:
            flight = flight._replace(note=(verdict.http_status, verdict.error_code, ""))
        return _settle(flight, expected.outcome, policy)
    if isinstance(state, Updating) and policy.safeguards.settle_first:
        return _wait(flight._replace(then=Then.READ), WaitCause.CONFIRM, policy.settle_delay)
    if expected.reads:
        return _read(flight)
    todo = _todo(state, flight.wanted, policy)
    return _write(flight._replace(writes=todo, shown=None), state.base, state.memory, policy)


def _go_on(flight: UpdateFlight, policy: UpdatePolicy) -> Step:
    match flight.then:
        case Then.SEEK:
            return flight._replace(phase=UpdatePhase.SEEKING), Seek()
        case Then.WRITE:
            return _write(flight, flight.state.base, flight.state.memory, policy)
        case _:
            return _read(flight)


def _read(flight: UpdateFlight) -> Step:
    reading = flight._replace(phase=UpdatePhase.READING, shown=None)
    return reading, Read(flight.state.customer_id)


def _write(flight: UpdateFlight, base: Hashes, memory: Memory, policy: UpdatePolicy) -> Step:
    """Write ahead what the PATCH is going to say; the PATCH follows the commit."""
    guard = policy.safeguards
    state = flight.state
    if not guard.write_ahead:
        return _patch(flight, policy)
    # What is written now is no conflict any more: the source wins, though it did not before.
    written = dict(flight.writes)
    still = tuple(one for one in memory.conflicts if one.field not in written)
    memory = memory._replace(verdict=None, conflicts=still)
    earlier = state.ours if isinstance(state, Updating) and guard.collect_ours else ()
    # What Moment was seen to hold before is still ours, should a replica show it.
    moved = [pair for pair in state.base if pair not in base] if isinstance(state, Updating) else []
    ours = hashes([*earlier, *moved, *flight.writes])
    new = Updating(state.customer_id, state.serial + 1, base, ours, flight.version, memory)
    return _commit(flight, new, Then.PATCH)


def _patch(flight: UpdateFlight, policy: UpdatePolicy) -> Step:
    fields = {field for field, _ in flight.writes}
    if BALANCE in fields and CURRENCY in dict(flight.wanted):
        fields.add(CURRENCY)
    shown = flight.shown or Shown(())
    held = shown.metadata if policy.safeguards.metadata_union else ()
    patching = flight._replace(phase=UpdatePhase.PATCHING, patches=flight.patches + 1)
    return patching, Patch(flight.state.customer_id, tuple(sorted(fields)), held, shown.etag)


# What a commit led to -----------------------------------------------------------------------------


def _committed(flight: UpdateFlight, policy: UpdatePolicy) -> Step:
    if flight.pending is None:
        raise ProtocolError("committed nothing")
    flight = flight._replace(state=flight.pending, pending=None)
    if flight.then is Then.PATCH:
        return _patch(flight, policy)
    return _settle(flight, flight.outcome or _told(flight, policy), policy)


def _lost(flight: UpdateFlight, actual: UpdateState, policy: UpdatePolicy) -> Step:
    """Someone else moved the customer: believe the ledger, and begin again."""
    held = flight.state
    again = UpdateFlight(
        flight.reference,
        flight.version,
        flight.wanted,
        actual,
        failures=flight.failures + 1,
        patches=flight.patches,
    )
    if actual.customer_id != held.customer_id:
        message = f"the ledger holds {actual.customer_id}, not {held.customer_id} any more"
        return _give_up(again._replace(note=(0, "second_id", message)))
    if again.failures >= policy.max_failures:
        return _give_up(again._replace(note=(0, "ledger_contended", "")))
    return _start(again, policy)


# What was read ------------------------------------------------------------------------------------


def _read_back(flight: UpdateFlight, answer: ReadAnswer, policy: UpdatePolicy) -> Step:
    match answer:
        case Shown():
            return _decide(flight._replace(shown=answer), answer, policy)
        case Gone():
            return flight._replace(phase=UpdatePhase.SEEKING), Seek()
        case a.LookUpFailed("not_our_customer", status) if shares_id(flight.state):
            message = f"Moment says that {flight.state.customer_id} is another reference's"
            noted = flight._replace(note=(status, SHARED_ID, message))
            return _settle(noted, Outcome.CONFLICT, policy)
        case a.LookUpFailed():
            return _failed_look(flight, answer, Then.READ, policy)
        case a.RunWrong():
            return _halt(flight, answer)


def _conflicts_unasked(state: UpdateState, wanted: Hashes) -> list[Conflict]:
    """What is remembered of fields that this version says nothing of; it may hold still."""
    gives = {field for field, _ in wanted}
    if gives & {CURRENCY, BALANCE}:
        gives |= {CURRENCY, BALANCE}  # the two are judged together
    return [one for one in state.memory.conflicts if one.field not in gives]


class _Decision(NamedTuple):
    """What is to be done with each field that Moment was asked for."""

    writes: dict[str, bytes]
    base: dict[str, bytes]
    otherwise: dict[str, bytes]
    conflicts: dict[str, Conflict]
    updated: set[str]
    """In step now, by a PATCH whose answer nobody heard."""
    surprises: set[str]
    """What stands there neither we wrote nor the ledger expects."""


def _decide(flight: UpdateFlight, shown: Shown, policy: UpdatePolicy) -> Step:
    guard = policy.safeguards
    decision = _weigh(flight, dict(shown.seen), policy)
    if decision.surprises and guard.confirm_surprise and not flight.confirmed:
        twice = flight._replace(confirmed=True, then=Then.READ)
        return _wait(twice, WaitCause.CONFIRM, policy.settle_delay)
    unasked = _conflicts_unasked(flight.state, flight.wanted)
    conflicts = tuple(sorted({*decision.conflicts.values(), *unasked}))
    memory = Memory(_hashes(decision.otherwise), conflicts if guard.remember else ())
    flight = flight._replace(
        writes=_hashes(decision.writes),
        conflicts=tuple(sorted(decision.conflicts)),
        updated=tuple(sorted({*flight.updated, *decision.updated})),
        confirmed=False,
        unshown=(),
    )
    if not decision.writes:
        return _close(flight, _hashes(decision.base), memory, policy)
    if flight.unseen >= policy.max_failures:
        # Answered with 2xx each time, and never to be seen.
        return _give_up(flight._replace(note=(200, "not_stored", "")))
    return _write(flight, _hashes(decision.base), memory, policy)


def _weigh(flight: UpdateFlight, seen: dict[str, bytes], policy: UpdatePolicy) -> _Decision:
    """Decide field by field, by what Moment holds."""
    state = flight.state
    base = dict(state.base)
    decision = _Decision({}, base, dict(state.memory.otherwise), {}, set(), set())
    sent = _sent(state) if policy.safeguards.count_ours else {}
    for field, values in sent.items():
        if seen.get(field) in values:
            base[field] = seen[field]
    for field, wanted in _differing(state, flight.wanted, policy):
        known = {dict(state.base).get(field), dict(state.memory.otherwise).get(field)}
        mine = (known | sent.get(field, set())) - {None}
        held = seen.get(field)
        if held == wanted:
            decision.base[field] = wanted
            decision.otherwise.pop(field, None)
            if field in sent:
                decision.updated.add(field)
            if mine and wanted not in mine:
                decision.surprises.add(field)
        elif held is None and (field, wanted) in flight.unshown:
            # Moment took it and does not show it: nobody can know better than the 2xx.
            decision.base.pop(field, None)
            decision.otherwise[field] = wanted
            decision.updated.add(field)
        elif _may_write(field, held, mine, dict(state.base), policy):
            decision.writes[field] = wanted
            decision.otherwise.pop(field, None)
            if held is not None and held in mine:
                decision.base[field] = held
        else:
            decision.conflicts[field] = Conflict(field, held or b"", wanted)
            if mine:
                decision.surprises.add(field)
    if policy.safeguards.one_currency:
        _keep_currency(decision, seen, dict(flight.wanted), dict(state.base))
    _learn(flight, seen, policy, decision.base, decision.otherwise)
    return decision


def _learn(
    flight: UpdateFlight,
    seen: dict[str, bytes],
    policy: UpdatePolicy,
    base: dict[str, bytes],
    otherwise: dict[str, bytes],
) -> None:
    """What is never written is in step, too, where Moment shows what the source says.

    Of a customer that an older version created nothing else tells it.
    """
    for field, wanted in flight.wanted:
        if policy.rule(field) is Rule.NEVER and seen.get(field) == wanted:
            base[field] = wanted
            otherwise.pop(field, None)


def _may_write(
    field: str,
    held: bytes | None,
    mine: set[bytes | None],
    base: dict[str, bytes],
    policy: UpdatePolicy,
) -> bool:
    if policy.rule(field) is Rule.SOURCE or not policy.safeguards.base_check:
        return True
    if held is None:
        # Nothing stands there. If something of ours did, somebody took it away.
        return field not in base
    return held in mine


def _keep_currency(
    decision: _Decision, seen: dict[str, bytes], wanted: dict[str, bytes], base: dict[str, bytes]
) -> None:
    """An amount and its currency are written together, or Moment holds that currency already."""
    money = wanted.get(CURRENCY)
    held = seen.get(CURRENCY)
    if money is None:
        return
    stands = seen.get(BALANCE)
    other = stands is not None and stands != wanted.get(BALANCE, stands)
    if BALANCE in decision.writes and CURRENCY not in decision.writes:
        unset = held is None and CURRENCY not in base
        if held != money and not unset:
            amount = decision.writes.pop(BALANCE)
            decision.conflicts[BALANCE] = Conflict(BALANCE, seen.get(BALANCE, b""), amount)
            decision.conflicts[CURRENCY] = Conflict(CURRENCY, held or b"", money)
            if CURRENCY in base:
                decision.surprises.add(CURRENCY)
    elif CURRENCY in decision.writes and BALANCE not in decision.writes and other:
        del decision.writes[CURRENCY]
        decision.conflicts[CURRENCY] = Conflict(CURRENCY, held or b"", money)


def _sent(state: UpdateState) -> dict[str, set[bytes | None]]:
    """Every value of each field that may have been sent since the base."""
    found: dict[str, set[bytes | None]] = {}
    for field, sent in state.ours if isinstance(state, Updating) else ():
        found.setdefault(field, set()).add(sent)
    return found


# What an answer to the PATCH means ----------------------------------------------------------------


def _patch_answered(flight: UpdateFlight, answer: PatchAnswer, policy: UpdatePolicy) -> Step:
    match answer:
        case Patched():
            return _patched(flight, answer, policy)
        case Gone():
            return flight._replace(phase=UpdatePhase.SEEKING, note=(404, "not_found", "")), Seek()
        case Clashed():
            return _clashed(flight, answer, policy)
        case a.Refused():
            return _refused(flight, answer, policy)
        case a.Blocked(of_api=True):
            return _give_up(flight._replace(note=(answer.http_status, TURNED_AWAY, "")))
        case a.Blocked():
            return _unknown(flight, answer.http_status, NOT_THE_API, policy)
        case a.Throttled():
            noted = flight._replace(note=(429, "too_many_requests", ""), then=_again(flight))
            return _wait(noted, WaitCause.THROTTLED, answer.retry_after or 0.0)
        case a.NotSent():
            noted = flight._replace(note=(0, answer.error_code, ""), then=_again(flight))
            return _fail(noted, policy)
        case a.RunWrong():
            return _halt(flight, answer)
        case a.Unknown():
            return _unknown(flight, 0, answer.error_code, policy)
        case a.Unbelievable():
            return _unknown(flight, answer.http_status, answer.error_code, policy)
        case a.ServerFault():
            floor = answer.retry_after or 0.0
            return _unknown(flight, answer.http_status, answer.error_code, policy, floor=floor)


def _again(flight: UpdateFlight) -> Then:
    """After a PATCH that did nothing: what was read before may be old when it goes again."""
    return Then.WRITE if flight.shown is None else Then.READ


def _unknown(
    flight: UpdateFlight, status: int, code: str, policy: UpdatePolicy, *, floor: float = 0.0
) -> Step:
    guard = policy.safeguards
    then = Then.READ if guard.look_again else Then.WRITE
    if guard.settle_first:
        floor = max(floor, policy.settle_delay)
    return _fail(flight._replace(note=(status, code, ""), then=then), policy, floor=floor)


def _patched(flight: UpdateFlight, answer: Patched, policy: UpdatePolicy) -> Step:
    state, seen = flight.state, dict(answer.seen)
    base, otherwise = dict(state.base), dict(state.memory.otherwise)
    told: set[str] = set()
    unshown = []
    for field, wanted in flight.writes:
        held = seen.get(field) if policy.safeguards.echo_check else wanted
        if held is None:
            unshown.append((field, wanted))
            continue
        base[field] = held
        otherwise.pop(field, None)
        if held != wanted:
            otherwise[field] = wanted
            told.add(field)
    _learn(flight, seen, policy, base, otherwise)
    flight = flight._replace(
        unshown=tuple(unshown),
        otherwise=tuple(sorted(told)),
        note=(answer.http_status, "", ""),
    )
    if unshown:
        return _read(flight._replace(unseen=flight.unseen + 1))
    money = dict(flight.wanted).get(CURRENCY)
    if money is not None and BALANCE in dict(flight.writes) and seen.get(CURRENCY) == money:
        base[CURRENCY] = money
    updated = tuple(sorted({*flight.updated, *(field for field, _ in flight.writes)}))
    still = tuple(one for one in state.memory.conflicts if seen.get(one.field) != one.wanted)
    memory = state.memory._replace(otherwise=_hashes(otherwise), conflicts=still)
    return _close(flight._replace(updated=updated), _hashes(base), memory, policy)


def _clashed(flight: UpdateFlight, answer: Clashed, policy: UpdatePolicy) -> Step:
    flight = flight._replace(
        clashes=flight.clashes + 1,
        note=(answer.http_status, answer.error_code, ""),
        then=Then.READ,
    )
    if flight.clashes > policy.max_clashes:
        return _give_up(flight)
    return flight._replace(phase=UpdatePhase.WAITING), Wait(WaitCause.CONFLICT, 0.0, flight.clashes)


def _refused(flight: UpdateFlight, answer: a.Refused, policy: UpdatePolicy) -> Step:
    noted = flight._replace(note=(answer.http_status, answer.error_code, answer.message))
    return _judge(noted, Outcome.REJECTED, policy)


# A customer that is not there any more ------------------------------------------------------------


def _sought(flight: UpdateFlight, answer: a.LookUpAnswer, policy: UpdatePolicy) -> Step:
    match answer:
        case a.Found(customer_id=found) if found != flight.state.customer_id:
            message = f"the reference belongs to {found} now"
            noted = flight._replace(note=(404, "other_id", message))
            return _judge(noted, Outcome.CONFLICT, policy)
        case a.Found():
            noted = flight._replace(note=(404, "id_not_found", ""), then=Then.READ)
            return _fail(noted, policy)
        case a.Absent():
            noted = flight._replace(note=(404, "missing", ""))
            if policy.safeguards.confirm_missing and not flight.absent_once:
                noted = noted._replace(absent_once=True, then=Then.READ)
                return _wait(noted, WaitCause.CONFIRM, policy.settle_delay)
            return _judge(noted, Outcome.MISSING, policy)
        case a.LookUpFailed():
            return _failed_look(flight, answer, Then.SEEK, policy)
        case a.RunWrong():
            return _halt(flight, answer)


# The commands -------------------------------------------------------------------------------------


def _close(flight: UpdateFlight, base: Hashes, memory: Memory, policy: UpdatePolicy) -> Step:
    """No PATCH is open any more, and nothing is left to be written."""
    state = flight.state
    taken = {*base, *memory.otherwise} - {(field, value) for field, _, value in memory.conflicts}
    whole = all(pair in taken for pair in flight.wanted)
    version = flight.version if whole else b""
    new = Synced(state.customer_id, state.serial, base, version, memory)
    if new == state:
        return _settle(flight, _told(flight, policy), policy)
    return _commit(flight, replace(new, serial=state.serial + 1), Then.SETTLE)


def _judge(flight: UpdateFlight, outcome: Outcome, policy: UpdatePolicy) -> Step:
    """Remember why these values cannot be written, so that they are not sent again unchanged."""
    state = flight.state
    status, code, _ = flight.note
    if outcome is Outcome.REJECTED:
        # The refused PATCH did nothing, and what earlier ones did was read before it.
        plain: UpdateState = Synced(state.customer_id, state.serial, state.base, b"", state.memory)
    else:
        plain = state
    verdict = Verdict(outcome, _todo(plain, flight.wanted, policy), status, code)
    memory = plain.memory._replace(verdict=verdict if policy.safeguards.remember else None)
    new = replace(plain, serial=state.serial + 1, memory=memory)
    return _commit(flight._replace(outcome=outcome), new, Then.SETTLE)


def _commit(flight: UpdateFlight, new: UpdateState, then: Then) -> Step:
    transition = UpdateTransition(flight.reference, flight.state, new, flight.note[0])
    committing = flight._replace(phase=UpdatePhase.COMMITTING, pending=new, then=then)
    return committing, CommitUpdate(transition)


def _wait(flight: UpdateFlight, cause: WaitCause, floor: float) -> Step:
    return flight._replace(phase=UpdatePhase.WAITING), Wait(cause, floor, flight.failures)


def _fail(flight: UpdateFlight, policy: UpdatePolicy, *, floor: float = 0.0) -> Step:
    flight = flight._replace(failures=flight.failures + 1)
    if flight.failures >= policy.max_failures:
        return _give_up(flight)
    return _wait(flight, WaitCause.FAULT, floor)


def _failed_look(
    flight: UpdateFlight, answer: a.LookUpFailed, then: Then, policy: UpdatePolicy
) -> Step:
    floor = answer.retry_after or 0.0
    if answer.throttled:
        return _wait(flight._replace(then=then), WaitCause.THROTTLED, floor)
    noted = flight._replace(
        note=(answer.http_status, f"look_up_{answer.error_code}", ""), then=then
    )
    return _fail(noted, policy, floor=floor)


def _halt(flight: UpdateFlight, answer: a.RunWrong) -> Step:
    return flight._replace(phase=UpdatePhase.OVER), Halt(answer.reason, answer.http_status)


def _settle(flight: UpdateFlight, outcome: Outcome, policy: UpdatePolicy) -> Step:
    state, (status, code, message) = flight.state, flight.note
    over = flight._replace(phase=UpdatePhase.OVER, pending=None)
    conflicts = {*flight.conflicts, *conflicting(state, flight.wanted, policy)}
    return over, SettleUpdate(
        Settle(outcome, state.customer_id, status, code, message),
        flight.updated,
        tuple(sorted(conflicts)),
        waiting(state, conflicts, policy),
        flight.otherwise,
        _left(state, flight.wanted, policy),
    )


def _told(flight: UpdateFlight, policy: UpdatePolicy) -> Outcome:
    """The one word for all fields: what is not in step comes first."""
    state = flight.state
    if flight.conflicts or conflicting(state, flight.wanted, policy):
        return Outcome.CONFLICT
    if flight.updated:
        return Outcome.UPDATED
    left = _left(state, flight.wanted, policy)
    return Outcome.CHANGED if left else Outcome.UNCHANGED


def _give_up(flight: UpdateFlight) -> Step:
    """Leave the customer as the ledger has it; the next run goes on from there."""
    status, code, message = flight.note
    over = flight._replace(phase=UpdatePhase.OVER, pending=None)
    customer_id = flight.state.customer_id
    return over, SettleUpdate(Settle(Outcome.UNSETTLED, customer_id, status, code, message))


def _hashes(fields: dict[str, bytes]) -> Hashes:
    return tuple(sorted(fields.items()))
