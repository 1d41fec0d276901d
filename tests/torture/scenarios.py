"""Every scenario with its size, and one round of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from traceback import extract_tb
from typing import TYPE_CHECKING

from tests.torture import databases, disks, kills, nights, signals, world
from tests.torture.arena import Arena, Skipped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is played, with how many rows in the short and in the thorough form."""

    play: Callable[[Arena], None]
    rows: int = 300
    most_rows: int = 2000

    @property
    def name(self) -> str:
        """The function's name."""
        return self.play.__name__


@dataclass(slots=True)
class Round:
    """How one round went."""

    seed: str
    runs: int = 0
    kills: int = 0
    audits: int = 0
    skipped: str = ""
    violations: list[str] = field(default_factory=list)


SCENARIOS = {
    one.name: one
    for one in (
        Scenario(kills.kill_anywhere),
        Scenario(kills.kill_reading, 2000, 20_000),
        Scenario(kills.kill_committing),
        Scenario(kills.kill_writing_results, 500, 3000),
        Scenario(kills.kill_everything),
        Scenario(kills.keys_expire),
        Scenario(nights.kill_updating, 120, 1200),
        Scenario(nights.kill_updating_faulty, 120, 1200),
        Scenario(nights.kill_updating_then_newer, 120, 1200),
        Scenario(signals.signal_once),
        Scenario(signals.signal_twice),
        Scenario(signals.signal_anywhen),
        Scenario(signals.importer_stopped),
        Scenario(signals.sandbox_stopped),
        Scenario(disks.ledger_disk_full),
        Scenario(disks.ledger_file_limit),
        Scenario(disks.results_disk_full),
        Scenario(disks.results_unusable, 100, 1000),
        Scenario(disks.results_vanish),
        Scenario(databases.database_killed),
        Scenario(databases.database_stays_away, 1500, 3000),
        Scenario(databases.database_hangs),
        Scenario(databases.database_dies_too),
        Scenario(world.bad_network),
        Scenario(world.sandbox_restarts),
        Scenario(world.second_importer, 500, 1200),
        Scenario(world.two_ledgers),
        Scenario(world.file_grows, 1500, 20_000),
        Scenario(world.input_cut, 100, 1000),
        Scenario(world.log_reader_leaves),
    )
}


def play(scenario: Scenario, seed: str, folder: Path, *, thorough: bool = False) -> Round:
    """One round: the scenario, the same command until it settles, the audit."""
    rows = scenario.most_rows if thorough else scenario.rows
    round_ = Round(seed)
    with Arena(folder / scenario.name, seed, rows=rows, thorough=thorough) as arena:
        try:
            scenario.play(arena)
        except Skipped as reason:
            round_.skipped = str(reason)
        except Exception as error:  # noqa: BLE001 - one round must not end the campaign
            place = extract_tb(error.__traceback__)[-1]
            arena.violate(f"the round broke off: {error!r} at {place.name}:{place.lineno}")
        round_.runs, round_.kills, round_.audits = arena.runs, arena.kills, arena.audits
        round_.violations = [f"{scenario.name} seed {seed}: {one}" for one in arena.violations]
    return round_
