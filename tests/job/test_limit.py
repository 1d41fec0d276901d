"""How many invalid rows are too many, as a rule of its own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import UsageError
from importer.job.limit import DEFAULT_LIMIT, ErrorLimit, Tally, parse_limit, too_many


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0", ErrorLimit(rows=0)),
        ("500", ErrorLimit(rows=500)),
        ("10%", ErrorLimit(percent=Decimal(10))),
        (" 2.5 % ", ErrorLimit(percent=Decimal("2.5"))),
        ("100%", ErrorLimit(percent=Decimal(100))),
        ("0%", ErrorLimit(percent=Decimal(0))),
    ],
)
def test_a_limit_is_a_number_or_a_percentage(text: str, limit: ErrorLimit) -> None:
    """``N`` counts rows, ``P%`` is a share; given on the command line, neither has a tolerance."""
    assert parse_limit(text) == limit
    assert limit.tolerated == 0


@pytest.mark.parametrize("text", ["", "ten", "-1", "10.5", "1e3", "%", "101%", "10%%", "1,5%", "٣"])
def test_anything_else_is_a_clear_error(text: str) -> None:
    """A limit that nobody can read is refused with an example, not guessed."""
    with pytest.raises(UsageError) as caught:
        parse_limit(text)
    assert "--max-errors" in caught.value.message
    assert "--max-errors" in caught.value.hint


def tallied(invalid: int, records: int) -> list[Tally]:
    """One source."""
    return [Tally(records, invalid)]


@pytest.mark.parametrize(
    ("limit", "invalid", "records", "stops"),
    [
        ("10%", 10, 100, False),
        ("10%", 11, 100, True),
        ("10%", 1, 5, True),
        ("5", 5, 5, False),
        ("5", 6, 1_000_000, True),
        ("0", 0, 10, False),
        ("0%", 1, 1_000_000, True),
        ("100%", 10, 10, False),
        ("0.1%", 1001, 1_000_000, True),
        ("0%", 0, 0, False),
    ],
)
def test_a_limit_is_exact(limit: str, invalid: int, records: int, *, stops: bool) -> None:
    """So many are tolerated and not one more, also in a small file."""
    assert bool(too_many(parse_limit(limit), tallied(invalid, records))) is stops


@pytest.mark.parametrize(
    ("invalid", "records", "stops"),
    [(10, 10, False), (11, 11, True), (11, 110, False), (12, 110, True), (100_000, 10**6, False)],
)
def test_the_limit_of_run_spares_small_files(invalid: int, records: int, *, stops: bool) -> None:
    """By default more than a tenth stops, but never ten rows or fewer."""
    assert bool(too_many(DEFAULT_LIMIT, tallied(invalid, records))) is stops


def test_the_rows_of_all_sources_count_together() -> None:
    """An errors file beside another source is one more source."""
    assert too_many(DEFAULT_LIMIT, [*tallied(90, 100), Tally(100, 0)]).startswith("90 of 200 rows")
    assert not too_many(DEFAULT_LIMIT, [*tallied(10, 10), Tally(100, 0)])


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.decimals(0, 100, places=2))
def test_the_share_is_compared_exactly(invalid: int, valid: int, percent: Decimal) -> None:
    """No rounding decides whether a run goes on."""
    records = invalid + valid
    limit = ErrorLimit(percent=percent)
    assert limit.exceeded(invalid, records) is (Decimal(invalid) * 100 > percent * records)
    assert not ErrorLimit(percent=Decimal(100)).exceeded(invalid, records)
