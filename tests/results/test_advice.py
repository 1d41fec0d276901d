"""Every group says what is wrong and what would fix it, and the TOML is TOML."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.toml_text import quoted
from importer.results.advice import Setting, advice_on, as_toml
from importer.results.groups import Cause, Group, Groups
from importer.results.summary import MOST_GROUPS, report
from importer.rows.codes import CODES
from importer.rows.mistakes import Mistake, reference_damage, shown_currency
from importer.rows.row import Problem, Row


def invalid(code: str, detail: str = "", column: str = "c") -> Cause:
    """The cause of invalid rows."""
    return Cause("invalid", 0, column, code, detail)


def toml_of(cause: Cause) -> dict[str, object]:
    """What the advice would set in a mapping file."""
    return tomllib.loads(as_toml(advice_on(cause).settings))


def test_a_currency_that_means_another_is_a_value_map() -> None:
    """The most likely code is proposed as an entry to paste."""
    cause = invalid("currency_unknown", "UK", "currency")
    advice = advice_on(cause)
    assert advice.text == ('currency "UK" is not an active ISO 4217 code; did you mean GBP?')
    assert toml_of(cause) == {"fields": {"currency": {"values": {"UK": "GBP"}}}}


def test_a_currency_in_small_letters_is_a_value_map() -> None:
    """``zar`` is mapped to ``ZAR``, and nobody is asked what it means."""
    cause = invalid("currency_unknown", "zar", "Cur")
    assert "did you mean" not in advice_on(cause).text
    assert toml_of(cause) == {"fields": {"currency": {"values": {"zar": "ZAR"}}}}


def test_a_guess_says_that_it_is_one() -> None:
    """A text that only looks like a code is proposed with a question, in the TOML as well."""
    advice = advice_on(invalid("currency_unknown", "ZRA"))
    assert "a guess: does ZRA mean ZAR?" in as_toml(advice.settings)
    assert toml_of(invalid("currency_unknown", "ZRA")) == {
        "fields": {"currency": {"values": {"ZRA": "ZAR"}}}
    }


@pytest.mark.parametrize("value", ["ZWL", "QQQ", "XX"])
def test_no_map_is_proposed_where_it_would_be_wrong(value: str) -> None:
    """A withdrawn currency has another value, and a text without meaning has none."""
    advice = advice_on(invalid("currency_unknown", value))
    assert advice.settings == ()
    assert advice.fix


@pytest.mark.parametrize(
    ("code", "detail", "expected"),
    [
        ("phone_not_e164", Mistake.NATIONAL, {"fields": {"phone": {"region": "ZA"}}}),
        ("phone_not_e164", Mistake.DOUBLE_ZERO, {"fields": {"phone": {"region": "ZA"}}}),
        ("balance_not_integer", Mistake.DECIMALS, {"fields": {"balance": {"unit": "major"}}}),
        (
            "balance_not_integer",
            Mistake.GROUPED,
            {"fields": {"balance": {"unit": "major", "number_format": "auto"}}},
        ),
        ("reference_charset", "", {"fields": {"external_reference": {"sanitise": "escape"}}}),
        ("currency_missing", "", {"fields": {"currency": {"default": "ZAR"}}}),
        ("not_utf8", "", {"source": {"encoding": "windows-1252"}}),
    ],
)
def test_a_transform_is_named_by_its_key(
    code: str, detail: str, expected: dict[str, object]
) -> None:
    """Where the mapping can fix a whole group, the entry to switch on is given."""
    assert toml_of(invalid(code, detail)) == expected


@pytest.mark.parametrize("detail", [Mistake.SHORTENED, Mistake.TOO_MANY_DIGITS, ""])
def test_lost_digits_are_no_matter_of_the_mapping(detail: str) -> None:
    """What a spreadsheet cut off cannot come back by a transform."""
    for code in ("phone_not_e164", "balance_not_integer"):
        assert advice_on(invalid(code, detail)).settings == ()


@pytest.mark.parametrize(
    ("value", "mistake", "setting"),
    [
        ('="0042"', Mistake.WRAPPED, ["text_formulas"]),
        ("1,234", Mistake.GROUPED, []),
        ("12 345 678", Mistake.GROUPED, []),
        ("42.0", Mistake.FLOAT, []),
        ("1.2E+15", Mistake.SHORTENED, []),
        ("12,34", None, ["sanitise"]),
        ("10.200", None, ["sanitise"]),
        ("A 100", None, ["sanitise"]),
    ],
)
def test_a_reference_that_a_program_changed_is_not_escaped(
    value: str, mistake: Mistake | None, setting: list[str]
) -> None:
    """Escaped it would be another customer's; whatever else it holds can be escaped."""
    assert reference_damage(value) is mistake
    advice = advice_on(invalid("reference_charset", mistake or ""))
    assert [one.key for one in advice.settings] == setting


