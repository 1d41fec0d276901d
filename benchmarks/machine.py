"""What the figures were measured on, and with which versions."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contenders import NEWMAN, PYTHON
from benchmarks.process import ROOT
from importer import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.process import Cores

_OURS = ("aiohttp", "anyio", "httpx", "polars", "pydantic", "uvloop")
_PEERS = ("aiohttp", "dlt", "drt-core", "httpx", "pyreqwest", "requests", "uvloop")
_NUMBER = re.compile(r"\d+(\.\d+)+")


def machine(cores: Cores) -> dict[str, str]:
    """Processor, memory, system; and how the processes were pinned."""
    pinned = (
        f"server on core {cores.server}, client on core {cores.client}"
        if cores.client is not None
        else "not pinned: no affinity on this system, or one core only"
    )
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "pinned": pinned,
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def versions() -> dict[str, str]:
    """Everything that took part; what is not installed is missing."""
    found = {
        "importer": _commit(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **_installed(_OURS),
    }
    if PYTHON.exists():
        names = ", ".join(repr(name) for name in _PEERS)
        script = f"from importlib.metadata import version\nfor n in ({names}): print(n, version(n))"
        for line in _said([str(PYTHON), "-c", script]).splitlines():
            name, number = line.split()
            found[f"peer {name}"] = number
    tools = {
        "newman": [str(NEWMAN), "-v"],
        "node": ["node", "-v"],
        "curl": ["curl", "--version"],
        "wrk": ["wrk", "-v"],
        "cc": ["cc", "--version"],
    }
    for tool, command in tools.items():
        if shutil.which(command[0]) and (told := _NUMBER.search(_said(command))):
            found[tool] = told[0]
    return found


def _installed(names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    """The version, with the commit and whether the tree was changed since."""
    commit = _said(["git", "rev-parse", "--short=10", "HEAD"]).strip()
    if not commit:
        return __version__
    changed = _said(["git", "status", "--porcelain", "--", "importer"]).strip()
    return f"{__version__} ({commit}{', changed' if changed else ''})"


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout + done.stderr if "-v" in command[-1] else done.stdout
