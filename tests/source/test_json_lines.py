"""JSON Lines: one object per line, its values as text without loss."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.errors import SourceError
from importer.source.json_lines.json_source import cell_of, dumped, parse_record
from importer.source.opened import open_source
from importer.source.records import Kind
from importer.source.source_options import MAX_FIELD, MAX_RECORD, SourceOptions
from tests.source.reading import content_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.source.reading import Content


def lines(*objects: object) -> bytes:
    """One JSON text per line."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects).encode()


def test_the_keys_of_all_lines_make_the_header(read: Callable[..., Content]) -> None:
    """In the order in which they appear; what a line does not give is absent."""
    content = read(lines({"a": "1"}, {"b": "2", "a": "3"}, {}, {"c": None}))
    assert content.layout.columns == ("a", "b", "c")
    assert content.rows == [
        (1, ("1", "", "")),
        (2, ("3", "2", "")),
        (3, ("", "", "")),
        (4, ("", "", "")),
    ]


@pytest.mark.parametrize("block_bytes", [1, 50, 1 << 16])
@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_lines_are_physical(
    read: Callable[..., Content], wrap: Callable[[bytes], bytes], block_bytes: int
) -> None:
    """Blank lines count and are no records; a mark in front and CRLF are fine."""
    data = b'\xef\xbb\xbf{"a":"1"}\r\n\r\n  \n{"a":"x\\ny"}\n{"a": 2}'
    content = read(wrap(data), block_bytes=block_bytes)
    assert content.rows == [(1, ("1",)), (4, ("x\ny",)), (5, ("2",))]


@pytest.mark.parametrize(
    ("value", "text", "kind", "codes"),
    [
        ("123456789012345678901234567890", "123456789012345678901234567890", Kind.NUMBER, None),
        ("-7", "-7", Kind.NUMBER, None),
        ("951.89", "951.89", Kind.NUMBER, None),
        ("0.10", "0.10", Kind.NUMBER, None),
        ("12.0", "12", Kind.FLOAT, None),
        ("1e5", "100000", Kind.FLOAT, None),
        ("-1.25E-3", "-0.00125", Kind.FLOAT, None),
        ("1e400", "1e400", Kind.INEXACT, "number_inexact"),
        ('"00123"', "00123", Kind.TEXT, None),
        ("null", "", Kind.TEXT, None),
        ("true", "true", Kind.BOOLEAN, None),
        ("{}", "", Kind.TEXT, None),
        ('{"k": "v", "n": 1.10}', '{"k": "v", "n": "1.10"}', Kind.OBJECT, None),
        ('{"b": true, "z": null, "f": 2.0}', '{"b": "true", "f": "2"}', Kind.OBJECT, None),
        ('{"k": [1]}', '{"k": [1]}', Kind.OBJECT, None),
        ('"{\\"k\\": 1}"', '{"k": 1}', Kind.TEXT, None),
        ("[1]", "[1]", Kind.LIST, None),
        ('"\\ud800"', "\ufffd", Kind.ERROR, "not_unicode"),
        ('"\\ud83d\\ude00"', "😀", Kind.TEXT, None),
    ],
)
def test_values(
    read: Callable[..., Content], value: str, text: str, kind: Kind, codes: str | None
) -> None:
    """Each value has one text and one kind, whatever its column is called."""
    content = read(f'{{"balance": {value}, "anything": {value}, "metadata": {value}}}\n'.encode())
    assert content.cells == [(text,) * 3]
    assert content.kinds == [(kind,) * 3]
    assert [fault.code for _, fault in content.faults] == ([codes] * 3 if codes else [])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"a": 1', "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"a": 1} {"a": 2}', "not_json"),
        (b"[1]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b'{"a": 1, "a": 2}', "key_twice"),
        (b'{"metadata": {"k": "1", "k": "2"}}', "key_twice"),
        (b'{"a": "x\\u0000"}', "nul_byte"),
        (b'{"a": "' + b"x" * MAX_RECORD + b'"}', "record_too_long"),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 1 << 16])
def test_a_bad_line_costs_itself(
    read: Callable[..., Content], line: bytes, code: str, block_bytes: int
) -> None:
    """It is named with its number, its text is kept, and its neighbours are read."""
    content = read(b'{"a": "1"}\n' + line + b'\n{"a": "2"}\n', block_bytes=block_bytes)
    assert content.codes == [(2, code)]
    assert [(line, cells[0]) for line, cells in content.rows] == [(1, "1"), (3, "2")]
    assert content.malformed[0].extra[0].encode()[:50] == line[:50]


def test_a_bad_byte_costs_its_line(read: Callable[..., Content]) -> None:
    """As in CSV, where the file is UTF-8."""
    content = read('{"a": "é"}\n'.encode() + b'{"a": "\xe9"}\n')
    assert content.codes == [(2, "not_utf8")]


def test_a_long_text_is_a_fault(read: Callable[..., Content]) -> None:
    """What is kept of it fits a CSV cell, so that the errors file can be read."""
    content = read(lines({"a": "x" * (MAX_FIELD + 1)}))
    assert [fault.code for _, fault in content.faults] == ["field_too_long"]
    assert len(content.cells[0][0]) == MAX_FIELD