@pytest.mark.parametrize("detail", [Mistake.FLOAT, Mistake.SHORTENED])
@pytest.mark.parametrize("code", ["reference_charset", "phone_not_e164", "balance_not_integer"])
def test_no_setting_makes_a_damaged_number_valid(code: str, detail: str) -> None:
    """``900.0`` or ``1.23E+15`` as a reference would be another customer's once it is escaped."""
    # Whether ``100.0`` counts cents or rand the file does not say, so nothing is there to paste.
    advice = advice_on(invalid(code, detail))
    assert advice.settings == ()
    assert "export" in advice.fix


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("cell_error", "name holds cells without a value"),
        ("number_inexact", "name holds numbers that have lost digits"),
        ("field_too_long", "name is longer than can be read"),
        ("wrong_type", "name holds values of a type"),
    ],
)
def test_a_group_is_a_sentence_about_its_column(code: str, words: str) -> None:
    """No group reads like the name of a code."""
    assert advice_on(invalid(code, "", "name")).text.startswith(words)


@pytest.mark.parametrize("code", [*sorted(CODES), "too_few_fields", "a_code_of_tomorrow"])
@pytest.mark.parametrize("column", ["", "Saldo (balance)"])
def test_every_code_has_words_and_a_fix(code: str, column: str) -> None:
    """Also a code that nobody wrote a line for is told in words, with something to do."""
    [told] = report([_group(invalid(code, "", column))], ["in.csv"]).groups
    assert told.text
    assert "_" not in told.text.replace("external_reference", "").replace("0-9, _", "")
    assert told.fix
    if column:
        assert "Saldo" in told.text or code == "duplicate_conflict"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("http_503", "not settled: the answer was HTTP 503, without a word of Moment's"),
        ("read_error", "not settled: the connection broke before the answer was there"),
        ("answer_not_json", "not settled: the answer is no JSON"),
        ("look_up_answer_not_json", "not settled: at the look-up the answer is no JSON"),
    ],
)
def test_what_the_way_did_is_told_in_words(code: str, words: str) -> None:
    """Neither a library's name of it, nor what is said of lines of the input."""
    assert advice_on(Cause("unsettled", 0, "", code)).text == words


@pytest.mark.parametrize("outcome", ["rejected", "unsettled"])
def test_moments_answers_have_words_and_a_fix(outcome: str) -> None:
    """A refusal names status, code and field; what is not settled goes on by itself."""
    advice = advice_on(Cause(outcome, 0, "phone", "bad_number", http_status=422))
    assert "bad number" in advice.text
    assert advice.fix
    if outcome == "rejected":
        assert "422" in advice.text
        assert "phone" in advice.text


@pytest.mark.parametrize(
    "value",
    ["Ada Example", "ada@example.com", "0821234567", "Oyelaran", "Ada", "a\nb", "+27", 'a"b'],
)
def test_what_may_be_personal_is_no_currency(value: str) -> None:
    """Cells that slipped by a column are counted without being shown."""
    assert shown_currency(value) == ""
    assert advice_on(invalid("currency_unknown", "")).settings == ()


@pytest.mark.parametrize("value", ["UK", "zar", "Rand", "€", "US$", "Pounds", "ZWL"])
def test_what_stands_for_a_currency_is_shown(value: str) -> None:
    """Short texts and known words are shown: they are what a value map needs."""
    assert shown_currency(value) == value


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_quoted_as_toml_reads_it(text: str) -> None:
    """A value comes out of the TOML as it was in the file, quotes and control characters too."""
    assert tomllib.loads(f"{quoted(text)} = {quoted(text)}") == {text: text}
    assert quoted(text).isprintable()


@given(
    st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1)), unique=True)
)
def test_the_toml_of_many_groups_can_be_pasted(values: list[tuple[str]]) -> None:
    """However many values are mapped, the text parses and holds each of them once."""
    settings = [
        Setting("fields.currency", "values", f"{quoted(value)} = {quoted('ZAR')}", "check it")
        for (value,) in values
    ]
    settings += [Setting("fields.currency", "default", '"ZAR"'), *settings]
    read = tomllib.loads(as_toml(settings))["fields"]["currency"]
    assert read.get("values", {}) == {value: "ZAR" for (value,) in values}
    assert read["default"] == "ZAR"


def test_one_key_is_set_once() -> None:
    """Two groups that need one transform give one entry: TOML refuses a key that stands twice."""
    first = Setting("fields.phone", "region", '"ZA"', "one note")
    second = Setting("fields.phone", "region", '"KE"', "another")
    assert as_toml([first, second]) == '[fields.phone]\nregion = "ZA"  # one note'


def test_the_report_is_bounded() -> None:
    """A summary holds the most frequent groups, and says how many there are."""
    told = report([_group(invalid("x", str(n))) for n in range(MOST_GROUPS + 7)], ["in.csv"])
    assert len(told.groups) == MOST_GROUPS
    assert told.count == MOST_GROUPS + 7


def _group(cause: Cause) -> Group:
    groups = Groups()
    problem = Problem(cause.column, cause.code, "in words", "", cause.detail)
    groups.add_invalid([Row(0, 7, "", None, None, (problem,))])
    return groups.ranked()[0]
