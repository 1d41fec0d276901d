"""Typed Parquet columns become text without loss, or a fault that names column and type."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import SourceError
from importer.source.opened import open_source
from importer.source.parquet.parquet_source import text_column
from importer.source.records import Kind
from importer.source.source_options import SourceOptions
from tests.source.reading import Content, content_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "customers.parquet"


def written(path: Path, frame: pl.DataFrame, **options: Any) -> Content:
    """Write a frame and read it back."""
    frame.write_parquet(path, **options)
    return content_of(str(path))


@pytest.mark.parametrize(
    ("values", "texts", "kinds"),
    [
        (pl.Series(["NA", "", None, "00123"]), ["NA", "", None, "00123"], Kind.TEXT),
        (pl.Series(["a", None], dtype=pl.Categorical), ["a", None], Kind.TEXT),
        (pl.Series(["a"], dtype=pl.Enum(["a"])), ["a"], Kind.TEXT),
        (pl.Series([None, None], dtype=pl.Null), [None, None], Kind.TEXT),
        (pl.Series([-(2**63), 2**63 - 1, None]), [str(-(2**63)), str(2**63 - 1), None],
         Kind.NUMBER),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), [str(2**64 - 1)], Kind.NUMBER),
        (pl.Series([Decimal("12.00"), Decimal("-0.00")]), ["12", "0"], Kind.NUMBER),
        (pl.Series([Decimal("12.50")]), ["12.50"], Kind.NUMBER),
        (pl.Series([12.0, -0.0, 2.0**53, None]), ["12", "0", str(2**53), None], Kind.FLOAT),
        (pl.Series([0.1, 951.89, 1e-7, -2.5e-5]), ["0.1", "951.89", "0.0000001", "-0.000025"],
         Kind.FLOAT),
        (pl.Series([951.89, 1.5], dtype=pl.Float32), ["951.89", "1.5"], Kind.FLOAT),
        (pl.Series([2.0**54, 1.0]), [str(2**54), "1"], [Kind.INEXACT, Kind.FLOAT]),
        (pl.Series([2.0**25], dtype=pl.Float32), ["33554432"], [Kind.INEXACT]),
        (pl.Series([2.0**24, 300.0], dtype=pl.Float32), ["16777216", "300"], Kind.FLOAT),
        (pl.Series([1234567.89, 951.89], dtype=pl.Float32), ["1234567.9", "951.89"],
         [Kind.INEXACT, Kind.FLOAT]),
        (pl.Series(["a", "a\0"]), ["a", "a\0"], [Kind.TEXT, Kind.ERROR]),
        (pl.Series([float("nan"), float("-inf"), None]), ["NaN", "-inf", None],
         [Kind.ERROR, Kind.ERROR, Kind.FLOAT]),
        (pl.Series([True, False, None]), ["true", "false", None], Kind.BOOLEAN),
        (pl.Series([datetime(2024, 1, 2)]), ["2024-01-02T00:00:00.000000"],  # noqa: DTZ001
         Kind.DATE),
        (pl.Series([date(2024, 1, 2), None]), ["2024-01-02", None], Kind.DATE),
        (pl.Series([datetime(2024, 1, 2, tzinfo=UTC)]), ["2024-01-02T00:00:00.000000+00:00"],
         Kind.DATE),
        (pl.Series([time(2, 3)]), ["02:03:00"], Kind.DATE),
        (pl.Series([timedelta(days=1, seconds=5)]), ["P1DT5S"], Kind.DATE),
        (pl.Series([b"x", "M\u00fcller".encode(), None]), ["x", "M\u00fcller", None], Kind.TEXT),
        (pl.Series([b"x", b"\xe9", b"a\0", None]), ["x", None, "a\0", None],
         [Kind.TEXT, Kind.ERROR, Kind.ERROR, Kind.TEXT]),
        (pl.Series([b"\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40\x00"]), [None],
         [Kind.ERROR]),
        (pl.Series([["a", "b"], None]), [None, None], [Kind.LIST, Kind.TEXT]),
        (pl.Series([{"a": "b"}]), ['{"a": "b"}'], Kind.OBJECT),
    ],
)  # fmt: skip
def test_types(values: pl.Series, texts: list[str | None], kinds: Kind | list[Kind]) -> None:
    """Each type has one text and one kind; a cell without a value says why."""
    text = text_column("c", values)
    assert text.cells.dtype == pl.String
    assert text.cells.to_list() == texts
    found = text.kind if isinstance(text.kind, Kind) else [Kind(one) for one in text.kind]
    assert found == kinds
    broken = {Kind.INEXACT, Kind.ERROR}
    wrong = [
        at for at, kind in enumerate(kinds if isinstance(kinds, list) else ()) if kind in broken
    ]
    assert [fault.index for fault in text.faults] == wrong
    assert all(fault.column == "c" and '"c"' in fault.message for fault in text.faults)


@given(st.lists(st.floats() | st.none() | st.integers(-(2**53), 2**53).map(float), min_size=1))
def test_a_float_is_its_shortest_text(values: list[float | None]) -> None:
    """A float without a fault is read back from its plain digits bit by bit."""
    text = text_column("balance", pl.Series(values, dtype=pl.Float64))
    faulty = {fault.index for fault in text.faults}
    for index, (value, cell) in enumerate(zip(values, text.cells, strict=True)):
        if value is None:
            assert cell is None
            assert index not in faulty
        else:
            assert (index in faulty) == (not abs(value) <= 2**53)
            if index not in faulty:
                assert float(cell) == value
                assert "e" not in cell
                assert not cell.endswith(".0")


def test_a_fault_never_shows_the_value() -> None:
    """The value may be personal data."""
    (fault,) = text_column("balance", pl.Series([98765432109876543.0])).faults
    assert "9876" not in fault.message
    assert "Float64" in fault.message


def test_a_struct_is_metadata() -> None:
    """Fields become string values by the rules for columns; nulls are left out."""
    values = pl.Series(
        [{"tier": "gold", "n": 3, "vip": True}, {"tier": None, "n": None, "vip": None}, None,
         {"tier": 'é"', "n": None, "vip": False}]
    )  # fmt: skip
    text = text_column("metadata", values)
    assert (text.kind, text.faults) == (Kind.OBJECT, ())
    assert [json.loads(cell) if cell else None for cell in text.cells] == [
        {"tier": "gold", "n": "3", "vip": "true"}, None, None, {"tier": 'é"', "vip": "false"},
    ]  # fmt: skip


def test_a_struct_with_a_bad_value_is_a_fault_of_its_row() -> None:
    """The fault is the metadata column's, and the others rows are as they were."""
    text = text_column("metadata", pl.Series([{"x": float("inf")}, {"x": 2.0}, {"x": 1.5}]))
    assert [(fault.index, fault.column, fault.code) for fault in text.faults] == [
        (0, "metadata", "cell_error")
    ]
    assert text.cells.to_list()[1:] == ['{"x": "2"}', '{"x": "1.5"}']


