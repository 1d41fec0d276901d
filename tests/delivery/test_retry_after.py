"""``Retry-After`` in both forms of RFC 9110 section 10.2.3."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.delivery.pacing.server_hints import retry_after

NOW = datetime(2031, 1, 15, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("999999999", 999_999_999.0),
        ("Wed, 15 Jan 2031 12:00:30 GMT", 30.0),
        ("Wednesday, 15-Jan-31 12:00:30 GMT", 30.0),
        ("Wed Jan 15 12:00:30 2031", 30.0),
        ("Wed, 15 Jan 2031 14:00:30 +0200", 30.0),
        ("Wed, 15 Jan 2031 11:59:00 GMT", 0.0),
    ],
)
def test_both_forms_are_read(value: str, seconds: float) -> None:
    """Seconds as they are, decimals too; the three date formats of HTTP; a past date is no wait."""
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [None, "", " ", "soon", "-5", "1,5", "+5", "1e3", "\u0665", "1234567890", "Wed, 99 Foo 2031"],
)
def test_nonsense_is_no_hint(value: str | None) -> None:
    """What cannot be understood neither shortens nor lengthens a wait."""
    assert retry_after(value, NOW) is None


@given(st.text(max_size=60))
def test_no_header_can_raise(value: str) -> None:
    """Any text gives a wait that is not negative, or none."""
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(0, 10**9 - 1))
def test_seconds_are_never_changed(seconds: int) -> None:
    """A server's wait is honoured to the second."""
    assert retry_after(str(seconds), NOW) == seconds


@given(st.integers(0, 10**8), st.floats(0, 0.999))
def test_a_date_is_never_shortened(ahead: int, fraction: float) -> None:
    """With fractions of a second on our clock the wait is rounded up."""
    date = format_datetime(datetime.fromtimestamp(NOW + ahead, tz=UTC), usegmt=True)
    seconds = retry_after(date, NOW + fraction)
    assert seconds is not None
    assert ahead - fraction <= seconds < ahead - fraction + 1 or seconds == 0 >= ahead - 1
