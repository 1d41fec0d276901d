"""Many histories over several processes, and their figures."""

from __future__ import annotations

import hashlib
import multiprocessing
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from importer import __version__
from importer.delivery.protocol.safeguards import ALL_ON, Safeguards
from tests.simulation.history import Report, fast_folder, play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CHUNK = 20
"""Seeds that a process takes at once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a campaign keeps of one history."""

    seed: int
    violations: tuple[tuple[str, str], ...]
    digest: str
    faults: Counter[str]
    seconds: float
    runs: int
    requests: int
    steps: int


@dataclass(slots=True)
class Figures:
    """The sums of a campaign."""

    histories: int = 0
    runs: int = 0
    requests: int = 0
    steps: int = 0
    days: float = 0.0
    """Simulated."""
    faults: Counter[str] = field(default_factory=Counter)
    violations: dict[int, str] = field(default_factory=dict)
    """First violation by seed."""
    took: float = 0.0
    """Real seconds."""
    digests: list[str] = field(default_factory=list)

    def add(self, one: Outcome) -> None:
        """Count one history."""
        self.histories += 1
        self.runs += one.runs
        self.requests += one.requests
        self.steps += one.steps
        self.days += one.seconds / 86400
        self.faults += one.faults
        self.digests.append(one.digest)
        if one.violations:
            name, text = one.violations[0]
            self.violations[one.seed] = f"{name}: {text}"

    @property
    def crashes(self) -> int:
        """Importers that died."""
        return sum(n for kind, n in self.faults.items() if kind.startswith("crash"))

    @property
    def digest(self) -> str:
        """One value for all histories, in the order of their seeds."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()[:16]


def version() -> str:
    """The version under test: git's, else the package's."""
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    try:
        told = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__} ({told.stdout.strip()})"


def outcome_of(seed: int, *, theme: str, safeguards: Safeguards, within: str) -> Outcome:
    """Play one seed; what the history tells in words stays behind."""
    try:
        told = play(seed, theme=theme, safeguards=safeguards, within=within)
    except Exception as error:  # noqa: BLE001 - the simulation itself broke: that seed is told too
        broken = (("the simulation broke", f"{type(error).__name__}: {error}"),)
        return Outcome(seed, broken, "", Counter(), 0.0, 0, 0, 0)
    return _kept(told)


def _kept(told: Report) -> Outcome:
    return Outcome(
        told.seed,
        told.violations,
        told.digest,
        told.faults,
        told.seconds,
        told.runs,
        told.requests,
        told.steps,
    )


def campaign(
    seeds: Iterable[int],
    *,
    jobs: int,
    theme: str = "",
    safeguards: Safeguards = ALL_ON,
    on_outcome: Callable[[Figures], None] = lambda _: None,
    stop_at: int | None = None,
) -> Figures:
    """Play the seeds.

    Args:
        seeds: which.
        jobs: processes; 1 plays in this one.
        theme: of every history, "" lets each seed choose.
        safeguards: of the product.
        on_outcome: hears of the sums after each history.
        stop_at: violations after which to stop; None plays every seed.
    """
    figures, began = Figures(), time.perf_counter()
    # One folder for all: a process that is stopped in the middle of a history leaves nothing.
    with TemporaryDirectory(prefix="simulation-", dir=fast_folder()) as within:
        one = partial(outcome_of, theme=theme, safeguards=safeguards, within=within)
        if jobs == 1:
            _count(map(one, seeds), figures, on_outcome, stop_at)
        else:
            with multiprocessing.get_context("spawn").Pool(jobs) as pool:
                _count(pool.imap(one, seeds, chunksize=CHUNK), figures, on_outcome, stop_at)
                pool.terminate()
                pool.join()
    figures.took = time.perf_counter() - began
    return figures


def _count(
    outcomes: Iterable[Outcome],
    figures: Figures,
    on_outcome: Callable[[Figures], None],
    stop_at: int | None,
) -> None:
    for outcome in outcomes:
        figures.add(outcome)
        on_outcome(figures)
        if stop_at is not None and len(figures.violations) >= stop_at:
            return
