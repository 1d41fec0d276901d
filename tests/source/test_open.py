"""What a source is depends on its content; what it cannot be is said with the fix."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from importer.errors import SourceError, UsageError
from importer.source.opened import open_source
from importer.source.source_options import SourceOptions
from tests.source.reading import content_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.source.reading import Content

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"external_reference,name\n" + b"".join(b"R-%d,Example\n" % i for i in range(2000))
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}


@pytest.mark.parametrize("kind", COMPRESS)
def test_compression_is_seen_by_content(read: Callable[..., Content], kind: str) -> None:
    """A compressed file needs no extension, and may have several members or frames."""
    half = TEXT.index(b"R-1000")
    compress = COMPRESS[kind]
    content = read(compress(TEXT[:half]) + compress(TEXT[half:]), block_bytes=1000)
    assert len(content.rows) == 2000
    assert content.rows[1000] == (1002, ("R-1000", "Example"))


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_a_cut_stream_is_an_error(
    refused: Callable[..., SourceError], kind: str, kept: float
) -> None:
    """Compressed data that ends early stops the run and says how far it got."""
    data = COMPRESS[kind](os.urandom(40_000).hex().encode().join([TEXT, TEXT]))
    error = refused(data[: int(len(data) * kept)], block_bytes=1000)
    assert f"the {kind} data ends too early, after " in error.message
    assert "customers.csv" in error.message


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_damaged_stream_is_an_error(refused: Callable[..., SourceError], kind: str) -> None:
    """Garbage after the magic, or between members, is no traceback."""
    data = COMPRESS[kind](TEXT)
    error = refused(data + b"no frame at all" * 10)
    assert f"the {kind} data is damaged" in error.message
    assert "2,001 complete lines" in error.message
    assert kind in refused(data[:4] + b"\xff" * 60).message


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, zstd.compress])
def test_standard_input(wrap: Callable[[bytes], bytes]) -> None:
    """``-`` reads CSV from standard input, compressed or not, and leaves it open."""
    stdin = io.BytesIO(wrap(TEXT))
    with open_source("-", 0, SourceOptions(), stdin) as source:
        assert source.layout.name == "-"
        assert sum(batch.frame.height for batch in source.batches()) == 2000
    assert not stdin.closed


def test_a_pipe_gives_few_bytes_at_once(tmp_path: Path) -> None:
    """A named pipe that is written byte by byte is read like a file."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            for byte in b'a,b\n1,"x\ny"\n':
                pipe.write(bytes([byte]))

    writer = threading.Thread(target=write)
    writer.start()
    assert content_of(str(path)).rows == [(2, ("1", "x\ny"))]
    writer.join()


