"""Files that attack: strategies, and the property that holds for whatever they make."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import strategies as st

from importer.errors import ImporterError
from importer.rows.header_fields import map_columns
from importer.source.opened import open_source
from importer.source.source_options import SourceOptions
from tests.rows.one_by_one import rows_of
from tests.source.workbooks import Value, write_workbook

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LONGEST_MESSAGE = 20_000
__all__ = [
    "COMPRESSED", "CSV_BYTES", "ENCODED", "JSON_LINES", "PARQUET_BYTES", "XLSX_BYTES", "read_all",
    "zstd",
]  # fmt: skip
SAMPLES = Path(__file__).parents[2] / "sample_data"
HEADER = b"external_reference,name,email,phone,currency,balance,metadata\n"
CLEAN = (SAMPLES / "customers.csv").read_bytes()[:6000].rpartition(b"\n")[0] + b"\n"
MESSY = (SAMPLES / "messy.csv").read_bytes()[:6000]

PIECES = st.sampled_from(
    [
        b'"', b'""', b",", b";", b"\t", b"|", b"\n", b"\r\n", b"\r", b"\0", b"\xef\xbb\xbf",
        b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe9", "é".encode(), "\u202e".encode(), b"\x1b[2J",
        b"=1+1", b"@SUM(A1)", b"-2", b"+27820000001", b"{", b"}", b'{""a"": ""b""}', b"[" * 3000,
        b'"{""a"":' + b"[" * 3000 + b'"', b"9" * 5000, b"1e999", b"NaN", b"x" * 140_000, b"," * 300,
        b'"\n' * 50, b"a,b,c,d,e,f,g\n", b"REF-1,,,,ZAR,5,\n", HEADER, b"sep=;\n", b"a", b" ",
    ]
)  # fmt: skip
"""What a CSV reader trips over."""


def _mutated(base: bytes) -> st.SearchStrategy[bytes]:
    """``base`` with some places exchanged, cut or filled with pieces."""
    edit = st.tuples(st.integers(0, len(base)), st.integers(0, 30), PIECES | st.binary(max_size=8))

    def edited(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = base
        for at, gone, new in edits:
            data = data[:at] + new + data[at + gone :]
        return data

    return st.lists(edit, min_size=1, max_size=6).map(edited)


CSV_BYTES = (
    st.binary(max_size=300)
    | st.lists(PIECES, max_size=30).map(lambda pieces: HEADER + b"".join(pieces))
    | st.lists(PIECES, max_size=30).map(b"".join)
    | _mutated(CLEAN)
    | _mutated(MESSY)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
"""Random bytes, hostile pieces, real files with damage, any text in a mix of encodings."""


def _gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


COMPRESSED = st.one_of(
    CSV_BYTES.map(_gzipped),
    CSV_BYTES.map(zstd.compress),
    _mutated(_gzipped(CLEAN)),
    _mutated(zstd.compress(CLEAN)),
    st.integers(0, 2000).map(lambda cut: _gzipped(CLEAN)[:cut]),
    st.integers(0, 2000).map(lambda cut: zstd.compress(CLEAN)[:cut]),
)
"""Whole, damaged and cut off."""


def _parquet() -> bytes:
    frame = pl.DataFrame(
        {
            "external_reference": ["P-1", "P-2"],
            "name": ["Ada Example", None],
            "balance": [1.5, 2.0],
            "metadata": [{"kind": "a", "n": 2}, {"kind": None, "n": 3}],
            "list": [[1], [2, 3]],
            "flag": [True, False],
            "tier": pl.Series(["gold", "tin"], dtype=pl.Categorical),
        }
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="uncompressed")
    return buffer.getvalue()


_PARQUET = _parquet()
_FOOTER = int.from_bytes(_PARQUET[-8:-4], "little") + 8


def _spoiled(spoils: list[tuple[bool, int, int, int]]) -> bytes:
    data = bytearray(_PARQUET)
    for in_footer, place, kind, value in spoils:
        size = _FOOTER if in_footer else len(data)
        at = max(4, len(data) - 1 - place % size)
        if kind == 0:
            data[at] ^= 1 << value % 8
        elif kind == 1:
            data[at] = value
        elif kind == 2:
            del data[at : at + value % 60]
        else:
            data[-8:-4] = (value * 16_843_009 + place).to_bytes(8, "little")[:4]
        if len(data) < 16:
            break
    return b"PAR1" + bytes(data[4:])


PARQUET_BYTES = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5000), st.integers(0, 3), st.integers(0, 255)),
    max_size=4,
).map(_spoiled)
"""Bits flipped, bytes cut out, a footer that lies about its length."""


_JSON = (
    b'{"external_reference": "J-1", "name": "Ann", "balance": 12.0, "metadata": {"k": "v"}}\n'
    b'{"external_reference": "J-2", "metadata.x": 1e3, "flag": [null, true]}\n'
)
_JSON_PIECES = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b":", b",", b"\n", b"\\ud800", b"\\u0000", b"1e999999", b"-0",
     b"NaN", b'{"a": 1, "a": 2}', b"[" * 3000, b'{"":', b"null", b"\xff", b"9" * 5000, b" "]
)  # fmt: skip
JSON_LINES = st.lists(_JSON_PIECES, max_size=20).map(lambda parts: b'{"' + b"".join(parts)) | (
    _mutated(_JSON)
)
"""Objects with damage, and what looks like some."""


def _encoded(text: str, encoding: str) -> bytes:
    return text.encode(encoding, "replace")


ENCODED = st.builds(
    _encoded,
    st.text('ab,"\n\réüñçÉŠ€ \u2028', max_size=80).map(lambda text: f"reference,é\n{text}"),
    st.sampled_from(["utf-16", "utf-16-le", "cp1252", "mac_roman", "cp1250", "cp850", "gbk"]),
)
"""Text in legacy encodings."""


def _workbook() -> bytes:
    file = io.BytesIO()
    rows: dict[int, list[Value]] = {
        1: ["external_reference", "name"], 2: ["X-1", "Ann"], 4: ["X-2", 1.5], 5: [True, "x"]
    }  # fmt: skip
    write_workbook(file, {"S": rows, "T": {1: ["a"]}})
    return file.getvalue()


_XLSX = _workbook()


def _rezipped(part: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_XLSX)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == part else old.read(name))
    return target.getvalue()


def _damaged_part(part: str) -> st.SearchStrategy[bytes]:
    with zipfile.ZipFile(io.BytesIO(_XLSX)) as archive:
        content = archive.read(part)
    return _mutated(content).map(lambda data: _rezipped(part, data))


XLSX_BYTES = _mutated(_XLSX).map(lambda data: b"PK\x03\x04" + data[4:]) | st.sampled_from(
    zipfile.ZipFile(io.BytesIO(_XLSX)).namelist()
).flatmap(_damaged_part)
"""Archives with damage, and sound archives of damaged parts."""


def read_all(data: bytes, block_bytes: int = 1 << 16) -> int:
    """Read and judge a file; the number of records.

    What holds whatever the bytes are: reading ends with an ImporterError that can be printed and
    has a hint, or every record comes out once, in line order, with a payload or with problems.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        path.write_bytes(data)
        try:
            return _accounted(str(path), block_bytes)
        except ImporterError as error:
            _readable(error)
            return 0


def _readable(error: ImporterError) -> None:
    assert error.message
    assert error.hint
    assert (error.message + error.hint).isprintable()
    assert len(error.message) < LONGEST_MESSAGE


def _accounted(path: str, block_bytes: int) -> int:
    expected = judged = last = 0
    with open_source(path, 0, SourceOptions(block_bytes=block_bytes)) as source:
        columns = map_columns(source.layout, strict=False)
        for batch in source.batches():
            expected += batch.frame.height + len(batch.malformed)
            for row in rows_of(batch, columns):
                judged += 1
                assert row.line > last
                last = row.line
                assert (row.payload is None) == bool(row.problems)
    assert judged == expected
    return judged
