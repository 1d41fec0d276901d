"""``make rehearse``: many rows through a faulty sandbox, killed three times, then the audit.

Then a second night: a tenth of the customers changes, some were edited at Moment, and the run is
killed in the middle of its updates; the same command again, the audit again.

python -m tests.rehearsal.kill_nine [--rows 100000] [--kills 3] [--seed 1]
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
from contextlib import closing
from pathlib import Path

from tests.rehearsal.audit import audit, references_of, sandbox_customers
from tests.rehearsal.nights import UPDATE, Nights, Requests
from tests.rehearsal.processes import export, sandbox, start_run
from tests.torture import checks

FAULTS = "lost=0.05,stored500=0.02,503=0.02"
PATCH_FAULTS = "patch:lost=0.05,patch:500_updated=0.02,patch:409=0.02,patch:503=0.02"
MOST_RUNS = 10
EDITED = 0.1
"""Of the customers drawn for the second night, the share that is edited at Moment."""
OTHERS = 1000
"""Customers drawn from all that are compared as well."""


def main() -> int:
    """Rehearse; 0 if the audit finds nothing wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--rate", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("rehearsal/kill_nine"))
    arguments = parser.parse_args()
    return rehearse(**vars(arguments))


def rehearse(*, rows: int, kills: int, rate: int, seed: int, folder: Path) -> int:
    """Run, kill, run again, until a run ends by itself with every row settled."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    generate = [sys.executable, "sample_data/generate.py", str(folder), "--rows", str(rows)]
    subprocess.run(generate, check=True)
    source = folder / "customers.csv"
    rng = random.Random(seed)
    faults = f"{FAULTS},{PATCH_FAULTS}"
    with sandbox("--faults", faults, "--rate", str(rate), "--seed", str(seed)) as base_url:
        print(f"{rows:,} rows, faults {faults}, {rate} requests/s, {kills} kills", flush=True)
        for number in range(kills + MOST_RUNS):
            began = time.monotonic()
            process = start_run(base_url, source, folder)
            if number < kills:
                code = _kill_after(process, rng.uniform(3, max(4.0, rows / rate / (kills + 1))))
            else:
                code = process.wait()
            _tell(f"run {number + 1}", code, began)
            if code == 0:
                break
        result = audit(references_of(source), base_url, export(folder))
        print(result.text(), flush=True)
        if result.faults:
            return 1
        faults_found = _second_night(base_url, source, folder, rng)
    return 1 if faults_found else 0


def _second_night(base_url: str, source: Path, folder: Path, rng: random.Random) -> list[str]:
    """Change a tenth of the rows, kill the run in the middle of its PATCHes, go on; the faults."""
    nights = Nights(source, rng, changed=len(references_of(source)) // 10, edited=EDITED)
    nights.edit(base_url)
    nights.move_on()
    print(
        f"second night: {len(nights.kinds):,} customers changed or edited,"
        f" {len(nights.conflicts):,} of them must conflict, 1 kill",
        flush=True,
    )
    faults = []
    with closing(Requests(base_url)) as requests:
        began = time.monotonic()
        wanted = requests.so_far("PATCH") + nights.patches * rng.uniform(0.2, 0.7)
        process = start_run(base_url, source, folder, *UPDATE)
        while process.poll() is None and requests.so_far("PATCH") < wanted:
            time.sleep(0.5)  # The sandbox counts all its customers to answer.
        process.kill()
        _tell("run 1", code := process.wait(), began)
        if code != -signal.SIGKILL:
            faults.append("the run was over before the kill: nothing was shown")
        for number in range(2, MOST_RUNS):
            began = time.monotonic()
            code = start_run(base_url, source, folder, *UPDATE).wait()
            _tell(f"run {number}", code, began)
            if code in (0, 1) and "unsettled" not in _outcomes(folder):
                break
        result = audit(set(nights.held), base_url, export(folder))
        faults += result.faults
        faults += nights.out_of_step(base_url, rng, min(OTHERS, len(nights.held)))
        ids = {ref: one for ref, (one, _) in sandbox_customers(base_url).items()}
        latest = checks.published(folder / "results")[-1]
        faults += checks.unsettled_results(latest, ids, nights.conflicts)
        before = requests.so_far()
        began = time.monotonic()
        _tell("a quiet night", start_run(base_url, source, folder, *UPDATE).wait(), began)
        if sent := requests.so_far() - before:
            faults.append(f"a quiet night sent {sent:,} requests")
    result.faults = faults
    print(f"{dict(_outcomes(folder))}\n{result.text()}")
    return faults


def _outcomes(folder: Path) -> Counter[str]:
    latest = checks.published(folder / "results")[-1]
    return Counter(row["outcome"] for row in checks.results(latest))


def _tell(what: str, code: int, began: float) -> None:
    print(f"{what}: exit {code} after {time.monotonic() - began:.1f} s", flush=True)


def _kill_after(process: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
