"""Reads a Parquet file in a process of its own first, because a damaged one can end a process.

A footer that lies makes polars panic, with a stack trace on standard error, or ask for so much
memory that the process is aborted, which no ``except`` can catch. What survives the probe is then
read in the same way in this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from importer.errors import SourceError, printable

if TYPE_CHECKING:
    from pathlib import Path

_REFUSED = 3
"""Exit code of a probe that ended with a SourceError, which is on its standard output."""


def probe(name: str, path: Path) -> None:
    """Read the whole file at ``path`` elsewhere; messages call it ``name``.

    Raises:
        SourceError: what the reading raised, or that it ended the process.
    """
    if not sys.executable:
        return  # an embedded interpreter; nothing to start a process with
    # -P: a module of the folder that we happen to stand in must not be taken for one of ours.
    command = [sys.executable, "-P", "-m", __name__, str(path)]
    modules = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(  # noqa: S603 - our own program
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": modules, "RUST_BACKTRACE": "0"},
    )
    if done.returncode == 0:
        return
    if done.returncode == _REFUSED:
        message, hint = json.loads(done.stdout)
        raise SourceError(f"{name}{message}", hint=hint)
    raise SourceError(
        f"{name}: the Parquet file is damaged or cut off: what it says about itself is not true",
        hint="export or copy the file again; nothing of it was imported",
    )


def main(name: str) -> int:
    """What the probe process does; its exit code."""
    from importer.source.parquet_source import ParquetSource  # noqa: PLC0415 - imports this module

    try:
        for _ in ParquetSource(name, 0, proven=True).batches():
            pass
    except SourceError as error:
        # Its place is shown as the user named it.
        print(json.dumps([error.message.removeprefix(printable(name)), error.hint]))  # noqa: T201
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
