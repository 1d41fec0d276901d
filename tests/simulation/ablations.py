"""Each safeguard off: in which histories, and within how many seeds the checkers must notice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from importer.delivery.pacing.valve import Valve
from importer.delivery.protocol.safeguards import ALL_ON, Safeguards


@dataclass(frozen=True, slots=True)
class Ablation:
    """One safeguard off."""

    safeguard: str
    theme: str
    """Of every history (scene.THEMES)."""
    seeds: int
    """Seeds from 0 within which a violation must be found."""

    @property
    def without(self) -> Safeguards:
        """Everything but this safeguard."""
        return replace(ALL_ON, **{self.safeguard: False})


ABLATIONS = {
    one.safeguard: one
    for one in (
        Ablation("write_ahead", "anything", 10),
        Ablation("write_once", "on its way for days", 300),
        Ablation("replay_attribution", "old refusals", 200),
        Ablation("lookup_before_resend", "not unique", 100),
        Ablation("advance_on_proof", "not unique", 100),
        Ablation("compare_and_set", "two importers", 100),
        Ablation("echo_check", "mixed up answers", 20),
        Ablation("canary", "run refused", 100),
        Ablation("verified_read", "bad input", 20),
        Ablation("confirm_absence", "stale replicas", 200),
        Ablation("count_sent", "nights of lost answers", 40),
    )
}


def _is_problem_always(*_: object) -> bool:
    return True


def _says_nothing(*_: object) -> str:
    return ""


def _reached_nothing(*_: object) -> None:
    return None


def _never(*_: object) -> bool:
    return False


def _patient_valve(*settings: Any, **named: Any) -> Valve:
    return Valve(*settings, **(named | {"patience": 4000.0}))


@dataclass(frozen=True, slots=True)
class LivelyAblation:
    """One rule that keeps a row's trouble from the others is off, by way of what stands for it."""

    rule: str
    target: str
    """The name in the product that is replaced, dotted."""
    value: object
    theme: str
    """Of every history (scene.LIVELY)."""
    seeds: int
    breaks: tuple[str, ...]
    """The violations by which it is noticed."""
    first: int = 0
    """The first of the seeds: what it takes is rare, and each new statement of SQL deals anew."""


UPDATE_ABLATIONS = {
    "write_ahead": (4, "not written ahead"),
    "base_check": (4, "an edit is overwritten"),
    "remember": (4, "a quiet night sends"),
}
"""Safeguards of updates: within how many seeds of nights which violation must be found. The others
need what nights rarely have (replicas, two importers, ...), and are the model's (tests/model)."""

ENGINE_ABLATIONS = (
    LivelyAblation(
        "a commit whose answer was lost is read back",
        "tests.simulation.disk.READS_BACK",
        False,
        "ledger far away",
        12,
        ("own doing is not told",),
    ),
    LivelyAblation(
        "what another execution of this run did is told as the run's own",
        "importer.engine.row_batch.reached",
        _reached_nothing,
        "engine",
        8,
        ("own doing is not told",),
        first=54,
    ),
    LivelyAblation(
        "a batch begins with what the ledger holds now",
        "tests.simulation.cluster.FRESH_READ",
        False,
        "engine nights",
        2,
        ("not in step",),
    ),
    LivelyAblation(
        "the first rows go alone, whatever the number of workers",
        "importer.engine.coordinator.Coordinator._must_wait",
        _never,
        "engine refused",
        8,
        ("canary",),
    ),
)
"""Rules of an engine, which the histories of scene.ENGINES need."""

LIVELY_ABLATIONS = (
    LivelyAblation(
        "a run whose updates are all refused alike is stopped",
        "importer.delivery.pool.Refusals.refused",
        _says_nothing,
        "nights that are refused",
        1,
        ("goes on though nothing is taken",),
    ),
    LivelyAblation(
        "other rows are tried when the first one is in trouble",
        "importer.delivery.pool.OTHERS",
        0,
        "every other row fails for ever",
        12,
        ("starved",),
    ),
    LivelyAblation(
        "one row that is told to wait for hours does not stop the run",
        "importer.delivery.pool.TOLD_ROWS",
        1,
        "some rows ask to wait for hours",
        6,
        ("starved",),
    ),
    LivelyAblation(
        "one row that is turned away does not stop the run",
        "importer.delivery.http.client._RUN_WRONG",
        {401: "unauthorised", 407: "proxy_refused", 403: "forbidden"},
        "pages that are not Moment's",
        6,
        ("starved",),
    ),
    LivelyAblation(
        "a page that is not the API's rejects nobody",
        "importer.delivery.http.answer_reading.is_problem",
        _is_problem_always,
        "pages that are not Moment's",
        6,
        ("wrong rejection",),
    ),
    LivelyAblation(
        "a run that settles nothing is given up",
        "importer.engine.local_engine.Valve",
        _patient_valve,
        "takes nobody",
        12,
        ("ends late", "hangs"),
    ),
)
