"""A mapping makes the API's columns out of whatever columns a file has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import SourceError
from importer.mapping.bound import bind
from importer.mapping.model import Mapping
from importer.source.records import Layout, RecordBatch

if TYPE_CHECKING:
    from importer.mapping.bound import Bound, Mapped

REFERENCE = {"external_reference": {"column": "No"}}


def mapping_of(fields: dict[str, Any] | None = None, **tables: Any) -> Mapping:
    """A mapping with a plain reference and these fields."""
    return Mapping.model_validate(
        {"version": 1, "fields": {**REFERENCE, **(fields or {})}, **tables}
    )


def applied(mapping: Mapping, **columns: list[str | None]) -> tuple[Bound, Mapped]:
    """The mapping on a file with these columns, whose records stand on lines 2, 3 ..."""
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    bound = bind(mapping, Layout("a.csv", tuple(columns)))
    return bound, bound.apply(RecordBatch(0, frame, range(2, frame.height + 2)))


def column(fields: dict[str, Any], name: str, **columns: list[str | None]) -> list[str]:
    """One made column."""
    height = len(next(iter(columns.values())))
    numbers: list[str | None] = [str(n) for n in range(height)]
    _, mapped = applied(mapping_of(fields), No=numbers, **columns)
    return mapped.batch.frame[name].to_list()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"column": "A"}, ["x", "", "y", ""]),
        ({"columns": ["A", "B"]}, ["x", "b", "y", ""]),
        ({"constant": "K"}, ["K", "K", "K", "K"]),
        ({"template": "{A} {B}"}, ["x a", "b", "y", ""]),
        ({"template": "{A} ({B}) {{1}}"}, ["x (a) {1}", "(b) {1}", "y () {1}", ""]),
        ({"column": "A", "values": {"x": "X!"}}, ["X!", "", "y", ""]),
        ({"column": "A", "default": "none"}, ["x", "none", "y", "none"]),
        ({"column": "A", "values": {"y": ""}, "default": "d"}, ["x", "d", "d", "d"]),
    ],
)
def test_where_a_text_comes_from(spec: dict[str, Any], expected: list[str]) -> None:
    """Columns, fallbacks, templates, constants, value maps and defaults, in that order."""
    cells: dict[str, list[str | None]] = {
        "A": [" x ", "", "y", None],
        "B": ["a", "b", "\u00a0", ""],
    }
    assert column({"name": spec}, "name", **cells) == expected


def test_the_transforms_of_each_field() -> None:
    """Phones by region, amounts by format and currency, domains, references."""
    fields = {
        "external_reference": {"column": "No", "sanitise": "escape"},
        "email": {"column": "Mail", "lowercase_domain": True},
        "phone": {"column": "Tel", "region": "ZA", "region_column": "Land"},
        "currency": {"column": "Cur", "default": "ZAR", "values": {"UK": "GBP"}},
        "balance": {"column": "Saldo", "unit": "major", "number_format": "1.234,56",
                    "positive": "credit"},
    }  # fmt: skip
    bound, mapped = applied(
        mapping_of(fields),
        No=["A/1", "B2"],
        Mail=["Ada@EXAMPLE.com", ""],
        Tel=["082 123 4567", "030 901820"],
        Land=["", "DE"],
        Cur=["UK", ""],
        Saldo=["1.234,5", "-2"],
    )
    assert mapped.batch.frame.rows() == [
        ("A_2f_1", "Ada@example.com", "+27821234567", "GBP", "-123450"),
        ("B2", "", "+4930901820", "ZAR", "200"),
    ]
    told = {(one.column, one.name): one for one in bound.report.all()}
    assert told["phone", "region"].changed == 2
    assert "123 4567" not in str(told["phone", "region"].examples)
    assert told["currency", "values"].examples == (('"UK"', '"GBP"'),)


def test_what_a_transform_cannot_read_is_a_fault_of_its_row() -> None:
    """It stands at the row's new place, under the column that was to be made."""
    fields = {
        "phone": {"column": "Tel", "region": "ZA"},
        "currency": {"constant": "ZAR"},
        "balance": {"column": "Saldo", "unit": "major", "number_format": "1234.56"},
    }
    rows = {"drop": {"Art": "lead"}}
    _, mapped = applied(
        mapping_of(fields, rows=rows),
        No=["1", "2", "3"],
        Tel=["x", "082 123 4567", "5"],
        Saldo=["x", "1.234", "1"],
        Art=["lead", "", ""],
    )
    assert [(one.index, one.column, one.code) for one in mapped.batch.faults] == [
        (1, "phone", "phone_invalid"),
        (0, "balance", "amount_decimals"),
    ]
    assert [(one.line, one.code) for one in mapped.skipped] == [(2, "filtered")]
    assert list(mapped.batch.lines) == [3, 4]


