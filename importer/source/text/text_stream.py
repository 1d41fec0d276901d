"""The text of one source in UTF-8, whatever encoding it is in, and its blocks of whole lines.

As long as every byte is ASCII the encoding does not matter. The first line beyond ASCII decides:
if it is UTF-8, so is the file, and a record that is not is malformed. If not, what is left is kept
in a private temporary file and looked at as a whole, as one letter at its end may be what tells.

It is turned into UTF-8 piece by piece, so that memory stays bounded. What is no text at all is told
by its first bytes. Bytes that mean nothing in the encoding become bytes that mean nothing in UTF-8
either: the record that holds them is malformed, and no neighbour is. 0xFF in front makes sure of
that, because it is in no UTF-8 text, whatever stands next to it.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.source.fed_back import cells_proved, is_errors_header
from importer.source.raw import GZIP_MAGIC, PARQUET_MAGIC, ZSTD_MAGIC, spooled
from importer.source.source_options import MAX_LINE_BYTES, SAMPLE_BYTES, source_name
from importer.source.text.detect import Sample, Verdict, detect, is_utf8, looks_like_utf8
from importer.source.text.encodings import AUTO, NAMED, UTF8, codec_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from importer.source.raw import RawStream
    from importer.source.source_options import SourceOptions


class Blocks:
    r"""Blocks that end in ``\n``; a last line without one gets it.

    A line of more than ``MAX_LINE_BYTES`` is cut there and its rest thrown away, so memory stays
    bounded: what remains is still too long for a record and is reported as such. Of a first line
    the rest is read only when more is taken: a header of that length is refused without it.
    """

    def __init__(self, read: Callable[[], bytes], block_bytes: int) -> None:
        """``read`` gives some more bytes, b"" at the end."""
        self._read = read
        self._size = max(block_bytes, 1)
        self._buffer = bytearray()
        self._at_end = False
        self._begun = False
        self.unended = False
        """True once it is known that the last line has no line end of its own."""
        self._within = False
        """Whether what comes next is the rest of a first line that was cut."""

    @property
    def ended(self) -> bool:
        """True once it is known that nothing follows."""
        return self._at_end and not self._buffer

    def take(self) -> bytes:
        """The next lines: at most about ``block_bytes``, at least one line, b"" at the end."""
        first, self._begun = not self._begun, True
        if self._within:
            self._within = False
            self._skip_line()
        while len(self._buffer) < self._size and self._fill():
            pass
        cut = self._buffer.rfind(b"\n", 0, self._size) + 1
        searched = self._size
        while not cut:
            cut = self._buffer.find(b"\n", searched) + 1
            if cut or len(self._buffer) > MAX_LINE_BYTES:
                break
            searched = len(self._buffer)
            if not self._fill():
                return self._last()
        if not cut:
            return self._too_long(first=first)
        taken = bytes(self._buffer[:cut])
        del self._buffer[:cut]
        return taken

    def put_back(self, data: bytes) -> None:
        """Give back whole lines that were taken last."""
        self._buffer[:0] = data

    def _fill(self) -> bool:
        if self._at_end:
            return False
        piece = self._read()
        self._buffer += piece
        self._at_end = not piece
        return bool(piece)

    def _last(self) -> bytes:
        taken = bytes(self._buffer)
        self._buffer.clear()
        self.unended = self.unended or bool(taken)
        return taken + b"\n" if taken else b""

    def _too_long(self, *, first: bool) -> bytes:
        kept = bytes(self._buffer[: MAX_LINE_BYTES + 1])
        self._buffer.clear()
        if first:
            self._within = True
        else:
            self._skip_line()
        return kept + b"\n"

    def _skip_line(self) -> None:
        while self._fill():
            cut = self._buffer.find(b"\n") + 1
            if cut:
                del self._buffer[:cut]
                break
            self._buffer.clear()


UTF8_BOM = b"\xef\xbb\xbf"
_UNPACK = "decompress it, then run again"
_TWICE = "decompress it once, then run again"
_AS_PARQUET = "export the customers as Parquet, or as CSV"
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
    (b"ARROW1\x00", "is an Arrow (Feather) file", _AS_PARQUET),
    (b"\xff\xff\xff\xff", "is a stream of Arrow", _AS_PARQUET),
    (b"Obj\x01", "is an Avro file", _AS_PARQUET),
)
# The same of formats that begin as the name of a column may (PARENT, ORCID); a NUL tells.
_KNOWN_BY_NUL = (
    (b"PARE", "is an encrypted Parquet file", "export it without encryption"),
    (b"ORC", "is an ORC file", _AS_PARQUET),
    (b"FEA1", "is an Arrow (Feather) file", _AS_PARQUET),
)
_TAR = slice(257, 262)
_PAGE = "export the customers as CSV; or open it in Excel and save it as .xlsx"
_MARKED_UP = (
    (b"<?xml", "is an XML file, as Excel 2003 and other programs write them", _PAGE),
    (b"<html", "is a web page, as some programs call .xls", _PAGE),
    (b"<!doctype html", "is a web page, as some programs call .xls", _PAGE),
    (b"<table", "is a table of a web page, as some programs call .xls", _PAGE),
    *((b"id;p" + one, "is a SYLK file", _PAGE) for one in (b"wxl;", b"calcooo", b"scalc")),
    (b"{\\rtf", "is a text with formats (RTF)", "export the customers as CSV"),
    (b"begin:vcard", "holds address cards (vCard)", "export the customers as CSV"),
)
_LONGEST_TAG = 16
_MARKS = ((UTF8, UTF8_BOM), ("utf-16le", b"\xff\xfe"), ("utf-16be", b"\xfe\xff"))
_UTF32_MARK = b"\xff\xfe\x00\x00"
_NUL_SHARE = 0.01
_NUL_FEW = 16
_NUL_HALF = 0.5
_NUL_OTHERS = 0.1
_NO_TEXT = frozenset({"Cn", "Co", "Cs"})


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
        nuls = half.count(0)
        # Of other scripts only the delimiters and digits have; then all of it must be characters.
        if not empty.count(0) and (
            nuls > _NUL_HALF * len(half)
            or (nuls > _NUL_OTHERS * len(half) and _is_text(sample, encoding))
        ):
            return encoding
    return ""


def _is_text(sample: bytes, encoding: str) -> bool:
    try:
        text = codecs.getincrementaldecoder(codec_of(encoding))().decode(sample)
    except UnicodeDecodeError:
        return False
    return "\n" in text and not any(unicodedata.category(one) in _NO_TEXT for one in set(text))


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
    if head[_TAR] == b"ustar":
        raise SourceError(
            f"{source_name(name)}: is a tar archive", hint="unpack it, and name the file in it"
        )
    start = head[:SAMPLE_BYTES].removeprefix(UTF8_BOM).lstrip()[:_LONGEST_TAG].lower()
    by_nul = _KNOWN_BY_NUL if 0 in head[:_LONGEST_TAG] else ()
    for begins, known in ((head, (*_KNOWN, *by_nul)), (start, _MARKED_UP)):
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
    text = sample.rstrip(b"\0")
    lines = text.count(b"\n")
    if many and text and 0 not in text:
        raise SourceError(
            f"{shown}: line {lines + 1} and what follows is nothing but NUL bytes: its"
            " writer died, or the disk was full",
            hint="export it again; where nothing is missing, without them: tr -d '\\0' < FILE >"
            " NEW_FILE",
        )
    if many or 0 in sample.partition(b"\n")[0]:
        raise SourceError(
            f"{shown}: holds NUL bytes, so it is a binary file and no CSV",
            hint="give a CSV, JSON Lines, Excel (.xlsx) or Parquet file",
        )


MARK = "\udcff"
"""What 0xFF is as a surrogate escape."""
_ERRORS = "importer.undefined"
_FIRST_HIGH = 0x80


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    kept = "".join(chr(0xDC00 + byte) for byte in bad if byte >= _FIRST_HIGH)
    return MARK + kept, error.end


codecs.register_error(_ERRORS, _marked)


def transcoded(read: Callable[[], bytes], encoding: str) -> Callable[[], bytes]:
    """A reader of UTF-8 over one of ``encoding``; both give b"" at the end."""
    decoder = codecs.getincrementaldecoder(encoding)(_ERRORS)

    def read_utf8() -> bytes:
        while True:
            piece = read()
            text = decoder.decode(piece, not piece)
            if text or not piece:
                return text.encode(errors="surrogateescape")

    return read_utf8


_HIGH = re.compile(rb"[\x80-\xff]")
_ESCAPE = b"\x1b"
_JIS = re.compile(rb"\x1b\$[@B]")
"""How ISO-2022-JP (RFC 1468) says that Japanese follows, in bytes that are all ASCII."""
_PIECE = 1 << 20
_FEW_LINES = 3
"""More than so many lines are not UTF-8 by chance."""


class TextStream:
    """Reads a ``RawStream`` as UTF-8. Its physical lines are those of the original."""

    def __init__(self, name: str, raw: RawStream, options: SourceOptions) -> None:
        self._name = name
        self._raw = raw
        self._declared = options.encoding
        self._folder = options.folder
        self._spool: BinaryIO | None = None
        self._peeked: bytes | None = None
        self._lines = 0
        """Line feeds handed out while only ASCII was seen."""
        self._fed_back = False
        self._next: Callable[[], bytes] = self._first
        self.encoding = UTF8 if self._declared == AUTO else self._declared
        """As far as it is known: a legacy encoding may show at the end only."""
        self.warnings: list[str] = []

    def read(self) -> bytes:
        """Some more text in UTF-8, b"" at the end; bytes without a meaning come as 0xFF.

        Raises:
            SourceError: it cannot be read, or its encoding cannot be told.
            UsageError: the temporary file cannot be written.
        """
        if self._peeked is not None:
            piece, self._peeked = self._peeked, None
            return piece
        return self._next()

    def peek(self) -> bytes:
        """The beginning of the text; ``read`` gives it again. Before the first ``read`` only."""
        if self._peeked is None:
            self._peeked = self._next()
        return self._peeked

    def check_unchanged(self) -> None:
        """Call at the end: the file must still be the one that was opened."""
        self._raw.check_unchanged()

    def close(self) -> None:
        """Close the file and remove the temporary one."""
        if self._spool is not None:
            self._spool.close()
        self._raw.close()

    def _first(self) -> bytes:
        head = b""
        while len(head) < SAMPLE_BYTES and (more := self._raw.read()):
            head += more
        marked, mark = byte_order_mark(head)
        if marked in {"", UTF8}:
            check_format(self._name, head)
        if marked:
            if not _agrees(self._declared, marked):
                self._warn(f"begins with the mark of {marked}, so that is how it is read")
            if marked != UTF8:
                return self._transcode(marked, head[len(mark) :])
            return self._plain(head)
        self._fed_back = is_fed_back(head)
        if self._declared == AUTO or self._fed_back:
            # An errors file was written in UTF-8; a spreadsheet may have saved it in another one.
            return self._detected(head)
        if self._declared == UTF8:
            return self._plain(head)
        if self._declared == "utf-16":
            return self._transcode(utf16_order(head) or "utf-16le", head)
        return self._transcode(self._declared, head)

    def _detected(self, head: bytes) -> bytes:
        order = utf16_order(head)
        if order:
            self._warn(f"is read as {order}: every second byte is zero")
            return self._transcode(order, head)
        check_text(self._name, head)
        return self._undecided(head)

    def _plain(self, head: bytes) -> bytes:
        self.encoding = UTF8
        self._next = self._raw.read
        return head

    def _transcode(self, encoding: str, head: bytes) -> bytes:
        self.encoding = encoding
        self._next = transcoded(_joined(head, self._raw.read), codec_of(encoding))
        return self._next()

    def _ascii(self) -> bytes:
        return self._undecided(self._raw.read())

    def _undecided(self, piece: bytes) -> bytes:
        """Hand out a piece of ASCII; at the first line that is none, decide."""
        if _ESCAPE in piece:
            while piece.endswith((_ESCAPE, b"\x1b$")) and (more := self._raw.read()):
                piece += more
            if _JIS.search(piece) and piece.isascii():
                self._warn("is read as iso-2022-jp: it holds that encoding's escape sequences")
                return self._transcode("iso-2022-jp", piece)
        high = None if piece.isascii() else _HIGH.search(piece)
        if high is None:
            self._lines += piece.count(b"\n")
            self._next = self._ascii
            return piece
        while (end := piece.find(b"\n", high.start())) < 0 and len(piece) < MAX_LINE_BYTES:
            more = self._raw.read()
            if not more:
                end = len(piece)
                break
            piece += more
        ended = end >= 0
        line = piece[piece.rfind(b"\n", 0, high.start()) + 1 : end if ended else len(piece)]
        if is_utf8(line, ended=ended) and looks_like_utf8(line):
            return self._plain(piece)
        return self._legacy(piece)

    def _legacy(self, piece: bytes) -> bytes:
        spool = self._spool = spooled(_joined(piece, self._raw.read), self._folder)

        def read() -> bytes:
            return spool.read(_PIECE)

        if self._fed_back and (proved := _proved(read())):
            spool.seek(0)
            if proved == UTF8:
                return self._spooled(read)
            self._warn(f"is read as {proved}: the digests of its records say so")
            self.encoding = proved
            self._next = transcoded(read, codec_of(proved))
            return self._next()
        spool.seek(0)
        sample = _sampled(read, self._lines + 1)
        spool.seek(0)
        if self._declared not in {AUTO, UTF8, "utf-16"}:
            # An errors file: the encoding that was named for its source is the likeliest.
            self.encoding = self._declared
            self._next = transcoded(read, codec_of(self._declared))
            return self._next()
        by_chance = sample.chance == sample.other
        if sample.utf8 >= sample.other or (by_chance and sample.other > _FEW_LINES):
            return self._spooled(read)
        if sample.utf8 and not by_chance:
            raise self._mixed(sample)
        verdict = detect(sample)
        if not verdict.encoding:
            raise self._doubtful(verdict)
        if verdict.encoding == UTF8:
            return self._spooled(read)
        self._warn(_explained(verdict, sample))
        self.encoding = verdict.encoding
        self._next = transcoded(read, codec_of(verdict.encoding))
        return self._next()

    def _spooled(self, read: Callable[[], bytes]) -> bytes:
        self._next = read
        return read()

    def _warn(self, text: str) -> None:
        self.warnings.append(f"{source_name(self._name)}: {text}")

    def _mixed(self, sample: Sample) -> SourceError:
        return SourceError(
            f"{source_name(self._name)}: mixes encodings: line {sample.utf8_line} is in UTF-8,"
            f" line {sample.other_line} is not ({sample.utf8:,} such lines and {sample.other:,})",
            hint="export it again in one encoding; or name one with --encoding: with utf-8 the"
            " records that are not become invalid, with another the UTF-8 ones are misread",
        )

    def _doubtful(self, verdict: Verdict) -> SourceError:
        readings = ", ".join(
            f"{one.encoding} ({', '.join(one.contexts)})" for one in verdict.readings
        )
        found = list(dict.fromkeys(verdict.lines))
        where = f"line{'s' if len(found) > 1 else ''} {', '.join(f'{line:,}' for line in found)}"
        named = " or ".join(f"--encoding {one.encoding}" for one in verdict.readings)
        return SourceError(
            f"{source_name(self._name)}: the text is not UTF-8, and its encoding cannot be told:"
            f" {where} would be read as {readings}",
            hint=f"see which is spelt as it should be, and say so: {named}; or export it as UTF-8",
        )


def _proved(piece: bytes) -> str:
    """The encoding in which an errors file holds the cells that its digests tell, or ""."""
    tried = [name for name in NAMED if not name.startswith("utf-16")]
    found = {name: cells_proved(piece.decode(codec_of(name), "replace")) for name in tried}
    best = max(found, key=found.__getitem__)
    return best if found[best] else ""


def _explained(verdict: Verdict, sample: Sample) -> str:
    (reading,) = verdict.readings
    return (
        f"is not UTF-8 and is read as {verdict.encoding}, in which letters stand where letters"
        f" stand: line {verdict.lines[0]:,} holds {reading.contexts[0]}, {sample.other:,} lines"
        " hold such bytes; another encoding can be named with --encoding"
    )


def _sampled(read: Callable[[], bytes], line: int) -> Sample:
    sample = Sample()
    rest = b""
    while piece := read():
        piece = rest + piece
        # A line without an end is no reason to keep more and more of it.
        cut = piece.rfind(b"\n") + 1 or (len(piece) if len(piece) > MAX_LINE_BYTES else 0)
        sample.add(piece[:cut], line)
        line += piece.count(b"\n", 0, cut)
        rest = piece[cut:]
    sample.add(rest, line)
    return sample


def _joined(head: bytes, read: Callable[[], bytes]) -> Callable[[], bytes]:
    waiting = [head] if head else []

    def joined() -> bytes:
        return waiting.pop() if waiting else read()

    return joined


def _agrees(declared: str, marked: str) -> bool:
    return declared in {AUTO, marked} or (declared == "utf-16" and marked.startswith("utf-16"))