def test_a_map_is_metadata() -> None:
    """Parquet's map type, and a key twice is a fault of its row."""
    kind = pl.List(pl.Struct({"key": pl.String, "value": pl.Int64}))
    rows: list[Any] = [
        [{"key": "a", "value": 1}, {"key": "b", "value": None}],
        [],
        None,
        [{"key": "a", "value": 1}, {"key": "a", "value": 2}],
        [{"key": "c", "value": 3}],
    ]
    text = text_column("metadata", pl.Series(rows, dtype=kind))
    assert text.cells.to_list() == ['{"a": "1"}', None, None, '{"a": "1", "a": "2"}', '{"c": "3"}']
    assert [(fault.index, fault.code) for fault in text.faults] == [(3, "metadata_key_twice")]


def test_a_map_of_the_file_is_metadata(path: Path) -> None:
    """As polars reads it, which has a type of its own for maps."""
    values = [{"tier": 'é"', "vip": None}, {}, None, {"vip": "True"}]
    texts = [{"tier": 'é"'}, {}, {}, {"vip": "True"}]
    kind = pl.Map(pl.String, pl.String)
    frame = pl.DataFrame(
        {
            "external_reference": ["A", "B", "C", "D"],
            "metadata": pl.Series(values, dtype=kind),
        }
    )
    content = written(path, frame)
    assert [json.loads(cell or "{}") for _, cell in content.cells] == texts
    assert content.faults == []


