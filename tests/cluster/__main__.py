"""``make cluster``: many rows, several workers, and everything that holds them killed; the audit.

Twice: once with workers of a Dask scheduler, once with two shards that know nothing of each other
but the ledger. At random moments of the run one worker (or shard), the scheduler and the database
die by ``kill -9`` and come back; where a run ends for it, the same command is typed again.

python -m tests.cluster [--rows 100000] [--rate 1500] [--seed 1] [--only engine|shards]
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import importer
from importer import __version__
from tests import plain_http
from tests.cluster.fleet import Fleet
from tests.postgres_server import PASSWORD
from tests.rehearsal.audit import audit, references_of, sandbox_customers
from tests.rehearsal.processes import export, sandbox, start_run
from tests.torture import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAULTS = "lost=0.02,stored500=0.01,503=0.01"
MOST_RUNS = 12
FINE = {0, 3, 4, 75}
"""Exit codes of a run under which something died; 4 while the lease of a dead run lasts."""
SHARDS = 2
LONGEST = 1800
"""Seconds after which a run counts as hung."""


class Campaign:
    """One import from an empty ledger to the audit."""

    def __init__(self, folder: Path, source: Path, fleet: Fleet, base_url: str) -> None:
        self.folder = folder
        self.source = source
        self.fleet = fleet
        self.base_url = base_url
        self.references = references_of(source)
        self.secrets = checks.Secrets.of(source)
        self.faults: list[str] = []
        self.runs = self.kills = 0
        self._processes: list[subprocess.Popen[bytes]] = []
        self._began = time.monotonic()

    # What runs ------------------------------------------------------------------------------------

    def start(self, out: str, *options: str) -> subprocess.Popen[bytes]:
        """Type the command; its results go to a folder of this name, its log beside it."""
        self.runs += 1
        where = ["--ledger", self.fleet.ledger, "--out", str(self.folder / out)]
        process = start_run(
            self.base_url,
            self.source,
            self.folder,
            *where,
            *options,
            log=f"{out}-{self.runs}.log",
            more=self.fleet.environment,
        )
        self._processes.append(process)
        return process

    def end(self) -> None:
        """Leave nothing running, however the campaign ends."""
        for process in self._processes:
            process.kill()
            process.wait()

    def customers(self) -> int:
        """How many the sandbox holds."""
        state = plain_http.get(f"{self.base_url}/_sandbox/state", timeout=30).json()
        return int(state["customers"])

    def wait_for(self, share: float, processes: list[subprocess.Popen[bytes]]) -> bool:
        """Wait until this share of the rows is there; False if all ended before."""
        while any(one.poll() is None for one in processes):
            if self.customers() >= share * len(self.references):
                return True
            time.sleep(0.5)  # The sandbox counts all its customers to answer.
        return False

    def tell(self, what: str) -> None:
        """One line with the time."""
        took = time.monotonic() - self._began
        print(f"{took:7.1f} s  {self.customers():>9,} customers  {what}", flush=True)

    # What dies ------------------------------------------------------------------------------------

    def kill_database(self) -> None:
        """All its processes at once; it is back after three seconds."""
        self.kills += 1
        self.fleet.server.kill_nine()
        time.sleep(3)
        self.fleet.server.restart()

    def kill_worker(self, rng: random.Random) -> None:
        """One of them."""
        self.kills += 1
        self.fleet.kill_worker(rng.choice(self.fleet.workers))

    def kill_scheduler(self) -> None:
        """It knows nothing any more when it is back."""
        self.kills += 1
        self.fleet.kill_scheduler()

    # What must hold -------------------------------------------------------------------------------

    def audit(self, outs: list[str]) -> None:
        """Input = sandbox = ledger, each created once, a line a row; ``outs`` share the rows."""
        ids = export(self.folder, self.fleet.ledger, self.fleet.environment)
        result = audit(self.references, self.base_url, ids)
        self.faults += result.faults
        held = {ref: one for ref, (one, _) in sandbox_customers(self.base_url).items()}
        created: Counter[str] = Counter()
        last: Counter[str] = Counter()
        for out in outs:
            folders = checks.published(self.folder / out)
            self.faults += checks.leftovers(self.folder / out)
            for folder in folders:
                rows = checks.results(folder)
                created.update(
                    row["external_reference"] for row in rows if row["outcome"] == "created"
                )
            if not folders:
                self.faults.append(f"{out}: no results were published")
                continue
            last.update(row["external_reference"] for row in checks.results(folders[-1]))
            self.faults += checks.unsettled_results(folders[-1], held)
        self.faults += [f"{ref} was told `created` twice" for ref, n in created.items() if n > 1]
        self.faults += [f"{ref} has {last[ref]} lines" for ref in self.references if last[ref] != 1]
        self.faults += [f"{ref} is no row" for ref in last.keys() - self.references]
        for log in sorted(self.folder.glob("*.log")):
            self.faults += _traceback_in(log)
            self.faults += self.secrets.found_in(log)
            if PASSWORD.encode() in log.read_bytes():
                self.faults.append(f"{log.name} holds the database's password")
        said = "no fault" if not self.faults else f"{len(self.faults):,} FAULTS"
        self.tell(f"{self.runs} runs, {self.kills} kills: {said}")
        print("\n".join([result.text(), *self.faults[:20]]), flush=True)


def _traceback_in(log: Path) -> Iterator[str]:
    """A complaint where we show a traceback; Dask's own of a scheduler that died are Dask's."""
    if not log.name.startswith(("scheduler", "worker")):
        yield from checks.traceback_in(log, interrupted=False)
    elif f'File "{Path(importer.__file__).parent}' in log.read_text(errors="replace"):
        yield f"{log.name} shows a traceback of ours"


def with_engine(campaign: Campaign, rng: random.Random, rate: int) -> None:
    """A worker, the scheduler and the database die, in any order; the same command again."""
    kills: list[tuple[str, Callable[[], None]]] = [
        ("a worker", lambda: campaign.kill_worker(rng)),
        ("the scheduler", campaign.kill_scheduler),
        ("the database", campaign.kill_database),
    ]
    rng.shuffle(kills)
    start = partial(
        campaign.start, "results", "--engine", campaign.fleet.engine, "--rate", str(rate)
    )
    run = start()
    for number, (name, kill) in enumerate(kills):
        wanted = (number + rng.uniform(0.2, 0.8)) / len(kills)
        while not campaign.wait_for(wanted, [run]):
            if _ended(campaign, run, "results") == 0:
                campaign.faults.append("the run was over before the last kill: nothing was shown")
                return
            time.sleep(1)
            run = start()
        campaign.tell(f"kill -9 of {name}")
        kill()
    _settle(campaign, run, "results", start)
    campaign.audit(["results"])


def _settle(
    campaign: Campaign,
    run: subprocess.Popen[bytes],
    out: str,
    again: Callable[[], subprocess.Popen[bytes]],
) -> None:
    """The same command again until it says 0."""
    for _ in range(MOST_RUNS):
        if _ended(campaign, run, out) == 0:
            return
        time.sleep(1)
        run = again()
    campaign.faults.append(f"{out}: not settled after {MOST_RUNS} runs")


def _ended(campaign: Campaign, run: subprocess.Popen[bytes], out: str) -> int:
    try:
        code = run.wait(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        campaign.faults.append(f"{out}: still running after {LONGEST} s")
        run.kill()
        code = run.wait()
    campaign.tell(f"{out}: exit {code}")
    if code not in {*FINE, -signal.SIGKILL}:
        campaign.faults.append(f"{out}: exit {code}")
    return code


def with_shards(campaign: Campaign, rng: random.Random, rate: int) -> None:
    """Two commands that share the rows; one of them and the database die."""

    def start(number: int) -> subprocess.Popen[bytes]:
        return campaign.start(_out(number), "--shard", f"{number}/{SHARDS}", "--rate", str(rate))

    runs = {number: start(number) for number in range(1, SHARDS + 1)}

    def kill_shard() -> None:
        number = rng.choice([one for one, run in runs.items() if run.poll() is None])
        campaign.kills += 1
        runs[number].kill()

    kills = [("a shard", kill_shard), ("the database", campaign.kill_database)]
    rng.shuffle(kills)
    for number, (name, kill) in enumerate(kills):
        wanted = (number + rng.uniform(0.2, 0.8)) / len(kills)
        if not campaign.wait_for(wanted, list(runs.values())):
            campaign.faults.append("the shards were over before the last kill: nothing was shown")
            break
        campaign.tell(f"kill -9 of {name}")
        kill()
    for number, run in runs.items():
        _settle(campaign, run, _out(number), partial(start, number))
    campaign.audit([_out(number) for number in runs])


def _out(number: int) -> str:
    return f"results-{number}"


SCENARIOS: dict[str, tuple[int, Callable[[Campaign, random.Random, int], None]]] = {
    "engine": (2, with_engine),
    "shards": (0, with_shards),
}
"""Workers, and what is played."""


def main() -> int:
    """Play; 0 if the audits find nothing wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=1500, help="requests a second, of all workers")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", choices=sorted(SCENARIOS), action="append")
    parser.add_argument("--folder", type=Path, default=Path("rehearsal/cluster"))
    arguments = parser.parse_args()
    seed = random.randrange(1000) if arguments.seed is None else arguments.seed
    found = 0
    for name in arguments.only or SCENARIOS:
        folder = arguments.folder / name
        print(
            f"importer {__version__}, {name}: {arguments.rows:,} rows, faults {FAULTS},"
            f" {arguments.rate} requests/s, seed {seed}",
            flush=True,
        )
        found += len(play(name, folder, rows=arguments.rows, rate=arguments.rate, seed=seed))
    return 1 if found else 0


def play(name: str, folder: Path, *, rows: int, rate: int, seed: int) -> list[str]:
    """One scenario in an empty folder; the faults."""
    workers, scenario = SCENARIOS[name]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    generate = [sys.executable, "sample_data/generate.py", str(folder), "--rows", str(rows)]
    subprocess.run(generate, check=True)
    rng = random.Random(f"{name} {seed}")
    with (
        sandbox("--faults", FAULTS, "--seed", str(seed)) as base_url,
        Fleet(folder, workers=workers) as fleet,
    ):
        campaign = Campaign(folder, folder / "customers.csv", fleet, base_url)
        try:
            scenario(campaign, rng, rate)
        finally:
            campaign.end()
    return campaign.faults


if __name__ == "__main__":
    sys.exit(main())
