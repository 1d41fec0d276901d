"""``importer why REFERENCE``: what happened to one customer, in sentences, and what to type next.

The sentences are made of what the ledger and the newest results say; nothing is asked of Moment.
"""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from importer.base_url import DEFAULT_BASE_URL, normalised
from importer.cli.json_output import emit
from importer.cli.next_commands import STDIN, command_for
from importer.cli.status_command import (
    Known,
    customer_document,
    known_customers,
    not_known,
)
from importer.clock import WallClock, span
from importer.delivery.protocol.flight import Policy
from importer.delivery.protocol.states import (
    SHARED_ID,
    Done,
    Origin,
    Rejected,
    Sent,
    Updating,
    shares_id,
)
from importer.errors import ExitCode, printable
from importer.job.world import iso
from importer.ledger.interface import NoLedger
from importer.ledger.opening import open_ledger, read_accounts
from importer.ledger.run_table import tries_of
from importer.outcomes import NOT_FAILED, Outcome
from importer.results.sightings import MOST_FOLDERS, mapping_of, sightings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from importer.delivery.protocol.states import UpdateState
    from importer.ledger.account import Account
    from importer.ledger.address import LedgerAddress
    from importer.ledger.run_table import Entry
    from importer.results.sightings import Sighting

_HOUR = 3600.0
_POST = {
    "sent": "it was sent for the first time",
    "advanced": "it was sent under its next idempotency key, because nothing of it existed",
    "created": "Moment created it{said}",
    "created_replayed": "Moment said that an earlier request had created it{said}",
    "unbelievable": "the answer was no customer of this reference{said}",
    "not_sent": "no connection came about, so nothing was sent{said}",
    "unknown": "no answer came{said}: Moment may have created it",
    "refused": "Moment refused it{said}",
    "refused_replayed": "Moment repeated an earlier refusal{said}",
    "conflicted": "Moment said that its reference or its key is in use{said}",
    "conflicted_replayed": "Moment said that its reference or its key is in use{said}",
    "server_fault": "Moment failed{said}: nobody can tell whether it was created",
    "server_fault_replayed": "Moment repeated a failure that it keeps under this key{said}",
    "throttled": "Moment asked to slow down{said}",
    "throttled_replayed": "Moment asked to slow down{said}",
    "blocked": "it was turned away{said}",
    "blocked_replayed": "it was turned away{said}",
    "run_wrong": "what answered stopped the run{said}",
}
_READS = {
    "found": "Moment was asked for it, and has it{said}",
    "absent": "Moment was asked for it, and does not have it{said}",
    "gone": "Moment was asked for it by its id, and does not have it any more{said}",
    "failed": "Moment was asked for it, and the answer was of no use{said}",
    "run_wrong": "Moment was asked for it, and what answered stopped the run{said}",
}
_PATCH = {
    "gone": "the update met no such customer{said}",
    "clashed": "somebody changed the customer at the same time{said}",
    "unbelievable": "the update was answered with something else than this customer{said}",
    "not_sent": "no connection came about, so no update was sent{said}",
    "unknown": "no answer to the update came{said}: Moment may have taken it",
    "refused": "Moment refused the update{said}",
    "server_fault": "Moment failed{said}: nobody can tell whether it took the update",
    "throttled": "Moment asked to slow down{said}",
    "blocked": "the update was turned away{said}",
    "run_wrong": "what answered the update stopped the run{said}",
}
_UPDATE = {
    "updating": "an update of {fields} was sent",
    "updated": "Moment holds {fields} as the source says",
    "in_step": "Moment was seen to hold {fields} as the source says",
    "conflict": "somebody else wrote {fields} at Moment, which was left alone{said}",
    "missing": "Moment does not have this customer any more{said}; it was not created again",
    "rejected": "Moment refused the update of {fields}{said}",
    SHARED_ID: "Moment gave its id to another reference as well",
}
_PHRASES = {
    **_POST,
    **_UPDATE,
    **{f"look_up_{event}": words for event, words in _READS.items()},
    **{f"read_{event}": words for event, words in _READS.items()},
    **{f"patch_{event}": words for event, words in _PATCH.items()},
}
"""Every event of a history (``delivery.history``, ``ledger.sync_table``), in words."""
_MAY_HAVE_ARRIVED = frozenset(
    {"unknown", "server_fault", "unbelievable", "conflicted", "blocked", "run_wrong"}
)
"""Events of a POST after which Moment may have created the customer all the same."""


class Line(NamedTuple):
    """One sentence."""

    at: float
    """When, epoch seconds."""
    text: str


