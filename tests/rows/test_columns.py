"""Headers: which column is what."""

from __future__ import annotations

import pytest

from importer.errors import SourceError
from importer.rows.header_fields import ColumnMap, map_columns
from importer.source.records import Layout


def mapped(*names: str, strict: bool = False) -> ColumnMap:
    """Map the header of a source called customers.csv."""
    return map_columns(Layout("customers.csv", names), strict=strict)


def test_every_field_is_found_by_its_api_name() -> None:
    """All six fields, the metadata object and metadata keys are mapped by index."""
    columns = mapped("balance", "name", "external_reference", "metadata", "metadata.tier", "email")
    assert columns.texts == ((1, "name"), (2, "external_reference"), (5, "email"))
    assert columns.reference == 2
    assert columns.balance == 0
    assert columns.metadata == 3
    assert columns.metadata_keys == ((4, "tier"),)
    assert columns.warnings == ()


def test_header_names_are_trimmed() -> None:
    """Whitespace and a byte order mark around a name do not matter."""
    columns = mapped("\ufeffexternal_reference ", " name\u00a0")
    assert columns.names == ("external_reference", "name")
    assert columns.reference == 0


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Email", "email"),
        ("NAME", "name"),
        ("e-mail", "email"),
        ("phone_number", "phone"),
        ("mobile_phone_number", "phone"),
        ("amount_due", "balance"),
        ("currencey", "currency"),
        ("Metadata.tier", "metadata.tier"),
        ("meta data", "metadata"),
    ],
)
def test_unknown_column_warns_with_the_nearest_name(name: str, meant: str) -> None:
    """Matching is exact; a near miss is ignored with a warning that names both."""
    columns = mapped("external_reference", name)
    assert columns.unknown == (name,)
    (warning,) = columns.warnings
    assert warning.startswith(f'customers.csv: the column "{name}" is unknown')
    assert warning.endswith(f'did you mean "{meant}"?')


def test_unknown_column_without_a_near_name_gets_no_guess() -> None:
    """A column that resembles nothing is only named."""
    (warning,) = mapped("external_reference", "favourite colour").warnings
    assert "favourite colour" in warning
    assert "did you mean" not in warning


def test_column_without_a_name_is_named_by_its_place() -> None:
    """An empty header cell warns with its position from 1, also when it is there twice."""
    columns = mapped("external_reference", "", "")
    assert columns.warnings == (
        "customers.csv: column 2 has no name and is ignored",
        "customers.csv: column 3 has no name and is ignored",
    )


def test_unknown_column_is_an_error_when_strict() -> None:
    """With strict, the same text stops the run."""
    with pytest.raises(SourceError) as caught:
        mapped("external_reference", "Email", strict=True)
    assert 'did you mean "email"?' in caught.value.message
    assert "--strict" in caught.value.hint


def test_underscore_columns_are_ignored_without_a_word() -> None:
    """The columns that importer itself adds to an errors file come back unharmed, also strict."""
    columns = mapped("external_reference", "_line", "_error_code", "_error", strict=True)
    assert columns.ignored == ("_line", "_error_code", "_error")
    assert columns.warnings == ()


@pytest.mark.parametrize(
    "name", ["External_Reference", "external-reference", "customer_id", "ref_external"]
)
def test_missing_reference_names_source_columns_and_nearest(name: str) -> None:
    """Without external_reference the run stops and says which column probably holds it."""
    with pytest.raises(SourceError) as caught:
        mapped("name", name)
    assert caught.value.message.startswith("customers.csv: there is no column external_reference")
    assert f'"name", "{name}"' in caught.value.message
    assert f'"{name}"' in caught.value.hint


def test_missing_reference_with_no_near_column_says_what_to_add() -> None:
    """Where no column is near, the hint says what the new column must hold."""
    with pytest.raises(SourceError) as caught:
        mapped("colour", "size")
    assert "importer init" in caught.value.hint
    assert "add a column external_reference" in caught.value.hint


def test_empty_header_is_a_missing_reference() -> None:
    """A header without any name is said to be one."""
    with pytest.raises(SourceError, match="names no column"):
        mapped("")


def test_hostile_header_is_escaped_and_limited() -> None:
    """Control characters, long names and many columns cannot flood or fake the message."""
    names = ["\x1b[31mred\n" + "x" * 500, *(f"column {n}" for n in range(1000))]
    with pytest.raises(SourceError) as caught:
        mapped(*names)
    assert len(caught.value.message) < 800
    assert "\x1b" not in caught.value.message
    assert "\n" not in caught.value.message
    assert "and 981 more" in caught.value.message


@pytest.mark.parametrize("name", ["email", "metadata", "metadata.tier", "external_reference"])
def test_column_twice_is_refused(name: str) -> None:
    """Two columns for one field leave open which one counts, so nothing is sent."""
    with pytest.raises(SourceError, match=f'more than one column is called "{name}"'):
        mapped("external_reference", name, f" {name}")


def test_ignored_columns_may_repeat() -> None:
    """What is not sent may be there twice."""
    assert len(mapped("external_reference", "_x", "_x", "zzz", "zzz").warnings) == 2


@pytest.mark.parametrize(
    ("name", "text"), [("metadata.", "no metadata key"), ("metadata." + "k" * 41, "41")]
)
def test_impossible_metadata_key_is_refused(name: str, text: str) -> None:
    """A key that would fail in every row is the header's fault."""
    with pytest.raises(SourceError, match=text):
        mapped("external_reference", name)


def test_longest_metadata_key_and_more_than_ten_key_columns_are_fine() -> None:
    """40 characters fit, and a header may offer more keys than one row may fill."""
    names = [f"metadata.k{n}" for n in range(20)] + ["metadata." + "k" * 40]
    assert len(mapped("external_reference", *names).metadata_keys) == 21


def test_thousands_of_unknown_columns_are_few_words() -> None:
    """The first are named with what they may mean, the others counted."""
    names = [f"question {number}" for number in range(3000)]
    warnings = mapped("external_reference", *names).warnings
    assert len(warnings) == 21
    assert warnings[-1].endswith("2,980 more columns are unknown and are ignored")
    with pytest.raises(SourceError) as caught:
        mapped("external_reference", *names, strict=True)
    assert len(caught.value.message) < 3000
