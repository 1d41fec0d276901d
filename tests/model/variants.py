"""The variants: each a scene small enough to be searched to its end.

``PROMISES`` must be clean. ``LIMITS`` must break: they show what the promises rest on. An ablation
is a variant that is clean with every safeguard and must break with one of them off.

"Two importers" are also one run whose engine carries a batch twice: each execution begins with
what the ledger holds then, and nothing in the protocol knows the name of a run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from importer.delivery.protocol.creating import Policy
from tests.model.server import ServerRules
from tests.model.world import Scene

CORRECTED = (("A", "B"),)
EITHER = (True, False)
ONLY_A = frozenset("AX")
ONLY_B = frozenset("BX")
BRIEF = Policy(max_failures=1, max_advances=2)
"""Gives up at the first failure: the next run goes on, with fewer states on the way."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A named scene."""

    name: str
    scene: Scene
    long: bool = False
    """Only in the runner, not in the test suite."""
    breaks: str = ""
    """The property that a limit breaks."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """A safeguard, and the variant that breaks without it."""

    safeguard: str
    variant: str
    breaks: str


NO_UNIQUENESS = Scene(
    rules=ServerRules(unique=False, gateway=False, slow=True),
    big_ticks=True,
    suspends=False,
    calm_changes=True,
    changes=CORRECTED,
)

PROMISES = (
    Variant(
        "lost, late and doubled requests",
        Scene(
            rules=ServerRules(forgets=True, look_up_fails=True, taken=("conflict", "worded")),
            duplicates=1,
        ),
    ),
    Variant(
        "409 while running, 429 fresh and stored",
        Scene(rules=ServerRules(slow=True, throttles=True, keeps_throttled=True), foreign=True),
    ),
    Variant(
        "corrected row, replay of the old refusal",
        Scene(
            rules=ServerRules(valid=ONLY_B, keeps_refusals=EITHER, taken=("conflict", "silent")),
            changes=CORRECTED,
            duplicates=1,
        ),
    ),
    Variant(
        "corrected row, pages that are not the API's",
        Scene(
            rules=ServerRules(valid=ONLY_B, pages=True),
            policy=replace(BRIEF, max_failures=2, max_blocked=2),
            changes=CORRECTED,
        ),
    ),
    Variant(
        "corrected row, 422 for a used key",
        Scene(
            rules=ServerRules(valid=ONLY_B, keeps_refusals=EITHER, checks_body=True),
            changes=CORRECTED,
        ),
    ),
    Variant("row changed while its outcome is unknown", Scene(changes=(*CORRECTED, ("B", "A")))),
    Variant(
        "row changed for the worse, replicas lag",
        Scene(
            rules=ServerRules(
                valid=ONLY_A, keeps_refusals=EITHER, lags=True, taken=("silent", "worded")
            ),
            changes=CORRECTED,
            short_lived=True,
        ),
    ),
    Variant(
        "replicas lag, duplicates refused without a word",
        Scene(
            rules=ServerRules(lags=True, taken=("silent", "unprocessable", "conflict")),
            short_lived=True,
        ),
    ),
    Variant(
        "replicas lag, foreign creator, duplicates refused in words",
        Scene(rules=ServerRules(lags=True, taken=("worded", "conflict")), foreign=True),
    ),
    Variant("keys expire, processes sleep", Scene(big_ticks=True, foreign=True)),
    Variant("two importers", Scene(importers=2)),
    Variant(
        "two importers, corrected row",
        Scene(
            rules=ServerRules(valid=ONLY_B, gateway=False),
            policy=BRIEF,
            importers=2,
            changes=CORRECTED,
            generations=1,
        ),
    ),
    Variant(
        "ledger lost, old refusal replayed",
        Scene(rules=ServerRules(valid=ONLY_B, keeps_refusals=EITHER), changes=CORRECTED, loss=True),
    ),
    Variant(
        "ledger lost, 422 for a used key, in words",
        Scene(
            rules=ServerRules(valid=ONLY_B, gateway=False, checks_body=True, worded_key=True),
            changes=CORRECTED,
            loss=True,
        ),
    ),
    Variant(
        "ledger lost, 422 for a used key, without a word",
        Scene(
            rules=ServerRules(valid=ONLY_B, gateway=False, checks_body=True),
            changes=CORRECTED,
            loss=True,
            one_key_used=True,
        ),
    ),
    Variant(
        "ledger restored, old refusal replayed",
        Scene(rules=ServerRules(valid=ONLY_B, gateway=False), changes=CORRECTED, backup=True),
    ),
    Variant(
        "ledger restored, 422 for a used key, without a word",
        Scene(
            rules=ServerRules(valid=ONLY_B, gateway=False, checks_body=True),
            changes=CORRECTED,
            backup=True,
            one_key_used=True,
        ),
    ),
    Variant("no uniqueness at Moment", NO_UNIQUENESS),
    # Long ones, for the runner.
    Variant(
        "two importers, row changed at will",
        Scene(
            rules=ServerRules(gateway=False),
            policy=BRIEF,
            importers=2,
            changes=(*CORRECTED, ("B", "A")),
            generations=1,
        ),
        long=True,
    ),
    Variant(
        "two importers, corrected row, 422, two generations",
        Scene(
            rules=ServerRules(valid=ONLY_B, gateway=False, checks_body=True),
            policy=BRIEF,
            importers=2,
            changes=CORRECTED,
        ),
        long=True,
    ),
    Variant(
        "two importers, keys expire, processes sleep",
        Scene(
            rules=ServerRules(gateway=False),
            policy=BRIEF,
            importers=2,
            big_ticks=True,
            generations=1,
        ),
        long=True,
    ),
    Variant(
        "two importers, 409 while running, 429",
        Scene(
            rules=ServerRules(gateway=False, slow=True, throttles=True, keeps_throttled=True),
            policy=BRIEF,
            importers=2,
            foreign=True,
        ),
        long=True,
    ),
    Variant(
        "two importers, replicas lag",
        Scene(
            rules=ServerRules(gateway=False, lags=True, taken=("silent", "worded")),
            policy=BRIEF,
            importers=2,
            short_lived=True,
        ),
        long=True,
    ),
    Variant(
        "corrected row, keys expire, 422, doubled requests",
        Scene(
            rules=ServerRules(valid=ONLY_B, keeps_refusals=EITHER, checks_body=True),
            policy=BRIEF,
            changes=CORRECTED,
            big_ticks=True,
            duplicates=1,
        ),
        long=True,
    ),
    Variant(
        "row changed for the worse and back, replicas lag, every wording",
        Scene(
            rules=ServerRules(
                valid=ONLY_A,
                keeps_refusals=EITHER,
                lags=True,
                taken=("silent", "worded", "unprocessable", "conflict"),
            ),
            changes=(*CORRECTED, ("B", "A")),
            short_lived=True,
        ),
        long=True,
    ),
    Variant(
        "ledger lost, keys expire, 422 in words",
        Scene(
            rules=ServerRules(valid=ONLY_B, gateway=False, checks_body=True, worded_key=True),
            changes=CORRECTED,
            loss=True,
            big_ticks=True,
        ),
        long=True,
    ),
    Variant(
        "ledger restored, keys expire",
        Scene(
            rules=ServerRules(valid=ONLY_B, gateway=False),
            policy=BRIEF,
            changes=CORRECTED,
            backup=True,
            big_ticks=True,
        ),
        long=True,
    ),
    Variant(
        "no uniqueness at Moment, 429, doubled requests",
        Scene(
            rules=ServerRules(unique=False, slow=True, throttles=True, keeps_throttled=True),
            policy=BRIEF,
            big_ticks=True,
            suspends=False,
            calm_changes=True,
            changes=CORRECTED,
            duplicates=1,
        ),
        long=True,
    ),
)

LIMITS = (
    Variant(
        "a foreign creator seconds ago, refused without a word, on a stale replica",
        Scene(rules=ServerRules(lags=True, taken=("silent",)), foreign=True),
        breaks="wrong rejection",
    ),
    Variant(
        "the old version arrives after the new one was rejected",
        Scene(rules=ServerRules(valid=ONLY_A), changes=CORRECTED),
        breaks="lost id",
    ),
    Variant(
        "ledger lost after two keys were used up, 422 without a word",
        Scene(
            rules=ServerRules(valid=ONLY_B, gateway=False, checks_body=True),
            changes=CORRECTED,
            loss=True,
        ),
        breaks="wrong rejection",
    ),
    Variant(
        "no uniqueness at Moment, and replicas lag",
        Scene(rules=ServerRules(unique=False, lags=True)),
        breaks="second customer",
    ),
    Variant(
        "no uniqueness at Moment, and a process sleeps a day between ledger and wire",
        Scene(rules=ServerRules(unique=False, gateway=False), big_ticks=True),
        breaks="second customer",
    ),
)

ABLATIONS = (
    Ablation("write_ahead", "lost, late and doubled requests", "lost id"),
    Ablation("write_once", "no uniqueness at Moment", "second customer"),
    Ablation("replay_attribution", "ledger lost, old refusal replayed", "wrong rejection"),
    Ablation("replay_attribution", "ledger restored, old refusal replayed", "wrong rejection"),
    Ablation("lookup_before_resend", "no uniqueness at Moment", "second customer"),
    Ablation("advance_on_proof", "no uniqueness at Moment", "second customer"),
    Ablation("compare_and_set", "two importers", "forgotten id"),
    Ablation("compare_and_set", "two importers, corrected row", "generation goes back"),
    Ablation(
        "confirm_absence", "replicas lag, duplicates refused without a word", "wrong rejection"
    ),
)


def named(name: str) -> Variant:
    """The variant of this name."""
    return next(variant for variant in (*PROMISES, *LIMITS) if variant.name == name)
