"""Back-off: how long to wait before the next attempt, and how long a service asks to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from domain.timestamps import parse_http_date

MAX_RETRY_AFTER = 1e9  # seconds; a number that says more is read as this
_MAX_EXPONENT = 64  # a float holds the power, and every maximum is long reached


def backoff_seconds(
    attempts: int, jitter: float, *, initial: float, maximum: float, factor: float = 2.0, spread: float = 0.5
) -> float:
    """Seconds to wait after attempt number `attempts`: `initial`, times `factor` after each, at most `maximum`.

    `jitter` is random, 0 to 1, and shortens the wait by up to the share `spread` of it, so that what failed together
    does not come back together.
    """
    wait = min(initial * factor ** min(max(attempts, 1) - 1, _MAX_EXPONENT), maximum)
    return wait * (1 - spread * jitter)


def parse_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a service asks to wait: `retry-after-ms`, else `retry-after` as a number or a date (RFC 9110).

    A date is compared with the `date` of the same answer, so that a wrong clock does no harm, here or there; with `now`
    if the answer has none. None for a date that has passed, and for what is neither.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
            return min(float(value) / unit, MAX_RETRY_AFTER)
    until, since = parse_http_date(headers.get("retry-after", "")), parse_http_date(headers.get("date", "")) or now
    if until is None or since is None:
        return None
    seconds = (until - since).total_seconds()
    return min(seconds, MAX_RETRY_AFTER) if seconds > 0 else None