def sentences(known: Known) -> list[Line]:
    """What happened to a customer, in the order of time. Pure."""
    told = []
    run = ""
    for _, same in groupby(known.history.entries, key=_alike):
        entries = [*same]
        first, last = entries[0], entries[-1]
        text = phrase(first)
        if first.run_id != run:
            text = f"run {first.run_id}: {text}"
        run = first.run_id
        if len(entries) > 1:
            text += f"; {len(entries)} times until {iso(last.at)}"
        if ids := [one.request_id for one in entries if one.request_id]:
            text += f"; request id {ids[-1]}"
        told.append(Line(first.at, f"{text[0].upper()}{text[1:]}."))
    return told


def _alike(entry: Entry) -> tuple[object, ...]:
    return entry.event, entry.run_id, entry.http_status, entry.error_code, entry.detail


def phrase(entry: Entry) -> str:
    """One event in words; one that is not known, by its name."""
    words = _PHRASES.get(entry.event, f"{entry.event.replace('_', ' ')}{{said}}")
    status = f"HTTP {entry.http_status}" if entry.http_status else ""
    code = "" if entry.error_code == f"http_{entry.http_status}" else entry.error_code
    took = "" if entry.seconds is None else f"after {_duration(entry.seconds)}"
    said = ", ".join(filter(None, (status, code, took)))
    return words.format(fields=entry.detail or "its fields", said=f" ({said})" if said else "")


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


# How it stands -----------------------------------------------------------------------------------


def standing(known: Known, now: float) -> list[str]:
    """How a customer stands at the time ``now``, in sentences. Pure."""
    state, update = known.history.state, known.update
    match state:
        case Done() if update is not None and update.serial:
            more = _shared(known) if shares_id(update) else _kept_in_step(update)
            return [f"It is in Moment as {state.customer_id}.", *more]
        case Done():
            how = {
                Origin.CREATED: "created by importer",
                Origin.REPLAYED: "created by importer; the first answer was lost",
                Origin.FOUND: "found there: somebody else created it, or the answer to us was lost",
            }[state.origin]
            told = [f"It is in Moment as {state.customer_id}, {how}."]
            if state.differs:
                fields = ", ".join(state.differs)
                told.append(
                    f"Moment held something else in {fields}; nothing is overwritten unless"
                    " --update names the fields."
                )
            return told
        case Rejected():
            said = f"HTTP {state.http_status}, {state.error_code}"
            return [
                f"Moment refuses this row ({said}). It is not sent again until it is corrected."
            ]
        case Sent():
            return [*_unsettled(known, state, now)]
        case _:
            return ["Nothing of it has been sent, as far as the ledger knows."]


def _unsettled(known: Known, state: Sent, now: float) -> Iterator[str]:
    yield "It is not settled: nobody knows yet whether it is in Moment."
    events = [
        entry.event.removesuffix("_replayed")
        for entry in known.history.entries
        if entry.generation == state.generation and entry.at >= state.first_sent_at
    ]
    answered = [one for one in events if one not in {"sent", "advanced"}]
    if not answered:
        yield (
            "Its request was about to leave when the run ended, so it may have been created,"
            " or never sent."
        )
    elif _MAY_HAVE_ARRIVED & {*answered}:
        yield "It may have been created: at least one request had no answer that says otherwise."
    else:
        yield "As far as is known, no request of it was carried out."
    stale, age = Policy().stale_after, now - state.first_sent_at
    if age < -Policy().clock_slack:
        yield (
            f"By this machine's clock it was sent in {span(-age)}: the clock is behind, or was"
            " ahead then. So the next run asks Moment for it first, and sends it only if it is not"
            " there."
        )
    elif age > stale:
        hours = stale / _HOUR
        yield (
            f"Its idempotency key is older than {hours:.0f} hours, and Moment forgets keys after"
            " 24: the next run asks Moment for it first, and sends it only if it is not there."
        )
    else:
        yield "The next run sends it under the same idempotency key, so it is not created twice."
    tries = tries_of(((one.at, one.event, one.run_id) for one in known.history.entries), now)
    if len(tries.runs) > 1:
        yield f"{len(tries.runs)} runs have tried it since {iso(tries.since)}."


def _shared(known: Known) -> Iterator[str]:
    others = ", ".join(known.shares_with) or "another reference"
    yield (
        f"Moment gave this id to {others} as well. They are one customer there, so one of them is"
        " not in Moment, and nothing is sent for them by itself."
    )


