"""The simulation's short form: clean histories, deterministic ones, and checkers that notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from trio._core import _run as internals

from importer.delivery.protocol.creating import Policy
from importer.delivery.protocol.safeguards import UPDATES_ALL_ON, Safeguards
from importer.delivery.protocol.updating import UpdatePolicy
from importer.engine import coordinator
from importer.job import deliver
from importer.plan.staging import Staging
from tests.simulation.ablations import (
    ABLATIONS,
    ENGINE_ABLATIONS,
    LIVELY_ABLATIONS,
    UPDATE_ABLATIONS,
    LivelyAblation,
)
from tests.simulation.campaign import campaign
from tests.simulation.engine import simulate
from tests.simulation.history import play
from tests.simulation.scene import CARRIAGE, CONNECTION, DISK, LIVELY, RUN, SERVER, WIRE
from tests.simulation.sweep import die_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.plan.frames import StagedRow

SEEDS = range(200)
"""With a safeguard of ``ABLATIONS`` off, one of the first 138 breaks a promise, or none of the
first 300 (``replay_attribution``; ``count_sent`` needs updates): a theme of its own finds it."""
AT_ONCE = 25
"""Of those; a test each, so that processes share them."""
SHARES = 4
"""Tests that share the steps at which an importer dies."""
SMALL = 57
"""A seed of few rows, so that dying at every one of its steps is quick."""


@pytest.fixture(scope="session")
def struck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of this run share: what struck, a file for each part of SEEDS."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "struck"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)  # of many histories; a busy machine takes its time
@pytest.mark.parametrize("first", SEEDS[::AT_ONCE])
def test_no_history_breaks_a_promise_and_every_kind_of_fault_strikes(
    first: int, struck: Path
) -> None:
    """Hundreds of seeds are clean, and no fault of the catalogue is a dead letter."""
    figures = campaign(range(first, first + AT_ONCE), jobs=1)

    assert figures.violations == {}
    assert figures.histories == AT_ONCE
    # The part that ends last knows what struck in all of them.
    whole = struck / f"{first}.json"
    (part := whole.with_suffix(".part")).write_text(json.dumps(list(figures.faults)))
    part.rename(whole)
    parts = list(struck.glob("*.json"))
    if len(parts) == len(SEEDS) // AT_ONCE:
        seen = {kind for one in parts for kind in json.loads(one.read_text())}
        assert {*WIRE, *SERVER, *DISK, *CONNECTION, *RUN} - seen == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ABLATIONS))
def test_a_safeguard_that_is_off_is_noticed(name: str) -> None:
    """Without this safeguard the checkers find a violation within the stated number of seeds."""
    ablation = ABLATIONS[name]

    figures = campaign(
        range(ablation.seeds),
        jobs=1,
        theme=ablation.theme,
        safeguards=ablation.without,
        stop_at=1,
    )

    assert len(figures.violations) == 1


@pytest.mark.slow
@pytest.mark.parametrize("theme", list(LIVELY))
def test_one_row_never_stops_the_others(theme: str) -> None:
    """Every row that the server takes is taken in each run; one that takes nobody ends it soon."""
    figures = campaign(range(2), jobs=1, theme=theme)

    assert figures.violations == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "ablation", [*LIVELY_ABLATIONS, *ENGINE_ABLATIONS], ids=lambda one: one.rule
)
def test_a_rule_of_rows_or_of_engines_that_is_off_is_noticed(
    ablation: LivelyAblation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this rule the checkers find what it stands against, within the stated seeds."""
    monkeypatch.setattr(ablation.target, ablation.value)

    seeds = range(ablation.first, ablation.first + ablation.seeds)
    figures = campaign(seeds, jobs=1, theme=ablation.theme, stop_at=1)

    (told,) = figures.violations.values()
    assert told.startswith(ablation.breaks)


@pytest.mark.slow
def test_thirty_nights_keep_customers_in_step() -> None:
    """Through edits, losses and deaths no edit is lost, no success is false, and quiet is quiet."""
    figures = campaign(range(2), jobs=1, theme="nights")

    assert figures.violations == {}
    assert figures.faults["quiet nights"] > 20


@pytest.mark.slow
def test_a_customer_that_is_found_after_a_lost_answer_is_kept_in_step() -> None:
    """A row that changed before its customer was found is updated, and no false conflict."""
    figures = campaign(range(4), jobs=1, theme="nights of lost answers")

    assert figures.violations == {}
    assert figures.crashes > 0
    assert figures.faults["answer lost"] > 0


@pytest.mark.slow
def test_nights_whose_updates_are_all_refused_alike_end_soon() -> None:
    """Each run stops after some fifty of them, and says of no update that Moment takes it."""
    figures = campaign(range(1), jobs=1, theme="nights that are refused")

    assert figures.violations == {}
    assert figures.requests > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", list(UPDATE_ABLATIONS))
