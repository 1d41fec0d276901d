"""Hostile files: a clear error or every record accounted for, in bounded work and memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.errors import ImporterError, SourceError
from importer.job.check import check
from importer.job.job_settings import InputSettings
from importer.source.csv.careful import Framer
from importer.source.opened import open_source
from importer.source.raw import RawStream
from importer.source.source_options import SourceOptions
from tests.fuzz.inputs import (
    COMPRESSED,
    CSV_BYTES,
    ENCODED,
    JSON_LINES,
    PARQUET_BYTES,
    XLSX_BYTES,
    read_all,
    zstd,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIB = 1 << 20
MOST_MIB = 400
"""An empty process that has polars loaded takes 60; the largest file here unpacks to 750."""
PROGRAM = """
import json, resource, sys
from pathlib import Path
from importer.errors import ImporterError
from importer.job.check import check
from importer.job.job_settings import InputSettings
try:
    done = check(InputSettings(sources=(sys.argv[1],), out=Path(sys.argv[2])))
    said = " ".join(f"{outcome} {n}" for outcome, n in done.summary.outcomes.items())
except ImporterError as error:
    said = error.message
try:  # what getrusage says begins with what the parent holds
    status = open("/proc/self/status").read()
    peak = int(status.split("VmHWM:")[1].split()[0]) >> 10
except OSError:
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit >> 20
print(json.dumps([said, peak]))
"""


@pytest.mark.slow
@given(CSV_BYTES, st.sampled_from([1, 100, 1 << 16]))
@settings(max_examples=150)
def test_any_csv(data: bytes, block_bytes: int) -> None:
    """Any bytes, read in blocks of any size."""
    read_all(data, block_bytes)


@pytest.mark.slow
@given(COMPRESSED)
@settings(max_examples=200)
def test_any_compressed_file(data: bytes) -> None:
    """Whole, damaged and cut gzip and zstd."""
    read_all(data)


@pytest.mark.slow
@given(ENCODED | JSON_LINES | XLSX_BYTES)
@settings(max_examples=300)
def test_any_legacy_file(data: bytes) -> None:
    """Other encodings, JSON Lines and Excel workbooks, sound and damaged."""
    read_all(data)


@pytest.mark.slow
@given(PARQUET_BYTES)
@settings(max_examples=12)
def test_any_damaged_parquet_file(data: bytes) -> None:
    """Polars may panic or abort: the reading process goes on and tells it in words."""
    read_all(data)


@pytest.mark.slow
def test_a_footer_that_asks_for_exabytes(tmp_path: Path) -> None:
    """Such a file once ended the process; now it is an error with a hint."""
    path = tmp_path / "lies.parquet"
    frame = pl.DataFrame({"external_reference": [f"P-{n}" for n in range(3)]})
    frame.write_parquet(path, compression="uncompressed")
    data = path.read_bytes()
    survived = 0
    for at in range(4, len(data) - 8, 41):
        read_all(data[:at] + b"\x7f" + data[at + 1 :])
        survived += 1
    assert survived > 10


def _checked(path: Path) -> tuple[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(path.parent / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    said, peak = json.loads(done.stdout)
    return said, peak


def _gzip_of(piece: bytes, times: int, head: bytes = b"") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(head)
            for _ in range(times):
                file.write(piece)

    return write


def _zstd_of(piece: bytes, times: int, head: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zstd.open(path, "wb") as file:
            file.write(head)
            for _ in range(times):
                file.write(piece)

    return write


def _plain(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def _parquet_texts(path: Path) -> None:
    # In a process of its own: a child's peak begins with what its parent holds.
    program = """
