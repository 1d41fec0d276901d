"""Tells text from what is no CSV, by content. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.source.limits import SAMPLE_BYTES
from importer.source.naming import source_name
from importer.source.raw import GZIP_MAGIC, PARQUET_MAGIC, ZSTD_MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterator

UTF8_BOM = b"\xef\xbb\xbf"
_AS_CSV = "open it in the spreadsheet program and save the sheet as CSV UTF-8"
_TWICE = "decompress it once, then run again"
# (first bytes, what it is, what to do); UTF-32 before UTF-16, whose mark it begins with.
_KNOWN = (
    (b"PK\x03\x04", "looks like an Excel workbook (.xlsx) or another zip archive", _AS_CSV),
    (b"\xd0\xcf\x11\xe0", "looks like an old Excel workbook (.xls)", _AS_CSV),
    (b"\xff\xfe\x00\x00", "is text in UTF-32", "convert it: iconv -f UTF-32 -t UTF-8"),
    (b"\x00\x00\xfe\xff", "is text in UTF-32", "convert it: iconv -f UTF-32 -t UTF-8"),
    (b"\xff\xfe", "is text in UTF-16", "convert it: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "is text in UTF-16", "convert it: iconv -f UTF-16 -t UTF-8"),
    (PARQUET_MAGIC, "is Parquet within a compressed file", "decompress it, then run again"),
    (GZIP_MAGIC, "is compressed twice", _TWICE),
    (ZSTD_MAGIC, "is compressed twice", _TWICE),
    (b"BZh", "looks like bzip2 data", "decompress it: bunzip2"),
    (b"\xfd7zXZ\x00", "looks like xz data", "decompress it: unxz"),
    (b"%PDF", "looks like a PDF document", "export the customers as CSV"),
    (b"SQLite format 3\x00", "looks like a SQLite database", "export the customers as CSV"),
)
_NUL_SHARE = 0.01
_NUL_FEW = 16
_NUL_HALF = 0.3


def check_text(name: str, head: bytes) -> None:
    """Refuse what is no UTF-8 text, from the first bytes of the (decompressed) content.

    A single NUL further down is no reason: it costs its own record only.

    Raises:
        SourceError: it is empty, a known binary format, UTF-16, or full of NUL bytes.
    """
    shown = source_name(name)
    if not head.removeprefix(UTF8_BOM).strip(b"\r\n"):
        raise SourceError(f"{shown}: is empty", hint="the first line must name the columns")
    for magic, what, hint in _KNOWN:
        if head.startswith(magic):
            raise SourceError(f"{shown}: {what}", hint=hint)
    sample = head[:SAMPLE_BYTES]
    many = sample.count(0) > _NUL_FEW + _NUL_SHARE * len(sample)
    if not many and 0 not in sample.partition(b"\n")[0]:
        return
    for encoding, half in _halves(sample):
        if half.count(0) > _NUL_HALF * len(half):
            message = f"{shown}: looks like text in {encoding}"
            raise SourceError(message, hint=f"convert it: iconv -f {encoding} -t UTF-8")
    raise SourceError(
        f"{shown}: holds NUL bytes, so it is a binary file and no CSV",
        hint="give a CSV file in UTF-8 or a Parquet file",
    )


def _halves(sample: bytes) -> Iterator[tuple[str, bytes]]:
    # Latin text in UTF-16 has a NUL in every second byte, and none in the others.
    even, odd = sample[::2], sample[1::2]
    if not even.count(0):
        yield "UTF-16LE", odd
    if not odd.count(0):
        yield "UTF-16BE", even
