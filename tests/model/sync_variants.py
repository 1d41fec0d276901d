"""Variants of creating and updating in one state space: promises, limits, ablations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from importer.delivery.protocol.updating import Rule, UpdatePolicy
from tests.model.sync_server import SyncRules
from tests.model.sync_world import SyncScene

SOURCE, UNTOUCHED = Rule.SOURCE, Rule.IF_UNTOUCHED
OVERWRITTEN = "an edit is overwritten"
FALSE_CONFLICT = "false conflict"
WRONG_BASE = "the ledger is wrong about what Moment holds"


def _policy(**rules: Rule) -> UpdatePolicy:
    named = {name.replace("__", "."): rule for name, rule in rules.items()}
    return UpdatePolicy(tuple(named.items()), max_failures=2, max_clashes=1)


def _row(**cells: str) -> tuple[tuple[str, bytes], ...]:
    named = {name.replace("__", "."): text.encode() for name, text in cells.items()}
    return tuple(sorted(named.items()))


NAME = _policy(name=UNTOUCHED)
BRIEF = replace(NAME, max_failures=1)
"""Gives up at the first failure: the next run goes on, with fewer states on the way."""
CREATED_LATE = "the row changes while it is being created, replicas lag"
FORTH = (("A", "B"), ("B", "C"))
NAMES = (("A", _row(name="1")), ("B", _row(name="2")), ("C", _row(name="3")))
BACK = (("A", "B"), ("B", "A"))
PERSON = (("name", b"!1"),)
TWICE = (*PERSON, ("name", b"!2"))


@dataclass(frozen=True, slots=True)
class SyncVariant:
    """A named scene."""

    name: str
    scene: SyncScene
    long: bool = False
    breaks: str = ""
    """The property that a limit breaks."""


@dataclass(frozen=True, slots=True)
class SyncAblation:
    """A safeguard of updates, and the variant that breaks without it."""

    safeguard: str
    variant: str
    breaks: str


SYNC_PROMISES = (
    SyncVariant(
        "one field, a person edits twice, three versions",
        SyncScene(NAMES, NAME, changes=FORTH, edits=TWICE),
    ),
    SyncVariant("the source goes back", SyncScene(NAMES[:2], NAME, changes=BACK, edits=PERSON)),
    SyncVariant(
        "a person empties a field, the row gets a new one",
        SyncScene(
            (("A", _row(name="1")), ("B", _row(name="2", phone="7"))),
            _policy(name=UNTOUCHED, phone=UNTOUCHED),
            edits=(("name", b""), ("phone", b"!7")),
        ),
    ),
    SyncVariant(
        "two fields, one never, one that the source wins",
        SyncScene(
            (("A", _row(name="1", email="1")), ("B", _row(name="2", email="2"))),
            _policy(name=SOURCE),
            edits=(("name", b"!1"), ("email", b"!1")),
        ),
    ),
    SyncVariant(
        "a statement each cycle, payments move the balance",
        SyncScene(
            (
                ("A", _row(balance="Z1", currency="Z")),
                ("B", _row(balance="Z2", currency="Z")),
                ("C", _row(balance="E3", currency="E")),
            ),
            _policy(balance=SOURCE),
            changes=FORTH,
            edits=(("balance", b"!pay"),),
        ),
    ),
    SyncVariant(
        "payments are not overwritten, currencies change",
        SyncScene(
            (
                ("A", _row(balance="Z1", currency="Z")),
                ("B", _row(balance="E2", currency="E")),
            ),
            _policy(balance=UNTOUCHED, currency=SOURCE),
            changes=BACK,
            edits=(("balance", b"!pay"),),
        ),
    ),
    SyncVariant(
        "metadata keys, Moment merges",
        SyncScene(
            (("A", _row(metadata__a="1")), ("B", _row(metadata__a="2", metadata__b="2"))),
            _policy(metadata=UNTOUCHED),
            edits=(("metadata.a", b"!1"), ("metadata.x", b"!1")),
        ),
    ),
    SyncVariant(
        "metadata keys, Moment replaces",
        SyncScene(
            (("A", _row(metadata__a="1")), ("B", _row(metadata__a="2"))),
            _policy(metadata=SOURCE),
            edits=(("metadata.x", b"!1"),),
            rules=SyncRules(replaces=True),
        ),
    ),
    SyncVariant(
        "replicas lag",
        SyncScene(
            NAMES, BRIEF, changes=(*FORTH, ("C", "A")), edits=PERSON, rules=SyncRules(lags=True)
        ),
    ),
    SyncVariant(
        CREATED_LATE,
        SyncScene(NAMES[:2], BRIEF, edits=PERSON, rules=SyncRules(lags=True), generations=1),
    ),
    SyncVariant(
        "Moment refuses a version, stores another otherwise, answers 409 and 429",
        SyncScene(
            NAMES,
            NAME,
            changes=FORTH,
            edits=PERSON,
            rules=SyncRules(
                refuses=frozenset({b"2"}), respells=((b"3", b"III"),), clashes=True, throttles=True
            ),
        ),
    ),
    SyncVariant(
        "answers lack a field",
        SyncScene(
            NAMES, NAME, changes=FORTH, edits=PERSON, rules=SyncRules(hides=frozenset({"name"}))
        ),
    ),
    SyncVariant(
        "nothing ever shows a field",
        SyncScene(NAMES, NAME, changes=FORTH, rules=SyncRules(never_shows=frozenset({"name"}))),
    ),
    SyncVariant(
        "ETags close the window",
        SyncScene(NAMES[:2], NAME, edits=TWICE, window=True, rules=SyncRules(etags=True)),
    ),
    SyncVariant(
        "somebody deletes the customer",
        SyncScene(NAMES, NAME, changes=FORTH, deletes=True, rules=SyncRules(lags=True)),
    ),
    SyncVariant("two importers", SyncScene(NAMES[:2], BRIEF, edits=PERSON, importers=2)),
    SyncVariant("ledger lost", SyncScene(NAMES, NAME, changes=FORTH, edits=PERSON, loss=True)),
    SyncVariant(
        "ledger restored", SyncScene(NAMES, NAME, changes=FORTH, edits=PERSON, backup=True)
    ),
    SyncVariant(
        "a dead run's PATCH arrives between two later runs",
        SyncScene(NAMES, NAME, changes=FORTH, edits=PERSON, late="between runs"),
    ),
    # Long ones, for the runner.
    SyncVariant(
        "name, balance and metadata, a person and payments, replicas lag",
        SyncScene(
            (
                ("A", _row(name="1", balance="Z1", currency="Z", metadata__a="1")),
                ("B", _row(name="2", balance="Z2", currency="Z", metadata__a="2")),
            ),
            _policy(name=UNTOUCHED, balance=SOURCE, metadata=UNTOUCHED),
            edits=(("name", b"!1"), ("balance", b"!pay"), ("metadata.x", b"!1")),
            rules=SyncRules(lags=True),
        ),
        long=True,
    ),
    SyncVariant(
        "two importers, three versions, replicas lag",
        SyncScene(
            NAMES, NAME, changes=FORTH, edits=PERSON, importers=2, rules=SyncRules(lags=True)
        ),
        long=True,
    ),
    SyncVariant(
        "two importers, ledger restored",
        SyncScene(NAMES[:2], NAME, edits=PERSON, importers=2, backup=True),
        long=True,
    ),
    SyncVariant(
        "two fields, the row changes twice while it is being created",
        SyncScene(
            (
                ("A", _row(name="1", email="1")),
                ("B", _row(name="2", email="1")),
                ("C", _row(name="2", email="3")),
            ),
            _policy(name=UNTOUCHED, email=UNTOUCHED),
            changes=FORTH,
            edits=(*PERSON, ("email", b"!1")),
            generations=2,
        ),
        long=True,
    ),
)

SYNC_LIMITS: tuple[SyncVariant, ...] = (
    SyncVariant(
        "an edit between GET and PATCH",
        SyncScene(NAMES[:2], NAME, edits=PERSON, window=True),
        breaks=OVERWRITTEN,
    ),
    SyncVariant(
        "an edit that a replica does not show yet",
        SyncScene(NAMES[:2], NAME, edits=PERSON, rules=SyncRules(edits_lag=True)),
        breaks=OVERWRITTEN,
    ),
    SyncVariant(
        "Moment stores a value otherwise, and the answer is lost",
        SyncScene(NAMES[:2], NAME, rules=SyncRules(respells=((b"2", b"II"),)), strict=True),
        breaks=FALSE_CONFLICT,
    ),
    SyncVariant(
        "a PATCH that was given up arrives after a newer version",
        SyncScene(NAMES, NAME, changes=FORTH, late="always"),
        breaks=WRONG_BASE,
    ),
    SyncVariant(
        "an importer with an older version of the row runs beside a newer one",
        SyncScene(NAMES, BRIEF, changes=FORTH, importers=2, rides_through=True, wire=1),
        breaks=WRONG_BASE,
    ),
)

SYNC_ABLATIONS = (
    SyncAblation("write_ahead", "one field, a person edits twice, three versions", FALSE_CONFLICT),
    SyncAblation("base_check", "one field, a person edits twice, three versions", OVERWRITTEN),
    SyncAblation("count_ours", "one field, a person edits twice, three versions", FALSE_CONFLICT),
    SyncAblation(
        "collect_ours", "a dead run's PATCH arrives between two later runs", FALSE_CONFLICT
    ),
    SyncAblation("settle_first", "one field, a person edits twice, three versions", WRONG_BASE),
    SyncAblation("confirm_surprise", "replicas lag", FALSE_CONFLICT),
    SyncAblation("look_again", "one field, a person edits twice, three versions", OVERWRITTEN),
    SyncAblation(
        "echo_check",
        "Moment refuses a version, stores another otherwise, answers 409 and 429",
        WRONG_BASE,
    ),
    SyncAblation("metadata_union", "metadata keys, Moment replaces", OVERWRITTEN),
    SyncAblation(
        "one_currency",
        "a statement each cycle, payments move the balance",
        "a field is written that never may be",
    ),
    SyncAblation("remember", "the source goes back", "a quiet night sends"),
    SyncAblation("confirm_missing", "somebody deletes the customer", "false missing"),
    SyncAblation("compare_and_set", "two importers", "a quiet night sends"),
    SyncAblation("count_sent", "one field, a person edits twice, three versions", FALSE_CONFLICT),
)


def sync_named(name: str) -> SyncVariant:
    """The variant of this name."""
    return next(one for one in (*SYNC_PROMISES, *SYNC_LIMITS) if one.name == name)