def test_a_number_that_may_be_dropped_is_counted() -> None:
    """The row is kept, the number is left out, and the report says how often."""
    fields = {"phone": {"column": "Tel", "region": "ZA", "on_invalid": "drop"}}
    bound, mapped = applied(mapping_of(fields), No=["1", "2"], Tel=["x", "0821234567"])
    assert mapped.batch.frame["phone"].to_list() == ["", "+27821234567"]
    assert mapped.batch.faults == ()
    assert ("left out", 1) in {(one.name, one.changed) for one in bound.report.all()}


def test_totals_lines_are_left_out_and_customers_called_total_are_not() -> None:
    """A totals line has no reference of its own and no way to reach anyone."""
    fields = {"name": {"column": "Name"}, "email": {"column": "Mail"}}
    _, mapped = applied(
        mapping_of(fields, rows={"skip_totals": True}),
        No=["1", "", "Total", "T9", "Summe:", "", "", "", "Total-7"],
        Name=["Total", "Total", "", "Total", "", "Totally", "Total Gas CC", "Total ZAR", "Total"],
        Mail=["a@example.com", "", "", "", "", "", "", "", ""],
    )
    assert [one.line for one in mapped.skipped] == [3, 4, 6, 9]
    kept = ["Total", "Total", "Totally", "Total Gas CC", "Total"]
    assert mapped.batch.frame["name"].to_list() == kept


def test_texts_that_stand_for_an_empty_cell() -> None:
    """They are empty for every field, rule and template; a name that is alike is none of them."""
    fields = {
        "name": {"template": "{First} {Last}"},
        "balance": {"columns": ["A", "B"]},
        "phone": {"column": "First", "default": "none"},
    }
    _, mapped = applied(
        mapping_of(fields, source={"empty": ["NULL", "n/a"]}, rows={"drop": {"A": "NULL"}}),
        No=["1", "2"],
        First=[" NULL ", "Jennifer"],
        Last=["Smith", "Null"],
        A=["n/a", "7"],
        B=["5", ""],
    )
    frame = mapped.batch.frame
    assert frame["name"].to_list() == ["Smith", "Jennifer Null"]
    assert frame["balance"].to_list() == ["5", "7"]
    assert frame["phone"].to_list() == ["none", "Jennifer"]


def test_own_words_for_totals() -> None:
    """A column and the words that its totals begin with."""
    rows = {"skip_totals": {"column": "No", "starts_with": ["Zwischen"]}}
    _, mapped = applied(mapping_of(rows=rows), No=["1", "zwischensumme", "Zwischen 2"])
    assert [one.line for one in mapped.skipped] == [4]


@pytest.mark.parametrize(
    ("tables", "part"),
    [
        ({"fields": {"name": {"column": "Nmae"}}}, 'fields.name: did you mean "Name"'),
        ({"rows": {"keep": {"Statsu": "x"}}}, "rows.keep"),
        ({"metadata": {"k": {"template": "{Nowhere}"}}}, "metadata.k"),
    ],
)
def test_a_column_that_is_not_there_is_refused(tables: dict[str, Any], part: str) -> None:
    """With the key of the mapping and the nearest column."""
    given = tables.pop("fields", {})
    with pytest.raises(SourceError) as caught:
        bind(mapping_of(given, **tables), Layout("a.csv", ("No", "Name", "Status")))
    assert part in f"{caught.value.message}: {caught.value.hint}"


def test_a_column_that_is_there_twice_cannot_be_meant() -> None:
    """Nobody could say which one."""
    with pytest.raises(SourceError, match='2 columns are called "No"'):
        bind(mapping_of(), Layout("a.csv", ("No", "No")))


@given(
    st.lists(
        st.tuples(st.text("ab_ /", max_size=3), st.text("ab_ /", max_size=3)),
        min_size=2,
        max_size=6,
    ),
    st.sampled_from(
        [
            {"template": "{A}{B}"},
            {"template": "{A}-{B}", "sanitise": "escape"},
            {"columns": ["A", "B"]},
            {"column": "A", "values": {"a": "b"}},
            {"column": "A", "sanitise": "escape"},
        ]
    ),
)
def test_one_reference_never_hides_two(cells: list[tuple[str, str]], spec: dict[str, Any]) -> None:
    """Wherever two records get one reference, their origins say whether their cells were equal."""
    columns: dict[str, list[str | None]] = {
        "A": [a for a, _ in cells],
        "B": [b for _, b in cells],
    }
    _, mapped = applied(mapping_of({"external_reference": spec}), **columns)
    made = mapped.batch.frame["external_reference"].to_list()
    cells_used: dict[str, list[Any]] = {
        "template": [(a.strip(), b.strip()) for a, b in cells],
        "columns": [(0, a.strip()) if a.strip() else (1, b.strip()) for a, b in cells],
        "column": [(a.strip(),) for a, _ in cells],
    }
    used = cells_used[next(key for key in spec if key in cells_used)]
    for i, one in enumerate(made):
        for j, other in enumerate(made[:i]):
            if one == other and one:
                same_cells = used[i] == used[j]
                assert (mapped.origins[i] == mapped.origins[j]) == same_cells


