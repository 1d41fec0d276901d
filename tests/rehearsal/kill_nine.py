"""``make rehearse``: many rows through a faulty sandbox, killed three times, then the audit.

python -m tests.rehearsal.kill_nine [--rows 100000] [--kills 3] [--seed 1]
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.rehearsal.audit import audit, references_of
from tests.rehearsal.processes import export, sandbox, start_run

FAULTS = "lost=0.05,stored500=0.02,503=0.02"
MOST_RUNS = 10


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
    with sandbox("--faults", FAULTS, "--rate", str(rate), "--seed", str(seed)) as base_url:
        print(f"{rows:,} rows, faults {FAULTS}, {rate} requests/s, {kills} kills", flush=True)
        for number in range(kills + MOST_RUNS):
            began = time.monotonic()
            process = start_run(base_url, source, folder)
            if number < kills:
                code = _kill_after(process, rng.uniform(3, max(4.0, rows / rate / (kills + 1))))
            else:
                code = process.wait()
            print(
                f"run {number + 1}: exit {code} after {time.monotonic() - began:.1f} s", flush=True
            )
            if code == 0:
                break
        result = audit(references_of(source), base_url, export(folder))
    print(result.text())
    return 1 if result.faults else 0


def _kill_after(process: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