def test_what_is_nested_twice_is_a_fault_of_its_row() -> None:
    """Only rows that hold such a value have it."""
    text = text_column("m", pl.Series([{"a": {"b": 1}}, {"a": None}]))
    assert [(one.index, one.code) for one in text.faults] == [(0, "wrong_type")]


def test_rows_come_in_order_in_slices(path: Path) -> None:
    """Lines are row numbers, through row groups and batches."""
    frame = pl.DataFrame({"external_reference": [f"R-{i}" for i in range(120_000)]})
    content = written(path, frame, row_group_size=7_000)
    assert content.batches == 3
    assert content.rows == [(i + 1, (f"R-{i}",)) for i in range(120_000)]


def test_faults_know_their_row(path: Path) -> None:
    """A fault's index counts within its batch."""
    balances = [1e17 if i in (7, 60_000) else 1.0 for i in range(60_001)]
    content = written(path, pl.DataFrame({"external_reference": "R", "balance": balances}))
    assert [(line, fault.column) for line, fault in content.faults] == [
        (8, "balance"), (60_001, "balance"),
    ]  # fmt: skip


def test_a_file_without_rows_is_fine(path: Path) -> None:
    """It has its columns and no batch."""
    content = written(path, pl.DataFrame(schema={"external_reference": pl.String}))
    assert (content.layout.columns, content.batches) == (("external_reference",), 0)


def test_a_path_is_no_pattern(tmp_path: Path) -> None:
    """Brackets, stars and hive-like folders in a path mean themselves."""
    folder = tmp_path / "year=2024" / "a*[1]"
    folder.mkdir(parents=True)
    frame = pl.DataFrame({"external_reference": ["R-1"]})
    content = written(folder / "x?.parquet", frame)
    assert content.rows == [(1, ("R-1",))]


