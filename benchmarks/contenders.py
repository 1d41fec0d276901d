"""Who posts the file in the posting benchmarks, each as one command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.process import ROOT, BenchmarkError, Cost, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.target.api import Api

HERE = ROOT / "benchmarks"
VENV = HERE / ".venv"
PYTHON = VENV / "bin" / "python"
NEWMAN = HERE / "newman" / "node_modules" / ".bin" / "newman"
IMPORTER = "importer"
SCRIPT = "httpx script"
_MODULES = {
    "requests, sequential": "sequential",
    "requests, 32 threads": "threads",
    SCRIPT: "asyncio_httpx",
    "dlt custom destination": "dlt_destination",
    "drt REST destination": "drt_sync",
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A peer: its command for (file, url, requests in flight), or why it does not run here."""

    name: str
    command: Callable[[Path, str, int], list[str | Path]]
    missing: str = ""

    def post(self, bench: Bench, api: Api, file: Path, rows: int, in_flight: int) -> Cost:
        """Post the file's rows, and make sure that the server saw each of them.

        Raises:
            BenchmarkError: it failed, or posted fewer or more.
        """
        before = api.posts()
        cost = run(self.command(file, api.url, in_flight), core=bench.cores.client)
        posted = api.posts() - before
        if posted != rows:
            raise BenchmarkError(f"{self.name} posted {posted:,} of {rows:,} rows")
        return cost


def install() -> dict[str, str]:
    """Install the peers, each group beside the project; why not, by group, where it fails."""
    ready, lock = VENV / ".ready", HERE / "peers.lock"
    failed: dict[str, str] = {}
    if not ready.exists() or ready.stat().st_mtime < lock.stat().st_mtime:
        words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        failed["python"] = _attempt(
            [sys.executable, "-m", "venv", str(VENV)],
            [str(PYTHON), *words, "--require-hashes", "-r", str(lock)],
        )
        if not failed["python"]:
            ready.touch()
    if not NEWMAN.exists():
        npm = shutil.which("npm")
        words = [npm or "npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        words += ["--prefix", str(HERE / "newman")]
        failed["newman"] = _attempt(words) if npm else "npm is not installed"
    return {group: reason for group, reason in failed.items() if reason}


def _attempt(*commands: list[str]) -> str:
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            return f"not installed: {said[-1][:200] if said else 'no reason given'}"
    return ""


def peers(failed: dict[str, str]) -> list[Contender]:
    """Every peer, those that do not run here with the reason."""
    no_python = failed.get("python", "" if PYTHON.exists() else "not installed: run make bench")
    no_newman = failed.get("newman", "" if NEWMAN.exists() else "not installed: run make bench")
    lacking = [tool for tool in ("curl", "xargs") if shutil.which(tool) is None]
    no_curl = f"{' and '.join(lacking)} not installed" if lacking else ""
    found = [
        Contender(name, partial(_script, module), no_python) for name, module in _MODULES.items()
    ]
    found.append(Contender("newman", _newman, no_newman))
    found.append(Contender("xargs -P 32 curl", _xargs, no_curl))
    return found


def _script(module: str, file: Path, url: str, in_flight: int) -> list[str | Path]:
    return [PYTHON, "-m", f"benchmarks.peers.{module}", file, url, str(in_flight)]


def _newman(file: Path, url: str, _: int) -> list[str | Path]:
    collection = HERE / "newman" / "collection.json"
    command: list[str | Path] = [NEWMAN, "run", collection, "--iteration-data", file]
    return [*command, "--global-var", f"url={url}", "--silent"]


def _xargs(file: Path, url: str, in_flight: int) -> list[str | Path]:
    script = HERE / "peers" / "xargs_curl.sh"
    return ["sh", script, sys.executable, file, url, str(in_flight)]