import sys, polars as pl
rows = pl.DataFrame({"external_reference": [f"P-{n}" for n in range(250)]})
rows.with_columns(pl.lit("x" * 3_000_000).alias("name")).write_parquet(sys.argv[1])
"""
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)


COLUMNS = b"external_reference," + b",".join(b"metadata.k%d" % n for n in range(9_990)) + b"\n"
LARGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a million columns": (_plain(b"a," * 500_000 + b"\n" + b"x\n" * 300), "columns"),
    "a million empty columns": (
        _plain(b"," * 1_000_000 + b"\n" + b"x\n" * 300),
        "no column external_reference",
    ),
    "10 MB header": (_plain(b"x" * (10 * MIB) + b"\nR-1\n"), "header line"),
    "endless header, gzip": (_gzip_of(b"x" * MIB, 500), "header line"),
    "endless header, zstd": (_zstd_of(b"x" * MIB, 500, b""), "header line"),
    "endless line, gzip": (_gzip_of(b"x" * MIB, 300, b"external_reference\n"), "invalid 1"),
    "endless line, zstd": (_zstd_of(b"x" * MIB, 300, b"external_reference\n"), "invalid 1"),
    "10 MB cell": (_plain(b"external_reference\n" + b"x" * (10 * MIB) + b"\n"), "invalid 1"),
    "10 MB quoted cell": (
        _plain(b'external_reference,name\nR,"' + (b"x" * 999 + b"\n") * 10_000 + b'"\n'),
        "invalid",
    ),
    "short lines, wide header": (_plain(COLUMNS + b"x\n" * 1_000), "invalid 1000"),
    "10,000 metadata keys": (_plain(COLUMNS + (b"R" + b",1" * 9_990 + b"\n") * 20), "invalid 20"),
    "long texts in Parquet": (_parquet_texts, "invalid 250"),
}
LESS_MIB = {"long texts in Parquet": 240}
"""Of a file that unpacks to less than the others: the same share of it."""


@pytest.mark.slow
@pytest.mark.timeout(300)  # of gigabytes; a busy machine takes its time
@pytest.mark.parametrize("name", LARGE)
def test_memory_is_bounded(tmp_path: Path, name: str) -> None:
    """A whole check of a bomb or a giant ends as expected, far below what it unpacks to."""
    write, expected = LARGE[name]
    path = tmp_path / "large"
    write(path)
    said, peak = _checked(path)
    assert expected in said
    assert peak < LESS_MIB.get(name, MOST_MIB)


@pytest.mark.parametrize(
    "line",
    [b'"\n', b'a,"\n', b'a,"b\n', b'"a" b,c\n', b'"a,b\n"c,d\n', b"a\n", b'a,b"c\n"\n', b'a,""b\n'],
)
def test_work_grows_with_the_file_and_no_faster(line: bytes) -> None:
    """Twice the hostile lines cost at most about twice the lines handed to the parser."""

    def work(lines: int) -> int:
        framer = Framer(",", ("a", "b"))
        framed = framer.frame(line * lines, 1, final=True)
        return framer._in_vain + len(framed.records) + len(framed.malformed)

    few, many = work(4_000), work(8_000)
    assert few <= 4_000 * 2 * 1_000
    assert many <= 2.2 * few + 1_000


def test_an_endless_header_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a bomb only what tells that it is none of ours is decompressed."""
    path = tmp_path / "bomb.gz"
    _gzip_of(b"x" * MIB, 200)(path)
    read, taken = RawStream.read, []

    def counted(stream: RawStream) -> bytes:
        piece = read(stream)
        taken.append(len(piece))
        return piece

    monkeypatch.setattr(RawStream, "read", counted)
    with pytest.raises(SourceError, match="header line"):
        open_source(str(path), 0, SourceOptions())
    assert sum(taken) < 10 * MIB


@pytest.mark.parametrize("name", ["../../escape.csv", "a/../b.csv", "x" * 5000, "a\0b", "", "/"])
def test_a_path_that_is_no_file_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is an error in words, and no folder or file appears anywhere but in the results."""
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    with pytest.raises(ImporterError) as caught:
        check(InputSettings(sources=(name,), out=inner / "out"))
    assert caught.value.message.isprintable()
    assert {one.name for one in tmp_path.rglob("*")} <= {"one", "two", "out"}


@given(CSV_BYTES | COMPRESSED)
@settings(max_examples=12)
def test_a_whole_check_accounts_for_every_record(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """It ends with a clear error, or with results that hold each record once."""
    folder = tmp_path_factory.mktemp("check")
    path = folder / "input"
    path.write_bytes(data)
    try:
        done = check(InputSettings(sources=(str(path),), out=folder / "out"))
    except ImporterError as error:
        assert error.hint  # noqa: PT017 - either end is right
        assert not list((folder / "out").iterdir())
        return
    assert sum(done.summary.outcomes.values()) == done.summary.records
    assert {one.name for one in done.results.iterdir()} >= {"results.csv", "errors.csv"}