@pytest.mark.parametrize("keep", [4, 100, -1, -30])
def test_a_cut_file_is_an_error(path: Path, keep: int) -> None:
    """What was cut off is refused when it is opened."""
    pl.DataFrame({"external_reference": [f"R-{i}" for i in range(1000)]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match="damaged or cut off") as caught:
        content_of(str(path))
    assert "\n" not in caught.value.message


def test_a_damaged_page_is_an_error(path: Path) -> None:
    """Damage within the data is found before anything could be sent."""
    pl.DataFrame({"external_reference": [f"R-{i}" for i in range(1000)]}).write_parquet(path)
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196
    path.write_bytes(data)
    with pytest.raises(SourceError, match="damaged"):
        open_source(str(path), 0, SourceOptions())


# By pyarrow and DuckDB (zlib, base 85): polars writes no such types.
_WIDE = (
    "c-n1{y$ZrG5XY~v1d-D1LL(izG^n&<1v@$Drr;pXT}oTfL0jYJ!}vnJl^0Q5Jh;2${=Z9(ThBKM0(P+*A)^C"
    "F?gIcbZnY@RW22{-{?Xx&m1xW91U!B!w$(mI8_)@vXXy}DrW0KpAl>g_hn_2=%tWdSCVd$x@X?VW2T2`BMKK"
    "dI)n58U0Wz2hF1b|i{|)PY*!!E!M5Y!$w*Mu?!xBujDM2r2a(%p1=eTH^IM=$q1=mWScJ(0`r^C@Okr9n)CV"
    "i5xX+1B--XsV"
)
_WITHIN = (
    "c-m!9y9xp^5ZpuwB4W3}l`F2fpmHZFc$I~A3Kn90P0#}^)H6Om#?SJD+?<7lft?*PGhxVTwjLs28{08TCJI#"
    "m0Md`BFwPRMr<nfh9{$c2tF#<LOI<d*{9v&P*ob6HxCoX$IcEMu3E0FQGPhBkpWVipN7l8ZfMNpyHYid+oJ7"
    "9VQ$01cMZhlL^h7ICWXc}i+bq2u@f5anXF4<UpS!Cl{g&1*p{1$uf=*aicfRG<WK$H0b?)>C@436|PsebS_6"
    "PkT#oXAJe)FvOr#={3C2j"
)
_TWICE = (
    "c-jka3^EjD5S0>@(h+3>GT21fWEdD2m_V438Av+n5|(F?v@vCnU@K0}NX<<YWnmEIQDu@~EK+6g0jWjhi7`p"
    "aNb0CD$cXYts<JUi0%b&jf?^J04r&~pGC(UBM41?D#MmU+B-Oz7U{~vbRjpV9qZpGK2asaWP$)<&DlAPc(M>"
    "KW&`m5V$}d+aOD!tS%+FIWGSf5AGnCW;Itb*ZgFqYr3<v->rXn2"
)
_INTERVAL = (
    "c-l=+K}*9h6n?fccGwC#ypTW+y|h&6N+XJO>@wNK+wc#Rc8!>sw$QmU{OulmT|o^mFJC^sFW)1(&8tE{54{*"
    "20u!77xB#$O4m?Nxj~|vh9)ONmKLDRsr~OA&=EwcJt_!>doCUzIx&VepITAhxx4;}BMI3^}nLrREK;l@+(r~"
    ")wE`?nhgXkA879b=gQxe4uR&TVPFV+=Xh1tuWfE}0<PT7G>T#iE}ruo!eU)a2~ZCmGW#?qb7o3^V9Yrb@~>="
    "p26OX}^j-|OyZ+Q#qik~C3%RGy5j{H%J+l)BeX>5Ygb02O@G-qFYX0BJ8aWB"
)


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (_WITHIN, "a column has a type that cannot be read: parquet: Not yet supported"),
        (_TWICE, 'two columns are called "r"'),
        (_INTERVAL, "a column has a type that cannot be read: month_day_millisecond_interval"),
    ],
)
def test_what_cannot_be_read_is_not_called_damaged(path: Path, packed: str, said: str) -> None:
    """The error says which type or name it is, and what to export instead."""
    path.write_bytes(zlib.decompress(base64.b85decode(packed)))
    with pytest.raises(SourceError) as caught:
        content_of(str(path))
    assert caught.value.message.startswith(f"{path}: {said}")
    assert "export it again" in caught.value.hint


def test_a_decimal_that_is_too_wide_costs_its_own_column_only(path: Path) -> None:
    """Its cells have no value; those beside it are read."""
    path.write_bytes(zlib.decompress(base64.b85decode(_WIDE)))
    with open_source(str(path), 0, SourceOptions()) as source:
        (batch,) = source.batches()
    assert batch.frame.rows() == [("A-1", None)]
    assert [(one.column, one.code) for one in batch.faults] == [("x", "wrong_type")]
    assert "more than 38 digits" in batch.faults[0].message


def test_a_name_for_a_type_is_the_type_that_it_is_stored_as() -> None:
    """JSON of Arrow is a text."""
    kind = pl.Extension("test.json", pl.String)
    text = text_column("c", pl.Series(["{}", None]).ext.to(kind))
    assert text.cells.to_list() == ["{}", None]
    assert text.kind is Kind.TEXT
