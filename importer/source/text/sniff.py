"""Tells text from what is no CSV, by content. Pure."""

from __future__ import annotations

import re

from importer.errors import SourceError
from importer.source.fed_back import is_errors_header
from importer.source.naming import source_name
from importer.source.raw import GZIP_MAGIC, PARQUET_MAGIC, ZSTD_MAGIC
from importer.source.source_options import SAMPLE_BYTES
from importer.source.text.encodings import UTF8

UTF8_BOM = b"\xef\xbb\xbf"
_UNPACK = "decompress it, then run again"
_TWICE = "decompress it once, then run again"
# (first bytes, what it is, what to do)
_KNOWN = (
    (b"PK\x03\x04", "is a zip archive or workbook within a compressed file", _UNPACK),
    (
        b"\xd0\xcf\x11\xe0",
        "looks like an old Excel workbook (.xls), or one that is protected by a password",
        "save it in Excel as .xlsx without a password, or as CSV UTF-8",
    ),
    (b"\xff\xfe\x00\x00", "is text in UTF-32", "convert it: iconv -f UTF-32 -t UTF-8"),
    (b"\x00\x00\xfe\xff", "is text in UTF-32", "convert it: iconv -f UTF-32 -t UTF-8"),
    (PARQUET_MAGIC, "is Parquet within a compressed file", _UNPACK),
    (GZIP_MAGIC, "is compressed twice", _TWICE),
    (ZSTD_MAGIC, "is compressed twice", _TWICE),
    (b"BZh", "looks like bzip2 data", "decompress it: bunzip2"),
    (b"\xfd7zXZ\x00", "looks like xz data", "decompress it: unxz"),
    (b"%PDF", "looks like a PDF document", "export the customers as CSV"),
    (b"SQLite format 3\x00", "looks like a SQLite database", "export the customers as CSV"),
)
_PAGE = "export the customers as CSV; or open it in Excel and save it as .xlsx"
_MARKED_UP = (
    (b"<?xml", "is an XML file, as Excel 2003 and other programs write them", _PAGE),
    (b"<html", "is a web page, as some programs call .xls", _PAGE),
    (b"<!doctype html", "is a web page, as some programs call .xls", _PAGE),
    (b"<table", "is a table of a web page, as some programs call .xls", _PAGE),
)
_LONGEST_TAG = 16
_MARKS = ((UTF8, UTF8_BOM), ("utf-16le", b"\xff\xfe"), ("utf-16be", b"\xfe\xff"))
_UTF32_MARK = b"\xff\xfe\x00\x00"
_NUL_SHARE = 0.01
_NUL_FEW = 16
_NUL_HALF = 0.5


def byte_order_mark(head: bytes) -> tuple[str, bytes]:
    """The encoding that a byte order mark tells, and the mark; "" and b"" without one."""
    for encoding, mark in _MARKS:
        if head.startswith(mark) and not head.startswith(_UTF32_MARK):
            return encoding, mark
    return "", b""


def utf16_order(head: bytes) -> str:
    """``utf-16le`` or ``utf-16be`` where text without a mark looks like it, else ""."""
    sample = head[:SAMPLE_BYTES]
    # Latin text in UTF-16 has a NUL in every second byte, and none in the others.
    even, odd = sample[::2], sample[1::2]
    for encoding, empty, half in (("utf-16le", even, odd), ("utf-16be", odd, even)):
        if not empty.count(0) and half.count(0) > _NUL_HALF * len(half):
            return encoding
    return ""


def is_fed_back(head: bytes) -> bool:
    """Whether the first line names the columns of an errors file; in any encoding but UTF-16."""
    lines = (line for line in head.removeprefix(UTF8_BOM).split(b"\n", 3) if line.strip())
    first = next(lines, b"")
    if first[:4].lower() == b"sep=":
        first = next(lines, b"")
    if b"_error_code" not in first:
        return False
    names = re.split(rb"[^\w.]+", first)
    return is_errors_header(name.decode("latin-1") for name in names)


def check_format(name: str, head: bytes) -> None:
    """Refuse what is no text of records at all, by its first bytes.

    Raises:
        SourceError: it is a known binary format, a web page, XML, or UTF-32.
    """
    start = head[:SAMPLE_BYTES].removeprefix(UTF8_BOM).lstrip()[:_LONGEST_TAG].lower()
    for begins, known in ((head, _KNOWN), (start, _MARKED_UP)):
        for magic, what, hint in known:
            if begins.startswith(magic):
                raise SourceError(f"{source_name(name)}: {what}", hint=hint)


def check_text(name: str, head: bytes) -> None:
    """Refuse what is no text, from the first bytes of the (decompressed) content.

    A single NUL further down is no reason: it costs its own record only.

    Raises:
        SourceError: it is empty, a known binary format, UTF-32, or full of NUL bytes.
    """
    shown = source_name(name)
    if not head.removeprefix(UTF8_BOM).strip(b"\r\n"):
        raise SourceError(f"{shown}: is empty", hint="the first line must name the columns")
    check_format(name, head)
    sample = head[:SAMPLE_BYTES]
    many = sample.count(0) > _NUL_FEW + _NUL_SHARE * len(sample)
    if many or 0 in sample.partition(b"\n")[0]:
        raise SourceError(
            f"{shown}: holds NUL bytes, so it is a binary file and no CSV",
            hint="give a CSV, JSON Lines, Excel (.xlsx) or Parquet file",
        )