def test_a_safeguard_of_updates_that_is_off_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this safeguard the nights break a promise within the stated number of seeds."""
    seeds, breaks = UPDATE_ABLATIONS[name]
    off = replace(UPDATES_ALL_ON, **{name: False})
    unguarded = partial(UpdatePolicy, safeguards=off)
    monkeypatch.setattr("importer.delivery.protocol.updating.UpdatePolicy", unguarded)

    figures = campaign(range(seeds), jobs=1, theme="nights", stop_at=1)

    (told,) = figures.violations.values()
    assert told.startswith(breaks)


@pytest.mark.slow
def test_an_engine_keeps_the_same_promises() -> None:
    """Batches run twice, late and at once, workers die or are cut off: every checker stays."""
    figures = [
        campaign(range(8), jobs=1, theme="engine"),
        campaign(range(2), jobs=1, theme="engine refused"),
        campaign(range(1), jobs=1, theme="engine nights"),
    ]

    assert [one.violations for one in figures] == [{}, {}, {}]
    assert {*CARRIAGE} - figures[0].faults.keys() == set()


@pytest.mark.slow
def test_a_documented_limit_breaks_as_documented() -> None:
    """A missing endpoint whose 404 is a problem document passes for absence: limits are real."""
    figures = campaign(range(50), jobs=1, theme="missing endpoint in JSON", stop_at=1)

    (told,) = figures.violations.values()
    assert told.startswith("lost id: ")
    assert " rejected/" in told


def test_every_safeguard_has_its_ablation() -> None:
    """No safeguard of the product is left out of the table."""
    assert set(ABLATIONS) == set(Safeguards.__dataclass_fields__)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_seed_is_one_history(seed: int) -> None:
    """The same seed gives the same history, line by line, in one process."""
    first, second = play(seed), play(seed)

    assert first.lines == second.lines
    assert first.digest == second.digest


def test_other_seeds_are_other_histories() -> None:
    """The digest is no constant."""
    assert len({play(seed).digest for seed in range(5)}) == 5


@pytest.mark.slow
def test_a_history_does_not_depend_on_the_process() -> None:
    """Hash randomisation, memory addresses and process start change nothing."""
    told = {_digest_line(hash_seed) for hash_seed in ("0", "4711")}

    assert len(told) == 1
    assert told.pop().startswith("digest of all histories: ")


def _digest_line(hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "12", "--jobs", "1"]
    told = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return next(line for line in told.stdout.splitlines() if line.startswith("digest"))


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_the_importer_may_die_at_every_await_point(share: int) -> None:
    """One history is played once for each step at which its first importer can die."""
    steps, violations = die_at(SMALL, "step", first=1 + share, every=SHARES)

    assert violations == []
    assert steps * SHARES > 50


@pytest.mark.slow
def test_the_importer_may_die_at_every_commit() -> None:
    """One history is played for each commit before and after which its importer can die."""
    before, violations = die_at(SMALL, "before commit")
    after, more = die_at(SMALL, "after commit")

    assert violations + more == []
    assert max(before, after) > 5


def test_a_row_that_never_settles_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The liveness checker is awake: a protocol that never advances gets stuck."""
    monkeypatch.setattr("importer.engine.local_engine.Policy", partial(Policy, max_advances=0))

    assert _noticed("never settled", range(40), "old refusals")


def test_a_dropped_row_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The results checker is awake: a row that is left out of the results is missed."""
    rows = Staging.rows

    def without_the_last(staging: Staging) -> Iterator[StagedRow]:
        yield from list(rows(staging))[:-1]

    monkeypatch.setattr(Staging, "rows", without_the_last)

    assert _noticed("dropped row", range(3), "anything")


def test_an_error_nobody_planned_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends with a traceback is a violation, not a crash."""

    def fail(_staging: Staging) -> None:
        raise RuntimeError("not planned")

    monkeypatch.setattr("importer.job.deliver.Delivery._record", fail)

    assert _noticed("unexpected error", range(3), "anything")


def test_a_history_leaves_nothing_switched() -> None:
    """Later tests of the process have their own clock, schedule and intervals, whatever failed."""
    switched = (deliver, "TELL_EVERY"), (coordinator, "LOOK_EVERY"), (internals, "_r")
    before = [getattr(*one) for one in switched]
    during: list[object] = []

    async def fails() -> None:
        during.extend(getattr(*one) for one in switched)
        raise KeyError

    with pytest.raises(KeyError):
        simulate(1, fails, lambda: None)

    assert all(now != one for now, one in zip(during, before, strict=True))
    assert [getattr(*one) for one in switched] == before


def _noticed(violation: str, seeds: range, theme: str) -> bool:
    """Whether one of the histories has it; the first that has settles it."""
    histories = (play(seed, theme=theme) for seed in seeds)
    return any(violation in dict(told.violations) for told in histories)
