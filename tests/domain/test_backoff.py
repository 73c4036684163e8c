"""Back-off and Retry-After: waits grow, are bounded and spread; no header of a service breaks the caller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.backoff import MAX_RETRY_AFTER, backoff_seconds, parse_retry_after

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
IN_9_SECONDS = "Sat, 21 Nov 2026 06:00:09 GMT"
AT_6 = "Sat, 21 Nov 2026 06:00:00 GMT"


@given(st.integers(0, 10**9), st.floats(0, 1), st.floats(0.1, 10), st.floats(10, 1e4), st.floats(1.1, 10))
def test_a_wait_never_shrinks_with_attempts_nor_passes_its_maximum(
    attempts: int, jitter: float, initial: float, maximum: float, factor: float
):
    wait = backoff_seconds(attempts, jitter, initial=initial, maximum=maximum, factor=factor)
    after = backoff_seconds(attempts + 1, jitter, initial=initial, maximum=maximum, factor=factor)
    assert initial / 2 <= wait <= after <= maximum


def test_jitter_shortens_a_wait_by_up_to_its_spread():
    assert [backoff_seconds(n, 0.0, initial=5, maximum=600, factor=6) for n in (1, 2, 3, 4)] == [5, 30, 180, 600]
    assert [backoff_seconds(2, jitter, initial=5, maximum=600) for jitter in (0.0, 0.5, 1.0)] == [10, 7.5, 5]
    assert backoff_seconds(2, 1.0, initial=5, maximum=600, spread=0.25) == 7.5


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": IN_9_SECONDS}, 9.0),
        ({"retry-after": IN_9_SECONDS.removesuffix(" GMT")}, 9.0),
        ({"retry-after": IN_9_SECONDS, "date": "Sat, 21 Nov 2026 05:59:59 GMT"}, 10.0),
        ({"retry-after": IN_9_SECONDS, "date": "yesterday"}, 9.0),
        ({"retry-after": AT_6, "date": IN_9_SECONDS}, None),
        *(({"retry-after": text}, None) for text in ("soon", "-3", "1e3", "٣", "nan", "7 seconds", "1.", "")),
        ({"retry-after": "9" * 20}, MAX_RETRY_AFTER),
        ({"retry-after": "9" * 5000}, MAX_RETRY_AFTER),
    ],
)
def test_a_service_asks_to_wait_by_number_or_date(headers: dict[str, str], seconds: float | None):
    assert parse_retry_after(headers, NOW) == seconds


def test_a_date_without_anything_to_compare_it_with_asks_for_nothing():
    assert parse_retry_after({"retry-after": IN_9_SECONDS}) is None
    assert parse_retry_after({"retry-after": IN_9_SECONDS, "date": AT_6}) == 9.0


@pytest.mark.parametrize("number", ["9" * 20, "9" * 5000, "99999"])
@pytest.mark.parametrize(
    "pattern", ["Mon, 1 Jan {} 10:00:00 GMT", "Mon, 1 Jan 2024 {}:00:00 GMT", "Mon, 1 Jan 2024 10:00:00 +{}"]
)
def test_a_date_that_no_clock_can_show_asks_for_nothing(pattern: str, number: str):
    """The standard library raises OverflowError for some of these; a service must not break its caller so."""
    assert parse_retry_after({"retry-after": pattern.format(number), "date": AT_6}, NOW) is None


@given(st.text(), st.text(), st.text())
def test_no_header_raises(milliseconds: str, retry_after: str, date: str):
    wait = parse_retry_after({"retry-after-ms": milliseconds, "retry-after": retry_after, "date": date}, NOW)
    assert wait is None or 0 <= wait <= MAX_RETRY_AFTER


@given(st.integers(-(10**9), 5 * 10**9).filter(bool))
def test_every_date_of_http_is_read(distance: int):
    header = (NOW + timedelta(seconds=distance)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert parse_retry_after({"retry-after": header}, NOW) == (min(distance, MAX_RETRY_AFTER) if distance > 0 else None)