def test_parquet_is_seen_by_content(tmp_path: Path) -> None:
    """A Parquet file needs no extension, and is refused from standard input."""
    path = tmp_path / "customers.csv"
    pl.DataFrame({"external_reference": ["R-1"]}).write_parquet(path)
    assert content_of(str(path)).rows == [(1, ("R-1",))]
    with pytest.raises(SourceError) as caught:
        open_source("-", 0, SourceOptions(), io.BytesIO(path.read_bytes()))
    assert caught.value.message == "standard input: Parquet cannot be read from a pipe"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\n\r\n", "is empty"),
        (b" , ,\n,,\n", "there is no header"),
        (b"PK\x03\x04\x14\x00", "the Excel workbook is damaged"),
        (gzip.compress(b"PK\x03\x04\x14\x00", mtime=0), "zip archive or workbook within"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", ".xls"),
        ("\ufeffa,b\n".encode("utf-32-le"), "UTF-32"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00\n", "binary file"),
        (b"a,b\n" + b"\x00\x01\x00\x00" * 50, "binary file"),
        (gzip.compress(gzip.compress(TEXT), mtime=0), "compressed twice"),
        (gzip.compress(b"PAR1PAR1", mtime=0), "Parquet within"),
        (b"BZh91AY", "bzip2"),
        (b"ORC\n\x06\x12\x04\x08\x02P\0\n", "is an ORC file"),
        (b"FEA1\0\0\0\0", "is an Arrow (Feather) file"),
        (b"\xff\xff\xff\xff\xa8\0\0\0", "is a stream of Arrow"),
        (b"customers.csv".ljust(257, b"\0") + b"ustar\x0000", "is a tar archive"),
        (gzip.compress(b"x".ljust(257, b"\0") + b"ustar  ", mtime=0), "is a tar archive"),
        (b"\r\n<HTML xmlns:x='urn'><table>", "is a web page, as some programs call .xls"),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "is a web page"),
        (b"<table><tr>", "is a table of a web page"),
        (b"<?xml version='1.0'?><Workbook>", "is an XML file, as Excel 2003"),
        (b"a,b\r1,2\r3,4\r", "classic Mac"),
        (b'"a","b"\r"1","2"\r', "classic Mac"),
        (b"a" * (1 << 20) + b",b\n", "header line has more than 1,048,576 bytes"),
        (b'a,"b\n1,2\n', "quotes of the header are broken"),
    ],
)
def test_what_is_no_csv(refused: Callable[..., SourceError], data: bytes, text: str) -> None:
    """The error names the file, what it is instead, and how to convert it."""
    error = refused(data)
    assert "customers.csv: " in error.message
    assert text in error.message


def test_a_header_that_is_not_in_the_declared_encoding(
    refused: Callable[..., SourceError],
) -> None:
    """Its columns have no names that could be shown."""
    assert "header is not UTF-8" in refused(b"name\xe9,b\n", encoding="utf-8").message
    assert "header is not windows-1252" in refused(b"a\x81,b\n", encoding="cp1252").message


def test_a_nul_byte_far_down_is_no_binary_file(read: Callable[..., Content]) -> None:
    """One NUL costs its record only."""
    content = read(TEXT + b"R-x\0,y\nR-z,y\n")
    assert content.codes == [(2002, "nul_byte")]
    assert len(content.rows) == 2001


def test_a_missing_file(tmp_path: Path) -> None:
    """A path that is not there, or is a directory, is named."""
    with pytest.raises(SourceError, match="there is no such file"):
        open_source(str(tmp_path / "none.csv"), 0, SourceOptions())
    with pytest.raises(SourceError, match="is a directory"):
        open_source(str(tmp_path), 0, SourceOptions())
    with pytest.raises(SourceError, match="cannot be read"):
        open_source("x\0", 0, SourceOptions())
    with pytest.raises(SourceError, match="not available"):
        open_source("-", 0, SourceOptions())


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing permission is said in words."""

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SourceError, match="may not be read by this user"):
        open_source("x.csv", 0, SourceOptions())


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_that_changes_is_refused(tmp_path: Path, kind: str) -> None:
    """What was written to while it was read is not trusted."""
    path = tmp_path / "customers"
    if kind == "csv":
        path.write_bytes(TEXT)
    else:
        pl.DataFrame({"external_reference": ["R-1"]}).write_parquet(path)
    with open_source(str(path), 0, SourceOptions(None, 1000)) as source:
        batches = source.batches()
        next(batches)
        with path.open("ab") as file:
            file.write(b"R-x,y\n")
        with pytest.raises(SourceError, match="changed while it was read"):
            list(batches)


def test_an_error_closes_the_file(tmp_path: Path) -> None:
    """A file whose header is refused does not stay open (warnings are errors)."""
    path = tmp_path / "x.csv"
    path.write_bytes(b",\n")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112, PTH208
    with pytest.raises(SourceError):
        open_source(str(path), 0, SourceOptions())
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112, PTH208
    assert after == before


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "é", "\0"])
def test_an_unusable_delimiter(delimiter: str) -> None:
    """The setting is refused before anything is opened."""
    with pytest.raises(UsageError, match="cannot be used"):
        SourceOptions(delimiter)
