"""A file ten times as long does not need ten times the memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
from typing import TYPE_CHECKING

import polars as pl
import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import resource, sys
from importer.source.opened import open_source
from importer.source.source_options import SourceOptions
with open_source(sys.argv[1], 0, SourceOptions()) as source:
    rows = sum(batch.frame.height for batch in source.batches())
try:  # what getrusage says begins with what the parent holds
    status = open("/proc/self/status").read()
    peak = int(status.split("VmHWM:")[1].split()[0]) >> 10
except OSError:
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit >> 20
print(rows, peak)
"""
BLOCKS = {
    "windows-1252": b"CUSTOMER-000001,Ren\xe9e Example,person@example.com,+27820000001\n" * 1000,
    "json": b'{"external_reference": "CUSTOMER-000001", "name": "Example Person"}\n' * 1000,
}
MARGIN_MIB = 120
"""Far less than what 1,000,000 rows need when they are all held (several hundred MiB)."""


def measured(path: Path) -> tuple[int, int]:
    """Rows and peak memory in MiB of reading a file in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True
    )
    rows, peak = done.stdout.split()
    return int(rows), int(peak)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "gzip", "parquet", "windows-1252", "json"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    """The peak of a file of 900,000 rows is near that of one of 90,000."""
    peaks = []
    for rows in (90_000, 900_000) if kind != "json" else (30_000, 300_000):
        path = tmp_path / f"{rows}"
        if kind == "parquet":
            numbers = pl.int_range(rows, eager=True)
            frame = pl.DataFrame(
                {"external_reference": "CUSTOMER-" + numbers.cast(pl.String), "balance": numbers}
            )
            frame.write_parquet(path)
        else:
            block = BLOCKS.get(
                kind, b"CUSTOMER-000001,Example Person,person@example.com,+27820000001\n" * 1000
            )
            open_it = gzip.open if kind == "gzip" else open
            with open_it(path, "wb") as file:
                if kind != "json":
                    file.write(b"external_reference,name,email,phone\n")
                for _ in range(rows // 1000):
                    file.write(block)
        read, peak = measured(path)
        assert read == rows
        peaks.append(peak)
    assert peaks[1] < peaks[0] + MARGIN_MIB
