"""Nights of one file belong together, whatever date is in its name."""

from __future__ import annotations

import pytest

from importer.ledger.run_table import series_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("crm_2026-11-25.csv", "crm_2026-11-26.csv"),
        ("crm_20261125.csv", "crm_20261126.csv.gz"),
        ("out/2026-11-25/crm.csv", "out/2026-11-26/crm.csv"),
        ("crm-2026-11-25T020000Z.csv", "crm-2026-11-26T020113Z.csv"),
        ("crm 25.11.2026.xlsx", "crm 26.11.2026.xlsx"),
        ("customers-25-Nov-2026.csv", "customers-1-Dec-2026.csv"),
        ("customers_Nov 25, 2026.csv", "customers_Dec 1, 2026.csv"),
        ("s3://bucket/in/crm_1764028800.csv", "s3://bucket/in/crm_1764115200.csv"),
        (
            "https://x.example/crm_2026-11-25.csv?sig=a",
            "https://x.example/crm_2026-11-26.csv?sig=b",
        ),
        ("ZA_acme_dailyfile_2026-11-25.csv", "ZA_acme_dailyfile_2026-11-26.csv"),
        ("2026-11-25.csv", "2026-11-26.csv"),
        ("customers.csv", "CUSTOMERS.csv"),
    ],
)
def test_nights_of_one_file_are_one_series(one: str, other: str) -> None:
    """Dates, times, folders, compression and query strings change; the series does not."""
    assert series_of([one]) == series_of([other])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("crm.csv", "erp.csv"),
        ("crm.csv", "crm.parquet"),
        ("shop1.csv", "shop2.csv"),
        ("branch_1001.csv", "branch_1002.csv"),
        ("ZA_acme_moment_all-customers_2026-11-25.csv", "ZA_acme_dailyfile_2026-11-25.csv"),
    ],
)
def test_different_files_are_different_series(one: str, other: str) -> None:
    """A number that is no date is part of the name."""
    assert series_of([one]) != series_of([other])


def test_several_sources_are_a_series_of_their_own_and_a_name_wins() -> None:
    """Their order does not matter."""
    assert series_of(["a.csv", "b.csv"]) == series_of(["b.csv", "a.csv"]) != series_of(["a.csv"])
    assert series_of(["a.csv"], "nightly") == "nightly"