def _kept_in_step(update: UpdateState) -> Iterator[str]:
    memory = update.memory
    if isinstance(update, Updating):
        fields = ", ".join(dict.fromkeys(name for name, _ in update.ours))
        yield (
            f"An update of {fields} was sent, and its answer is not known. The next run reads what"
            " Moment holds before it writes anything."
        )
    if memory.conflicts:
        fields = ", ".join(one.field for one in memory.conflicts)
        yield f"Somebody else wrote {fields} at Moment; that is left alone."
    if memory.verdict is not None:
        fields = ", ".join(name for name, _ in memory.verdict.wanted)
        said = f"HTTP {memory.verdict.http_status}, {memory.verdict.error_code}"
        yield {
            Outcome.MISSING: "Moment does not have it any more. It is not created again by itself.",
            Outcome.CONFLICT: "Its reference belongs to another id at Moment now.",
        }.get(
            memory.verdict.outcome,
            f"Moment refuses the update of {fields} ({said}). It is not sent again until the row"
            " changes.",
        )
    elif not isinstance(update, Updating) and not memory.conflicts:
        yield "It was in step with its source when it was last looked at."


def seen_in(sighting: Sighting) -> str:
    """What a results folder says of it."""
    status = f"HTTP {sighting.http_status}" if sighting.http_status else ""
    said = ", ".join(filter(None, (sighting.error_code, status)))
    words = f" ({said})" if said else ""
    error = f": {sighting.error}" if sighting.error else ""
    return (
        f"{sighting.source}, line {sighting.line}, was {sighting.outcome}{words} in"
        f" {sighting.folder}/results.csv{error}"
    )


# What to type next -------------------------------------------------------------------------------


class Next(NamedTuple):
    """What to type next."""

    command: str
    why: str


def next_for(
    known: Known, seen: Sequence[Sighting], address: LedgerAddress, out: Path, base_url: str
) -> Next:
    """The command that goes on with a customer of the ledger.

    ``base_url`` is the one that a command has which names none.
    """
    state, update = known.history.state, known.update
    memory = update.memory if update is not None else None
    verdict = memory.verdict if memory is not None else None
    seen = [one for one in seen if one.account == known.account.label]
    if seen:
        sources, config = [seen[-1].source], seen[-1].mapping
    elif known.run is not None:
        sources, config = list(known.run.sources), mapping_of(out, known.run.run_id)
    else:
        sources, config = [], ""

    def make(command: str, names: Sequence[str] = (), *more: str) -> str:
        words = [*more, *_account_words(known.account, command, base_url)]
        named = list(names) or sources or ["FILE"]
        made = command_for(command, named, ledger=address, config=config, more=words)
        return f"{made}  (pipe the same input in again)" if STDIN in named else made

    errors = [f"{one.folder}/{one.errors_file}" for one in seen if one.errors_file]
    # What a run did to it since is the truth, though that run's results may be gone.
    settled_since = known.run.run_id if known.run is not None else ""
    unsettled = any(
        one.outcome == Outcome.UNSETTLED and one.run_id >= settled_since for one in seen
    )
    match state:
        case Rejected() if errors:
            return Next(make("run", errors[:1]), "once its row is corrected in that file")
        case Rejected():
            return Next(make("run"), "once its row is corrected in the source")
        case Done() if verdict is not None and verdict.outcome is Outcome.REJECTED:
            return Next(make("run"), "once its row is corrected in the source")
        case Done() if verdict is not None:
            reads = Next(make("verify", errors[:1]), "asks Moment for it again; reads only")
            why = "asks Moment whose id it is; what it refused is sent again, too"
            asks = Next(make("run", (), "--retry-rejected"), why)
            return asks if verdict.error_code == SHARED_ID else reads
        case Done() if memory is not None and memory.conflicts:
            fields = ",".join(f"{one.field}=source" for one in memory.conflicts)
            why = "what a run would write if the source is right"
            return Next(make("plan", (), "--update", fields), why)
        case Done() if not isinstance(update, Updating) and not unsettled:
            told = command_for(
                "status", [known.history.reference], ledger=address, more=_named(known.account)
            )
            return Next(told, "nothing is to be done; this shows keys, ids and requests")
        case _:
            return Next(make("run"), "goes on with it; nothing is sent twice")


def _account_words(account: Account, command: str, base_url: str) -> list[str]:
    """What a command needs to mean this account."""
    words = _named(account)
    if account.base_url != base_url:
        words += ["--base-url", account.base_url]
    if account.mode == "live" and command in {"run", "plan"}:
        words.append("--live")
    return words


def _named(account: Account) -> list[str]:
    return [] if account.name == "default" else ["--account", account.name]


