"""Runs the commands of docs/migrating.md again and writes their real output into the page.

    python sample_data/legacy/record.py [PAGE] [--check]

Every ```console block holds commands (``$ ...``) and what they printed on a terminal. They run in
order in one empty folder with copies of the three exports, against a sandbox of its own. A comment
``<!-- type: CH, CHF -->`` before a block holds what is typed at its prompts. Ids of runs are
replaced by their order, so that a page changes only if the program does. ``--check`` writes
nothing and fails if the page would change.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import termios
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "migrating.md"
EXPORTS = ("crm_de.csv", "kunden_excel.txt", "ZA_acme_moment_all-customers_2026-11-20.csv")
WIDTH = 100
BLOCK = re.compile(
    r"(?P<head>(?:<!-- type: (?P<typed>[^\n]*) -->\n)?```console\n)(?P<body>.*?)(?P<tail>^```$)",
    re.DOTALL | re.MULTILINE,
)
PROMPT = re.compile(r"(?:number or value|\[y/N\]|\[Y/n\]): $")
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]+")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r(?!\n)")


def environment(folder: Path, url: str) -> dict[str, str]:
    """What a user of a plain terminal has, with importer on the path."""
    tools = folder / ".bin"
    tools.mkdir()
    program = tools / "importer"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m importer "$@"\n')
    program.chmod(0o700)
    return {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": str(WIDTH),
        "LINES": "50",
        "MOMENT_BASE_URL": url,
        "MOMENT_API_KEY": "sk_test_sandbox",
    }


@contextmanager
def sandbox() -> Iterator[str]:
    """A sandbox on a free port; gives its address."""
    command = [sys.executable, "-m", "importer", "sandbox", "--port", "0"]
    served = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}
    )
    try:
        ready = served.stdout.readline() if served.stdout else ""
        found = re.search(r"http://\S+", ready)
        if found is None:
            sys.exit("the sandbox did not start")
        yield found[0]
    finally:
        served.terminate()
        served.wait()


def terminal_output(command: str, folder: Path, env: dict[str, str], typed: list[str]) -> str:
    """What a command prints on a terminal; ``typed`` answers its prompts in order."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, WIDTH))
    stdin = theirs if typed else subprocess.DEVNULL
    shell = subprocess.Popen(
        ["/bin/sh", "-c", command], cwd=folder, env=env, stdin=stdin, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            more = os.read(ours, 65_536)
        except OSError:  # Linux says so when the last writer has gone
            break
        if not more:
            break
        seen += more
        if typed and PROMPT.search(seen.decode(errors="replace")):
            os.write(ours, typed.pop(0).encode() + b"\n")
    os.close(ours)
    code = shell.wait()
    shown = CONTROL.sub("", seen.decode().replace("\r\n", "\n"))
    lines = [line.rstrip() for line in shown.splitlines()]
    if code:
        lines.append(f"(exit code {code})")
    return "\n".join(lines).strip("\n")


def record(page: str, folder: Path, url: str) -> str:
    """The page with the output of every command as it is today."""
    env = environment(folder, url)
    ids: dict[str, str] = {}

    def named(match: re.Match[str]) -> str:
        return ids.setdefault(match[0], f"20261123T0900{len(ids):02d}Z-00001")

    def again(block: re.Match[str]) -> str:
        typed = [one.strip() for one in (block["typed"] or "").split(",") if one.strip()]
        parts = []
        for command in re.findall(r"^\$ (.+(?:\\\n.+)*)$", block["body"], re.MULTILINE):
            shown = terminal_output(command, folder, env, typed)
            parts.append(f"$ {command}\n" + (shown + "\n" if shown else ""))
        return block["head"] + "\n".join(parts) + block["tail"]

    recorded = BLOCK.sub(again, page)
    recorded = recorded.replace(url, "http://127.0.0.1:8787")
    return RUN_ID.sub(named, recorded)


def main() -> int:
    """Record the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, default=PAGE)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    page = arguments.page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name, sandbox() as url:
        for export in EXPORTS:
            shutil.copy(HERE / export, name)
        recorded = record(page, Path(name), url)
    if arguments.check:
        return int(recorded != page)
    arguments.page.write_text(recorded, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
