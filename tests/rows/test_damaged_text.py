"""Names that were damaged before they came here."""

from __future__ import annotations

import polars as pl
import pytest

from importer.rows.damaged_text import DamagedText


def doubts(*values: str | None, column: str = "name") -> list[str]:
    """What is said of some values, the first of them on line 2."""
    found = DamagedText("x.csv")
    text = pl.Series(values, dtype=pl.String)
    found.look([(column, text)], range(2, 2 + len(values)))
    return found.doubts()


@pytest.mark.parametrize("name", ["Müller", "José Peña", "Zoë", "Řehoř", "Иван", "SÃO PAULO"])
@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
def test_utf_8_that_was_read_as_western_text(name: str, wrong: str) -> None:
    """Every name that such a reading has changed is found, and none that is as it was."""
    misread = name.encode().decode(wrong, errors="ignore")
    if name.encode().decode(wrong, errors="replace") == misread:
        assert "wrong encoding once (line 3)" in doubts("Ann", misread)[0]
    assert doubts("Ann", name) == []


@pytest.mark.parametrize(
    "encoding", ["cp1252", "mac_roman", "cp850", "cp437", "cp1250", "cp1251", "iso8859_15"]
)
def test_utf_8_that_was_read_in_any_usual_encoding(encoding: str) -> None:
    """A Mac, a DOS box and a Polish or Russian Windows damage names, too; twice is no less."""
    for name in (
        "M\u00fcller",
        "Jos\u00e9",
        "Fran\u00e7ois",
        "Jos\u00e9 Nu\u00f1ez",
        "\u0141\u00f3d\u017a",
    ):
        misread = name.encode().decode(encoding, errors="replace")
        if "\ufffd" not in misread:
            assert "wrong encoding once (line 3)" in doubts("Ann", misread)[0]
    twice = "M\u00fcller".encode().decode("cp1252").encode().decode("cp1252")
    assert "wrong encoding" in doubts(twice)[0]


@pytest.mark.parametrize(
    "name",
    ["RÓŻYCKI", "PÓŁTORAK", "LÍŠEŇ", "POSPÍŠIL", "Jean\u2013Éric", "Гія", "Рєпін",
     "Äämisepp", "FĂGĂRAŞ"],
)  # fmt: skip
def test_names_whose_letters_look_like_bytes_of_others(name: str) -> None:
    """Capitals of Poland and Bohemia, a dash before a letter, and Ukrainian are as they are."""
    assert doubts(name) == []


@pytest.mark.parametrize(
    "name",
    ["NULL", "null", "Null", "None", "nan", "NaN", "\\N", "N/A", "<NA>", "(null)", "[blank]",
     "Jane NULL", "nan nan", "None Smith"],
)  # fmt: skip
def test_what_stands_for_no_value(name: str) -> None:
    """Alone, or as a part of a name that a mapping joined."""
    (doubt,) = doubts("Ann", name, None)
    assert "no value" in doubt
    assert "(line 3)" in doubt
    assert doubts(name, column="metadata.k") == []


@pytest.mark.parametrize(
    "name", ["Nan Goldin", "Nanette", "Nonesuch", "Na", "Nullmeyer", "Anna None-Smith", "Nil Desai"]
)
def test_people_whose_names_begin_so(name: str) -> None:
    """They are nobody's missing value."""
    assert doubts(name) == []


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("J?rgen M?ller", "question mark in place"),
        ("?ukasz", "question mark in place"),
        ("L??ke", "question mark in place"),
        ("O\x92Brien", "control character"),
        ("Ann\x85", "control character"),
        ("A\x07nn", "control character"),
        ('="Ann"', 'wrapped in =""'),
        ("#VALUE!", "spreadsheet shows for an error"),
        ("#BEZUG!", "spreadsheet shows for an error"),
        ("#¡VALOR!", "spreadsheet shows for an error"),
        ("#NAME?", "spreadsheet shows for an error"),
        ("########", "spreadsheet shows for an error"),
        ("Err:502", "spreadsheet shows for an error"),
        ("O&#39;Brien", "web page"),
        ("Smith &amp; Sons", "web page"),
        ("M&uuml;ller", "web page"),
        ("Zo%C3%AB", "web page"),
        ("Zo\\u00eb", "web page"),
        ("O\\'Brien", "database writes"),
        ('The \\"Big\\" One', "database writes"),
        ("Ann\\tLee", "database writes"),
        ("Ann\\\\Lee", "database writes"),
        ("Ann\u200bLee", "nobody sees"),
        ("\ufeffAnn", "nobody sees"),
        ("\u202aAnn\u202c", "nobody sees"),
        ("Ann\u00adLee", "nobody sees"),
    ],
)
def test_what_a_wrong_export_leaves_in_a_name(name: str, part: str) -> None:
    """Each kind is told once, without the name."""
    (doubt,) = doubts("Ann", name, "Bo", name)
    assert part in doubt
    assert "2 of the values" in doubt
    assert name not in doubt


@pytest.mark.parametrize(
    "name",
    [
        "#1 Plumbing",
        "#hashtag",
        "##",
        "Guess?",
        "Who? Me?",
        "Q? Ltd",
        "AT&T; Ltd",
        "R&D",
        "100% Cotton",
        "50%C2",
        "Ann\tLee",
        "A\nB",
        "AC\\DC",
        "Smith \\ Sons",
        "\u0645\u06cc\u200c\u062e",
        "\u05d0\u200f",
        "\U0001f468\u200d\U0001f469",
    ],
)
def test_signs_that_stand_in_names_of_firms(name: str) -> None:
    """Question marks, ampersands and percent signs are no damage by themselves."""
    assert doubts(name) == []
    assert doubts("https://x.co/p?id=1&amp;y=%C3%AB", column="metadata.page") == []


def test_letters_that_are_lost() -> None:
    """The number is told, and the first lines."""
    (doubt,) = doubts(*["Zo\ufffd"] * 7, column="metadata.town")
    assert "7 of the values of metadata.town hold U+FFFD" in doubt
    assert "(lines 2, 3, 4, 5, 6, ...)" in doubt
    assert "Zo" not in doubt


def test_no_value_is_no_reference() -> None:
    """What a program writes for no value would be a customer, and another one each night."""
    for text in (
        "NULL",
        "null",
        "None",
        "nan",
        "NA",
        "N_A",
        "undefined",
        "-",
        "__",
        "_5c_N",
        "_3f_",
    ):
        (said,) = doubts("A-1", text, column="external_reference")
        assert "1 of the values of external_reference are what a program writes" in said
        assert "(line 3)" in said
    people = ("NULL-7", "N", "0", "none1", "NAN-1", "A_3f_", "-1", None)
    assert doubts(*people, column="external_reference") == []