def next_for_unknown(
    seen: Sequence[Sighting], similar: Sequence[str], address: LedgerAddress
) -> Next:
    """The same for a row of which the ledger knows nothing."""
    if not seen:
        if similar:
            return Next(command_for("why", similar[:1], ledger=address), "did you mean this one?")
        return Next(command_for("check", ["FILE"], ledger=address), "is it in the file, and valid?")
    last = seen[-1]
    if last.outcome == Outcome.INVALID and last.errors_file:
        errors = [f"{last.folder}/{last.errors_file}"]
        made = command_for("run", errors, ledger=address, config=last.mapping)
        return Next(made, "once its row is corrected in that file")
    made = command_for("run", [last.source], ledger=address, config=last.mapping)
    if last.outcome == Outcome.UNSETTLED:
        return Next(made, "once what stopped that run is mended")
    return Next(made, "sends it" if last.outcome in NOT_FAILED else "once its row is corrected")


# Together ----------------------------------------------------------------------------------------


def similar_references(
    address: LedgerAddress, reference: str, name: str | None = None
) -> list[str]:
    """References that the ledger knows and that may be meant: an id, other letters, no zeros."""
    found: list[str] = []
    for account in read_accounts(address, name):
        with open_ledger(address, account, read_only=True) as ledger:
            if reference.startswith("bcus_") and (meant := ledger.reference_of(reference)):
                found.append(meant)
            others = {reference.strip(), reference.upper(), reference.lower()}
            others |= {reference.lstrip("0"), reference.replace(" ", "")}
            found += ledger.states(sorted(others - {reference, ""}))
    return list(dict.fromkeys(found))


def show_why(
    address: LedgerAddress,
    reference: str,
    out: Path,
    name: str | None = None,
    *,
    as_json: bool,
) -> ExitCode:
    """Print what is known of a reference; the exit code is 1 where nobody knows it.

    ``name`` is that of the accounts that are meant; None for all of them.
    """
    known: list[Known] = []
    similar: list[str] = []
    missing = not_known(address, reference, name)
    seen = sightings(out, reference)
    try:
        known = known_customers(address, reference, name)
        if not known and not seen:
            similar = similar_references(address, reference, name)
    except NoLedger as error:
        missing = error.message
    base_url = normalised(os.environ.get("MOMENT_BASE_URL") or DEFAULT_BASE_URL)
    following = [next_for(one, seen, address, out, base_url) for one in known]
    following = following or [next_for_unknown(seen, similar, address)]
    code = ExitCode.OK if known or seen else ExitCode.ROWS_LEFT
    now = WallClock().now()
    if as_json:
        emit(
            "why",
            {
                "ledger": str(address),
                "reference": reference,
                "customers": [_document(one, now) for one in known],
                "results": [_sighting_document(one) for one in seen],
                "similar": similar,
                "next": [one._asdict() for one in following],
            },
            exit_code=code,
        )
        return code
    console = Console(highlight=False)
    for one in known:
        _show(console, one, now)
    if not known:
        told = f"{missing}: nothing was ever sent for it from here"
        console.print(escape(printable(told)), soft_wrap=True)
    for sighting in seen:
        console.print(escape(printable(seen_in(sighting))), soft_wrap=True)
    if not known and not seen:
        looked = f"none of the newest {MOST_FOLDERS} results folders in {out} has it either"
        console.print(escape(printable(looked)), soft_wrap=True)
    console.print("next:")
    for step in following:
        console.print(escape(printable(f"  {step.command}  # {step.why}")), soft_wrap=True)
    return code


def _show(console: Console, known: Known, now: float) -> None:
    title = f"[bold]{escape(printable(known.history.reference))}[/]"
    console.print(f"{title} for {escape(printable(known.account.label))}")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in sentences(known):
        grid.add_row(iso(line.at), escape(printable(line.text)))
    for number, text in enumerate(standing(known, now)):
        grid.add_row("" if number else "now", escape(printable(text)))
    console.print(grid)


def _document(known: Known, now: float) -> dict[str, Any]:
    return {
        **customer_document(known),
        "sentences": [{"at": iso(one.at), "text": one.text} for one in sentences(known)],
        "standing": standing(known, now),
    }


def _sighting_document(seen: Sighting) -> dict[str, str]:
    return {
        "run_id": seen.run_id,
        "path": f"{seen.folder}/results.csv",
        "source": seen.source,
        "line": seen.line,
        "outcome": seen.outcome,
        "error_code": seen.error_code,
        "error": seen.error,
        "http_status": seen.http_status,
        "errors_file": seen.errors_file and f"{seen.folder}/{seen.errors_file}",
    }