TWO = {"debit": "Debit", "credit": "Credit", "unit": "major", "number_format": "1234.56"}


@pytest.mark.parametrize(
    ("debit", "credit", "minor"),
    [
        ("12.50", "", "1250"),
        ("", "12.50", "-1250"),
        ("12.50", "0.00", "1250"),
        ("0", "12.50", "-1250"),
        ("-", "12.50 CR", "-1250"),
        ("12.50 DR", "-", "1250"),
        ("100", "30.05", "6995"),
        ("", "", ""),
        ("0.00", "0.00", "0"),
        ("-12.50", "", "amount_other_side"),
        ("", "-12.50", "amount_other_side"),
        ("", "(12.50)", "amount_other_side"),
        ("12.50 CR", "", "amount_other_side"),
        ("x", "12.50", "amount_unreadable"),
        ("12.50", "x", "amount_unreadable"),
    ],
)
def test_debit_is_owed_and_credit_is_had(debit: str, credit: str, minor: str) -> None:
    """The balance is one less the other; a sign that contradicts its column is an error."""
    fields = {"currency": {"constant": "ZAR"}, "balance": TWO}
    _, mapped = applied(mapping_of(fields), No=["1"], Debit=[debit], Credit=[credit])
    codes = [one.code for one in mapped.batch.faults]
    assert (codes or mapped.batch.frame["balance"].to_list()) == [minor]


def test_debit_and_credit_in_minor_units() -> None:
    """Whole numbers of any length; what is none is left for the rules to refuse."""
    spec = {"debit": "D", "credit": "C", "default": "0", "values": {"n/a": ""}}
    debit: list[str | None] = ["5", "", "9" * 40, "x", "", "n/a"]
    credit: list[str | None] = ["", "5", "1", "1", "", ""]
    made = column({"balance": spec}, "balance", D=debit, C=credit)
    assert made == ["5", "-5", "9" * 39 + "8", "x", "0", "0"]


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"debit": "D"}, "belong together"),
        ({"debit": "D", "credit": "C", "column": "A"}, "exclude each other"),
        ({"debit": "D", "credit": "C", "positive": "credit"}, "leave positive out"),
        ({"debit": "D", "credit": "C", "default": "5"}, "0 only"),
    ],
)
def test_debit_and_credit_say_one_thing(spec: dict[str, Any], part: str) -> None:
    """Both are named, nothing beside them, and nothing turns them round."""
    with pytest.raises(ValueError, match=part):
        mapping_of({"balance": spec})


def test_both_columns_tell_the_number_format() -> None:
    """One of them alone could be read in two ways."""
    fields = {"currency": {"constant": "ZAR"}, "balance": {**TWO, "number_format": "auto"}}
    cells: dict[str, list[str | None]] = {"Debit": ["1.234", ""], "Credit": ["", "5,50"]}
    assert column(fields, "balance", **cells) == ["123400", "-550"]


def test_addresses_are_spelt_as_the_network_has_them() -> None:
    """A domain with other letters gets its ASCII form; what has none is left for the rules."""
    spec = {"column": "M", "punycode": True, "lowercase_domain": True}
    cells: list[str | None] = [
        "ada@Bücher.DE",
        "ada@straße.de",
        "ada@x.za",
        "ä@x.za",
        "a@☃.net",
        "",
    ]
    assert column({"email": spec}, "email", M=cells) == [
        "ada@xn--bcher-kva.de", "ada@xn--strae-oqa.de", "ada@x.za", "ä@x.za", "a@☃.net", "",
    ]  # fmt: skip


def test_an_address_that_may_be_dropped_is_counted() -> None:
    """Whatever the API would refuse is left out, seen, and costs no customer."""
    spec = {"column": "M", "on_invalid": "drop"}
    cells: list[str | None] = ["ada@x.za", "none", "a b@x.za", "a@x.za; b@x.za", "a@localhost", ""]
    bound, mapped = applied(mapping_of({"email": spec}), No=[str(one) for one in range(6)], M=cells)
    assert mapped.batch.frame["email"].to_list() == ["ada@x.za", "", "", "", "", ""]
    assert [(one.column, one.changed) for one in bound.report.all()] == [("email", 4)]