def test_another_encoding_and_standard_input(tmp_path: Path) -> None:
    """What is true of CSV text is true of JSON Lines."""
    data = lines({"a": "Hélène"}, {"a": "François"})
    path = tmp_path / "x"
    path.write_bytes(data.decode().encode("utf-16"))
    assert content_of(str(path)).cells == [("Hélène",), ("François",)]
    with open_source("-", 0, SourceOptions(), io.BytesIO(data.decode().encode("cp1252"))) as source:
        assert sum(batch.frame.height for batch in source.batches()) == 2
        assert source.encoding == "windows-1252"


def test_the_name_tells_where_the_first_line_is_bad(tmp_path: Path) -> None:
    """``.jsonl`` is JSON Lines whatever the first line is."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'oops\n{"a": "1"}\n')
    assert content_of(str(path)).codes == [(1, "not_json")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'[{"a": 1}', "line 1: the JSON array ends too early"),
        (b'[{"a": 1},\n]', "line 2: the JSON array is broken here"),
        (b'[{"a": 1}\n {"a": 2}]', "line 2: the JSON array is broken here"),
        (b'[{"a": 1}] x', "is followed by something else"),
        (b'{\n "rows": [\n  {"a": 1}\n]}', 'holds its records under "rows"'),
        (b'{\n "a": 1\n}\n', "stand on several lines each"),
        (b"{'a': 1}\n", "none of its lines is JSON; the first one says at character 2"),
        (b'{"a": 1,}\n', "none of its lines is JSON"),
        (b'{"x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}\n", "nested too deeply"),
        (b"oops\n", "there is no JSON object in it"),
        (b'{"": "1"}\n', "there is no header"),
        (lines({f"k{n}": n for n in range(10_001)}), "10,001 columns"),
    ],
)
def test_what_is_no_json_lines(tmp_path: Path, data: bytes, text: str) -> None:
    """The error names the file and the fix."""
    path = tmp_path / "x.ndjson"
    path.write_bytes(data)
    with pytest.raises(SourceError) as caught:
        content_of(str(path))
    assert text in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"d": {"n": [1], "rows": [{"a": 1}]}}', 'under "d.rows"'),
        (b'{"schema": {"f": [{}]}, "data": [{"a": 1}, {"a": 2}]}', 'under "data"'),
        (b'{"a": {"0": 1, "1": 2}, "b": {"0": 3, "1": 4}}', "columns as pandas writes"),
        (b'{"columns": ["a"], "index": [0], "data": [[1]]}', "a table as pandas writes"),
        (b'{"k1": {"a": 1}, "k2": {"a": 2}}', "under their keys"),
    ],
)
def test_a_document_says_where_its_records_are(tmp_path: Path, data: bytes, text: str) -> None:
    """With the command that writes them one on each line; elsewhere it is a record with objects."""
    path = tmp_path / "x.json"
    path.write_bytes(data)
    with pytest.raises(SourceError) as caught:
        content_of(str(path))
    assert text in caught.value.message
    assert "FILE" in caught.value.hint
    path.with_name("x.jsonl").write_bytes(data)
    assert len(content_of(str(tmp_path / "x.jsonl")).rows) == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"a": 1, "a": 2}', "key_twice"),
        (b'{"a": NaN}', "not_json"),
        (b'{"a": "x\\u0000"}', "nul_byte"),
    ],
)
def test_a_file_of_bad_records_alone_is_one(
    read: Callable[..., Content], line: bytes, code: str
) -> None:
    """Its columns are known all the same, and no advice loses a key or a number."""
    content = read(line + b"\n" + line + b"\n")
    assert (content.layout.columns, content.codes) == (("a",), [(1, code), (2, code)])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), VALUES, min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_nothing_of_a_record_is_lost(record: dict[str, object]) -> None:
    """What a line says can be said again: parsing and writing are inverse, digit by digit."""
    assert json.loads(dumped(parse_record(json.dumps(record)))) == record


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,20})?", fullmatch=True))
def test_no_digit_of_a_number_is_lost(number: str) -> None:
    """Only decimals that are all zero go."""
    text, kind, fault = cell_of("x", parse_record(f'{{"x": {number}}}')["x"])
    whole, _, decimals = number.partition(".")
    assert text == (number if decimals.strip("0") else whole)
    assert kind == (Kind.NUMBER if not decimals or decimals.strip("0") else Kind.FLOAT)
    assert fault is None


@pytest.mark.parametrize("name", ["x.json", "x"])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_read_as_a_stream(tmp_path: Path, name: str, indent: int | None) -> None:
    """Its elements are numbered; what is no record costs itself."""
    records = [{"a": str(n), "b": {"c": "]},{"}} for n in range(20_000)]
    path = tmp_path / name
    path.write_text(json.dumps([*records, 7, {"a": 1.5}], indent=indent))
    content = content_of(str(path))
    assert content.layout.columns == ("a", "b")
    assert [line for line, _ in content.rows] == [*range(1, 20_001), 20_002]
    assert content.cells[19_999] == ("19999", '{"c": "]},{"}')
    assert content.codes == [(20_001, "not_an_object")]


def test_one_object_that_holds_the_records(tmp_path: Path) -> None:
    """In a .json it is told with the key; on a line of JSON Lines it is a record."""
    data = b'{"n": 1, "data": [{"a": 1}]}\n'
    path = tmp_path / "x.json"
    path.write_bytes(data)
    with pytest.raises(SourceError) as caught:
        content_of(str(path))
    assert "jq -c '.data[]'" in (caught.value.hint or "")
    (tmp_path / "x.jsonl").write_bytes(data)
    assert content_of(str(tmp_path / "x.jsonl")).layout.columns == ("n", "data")
