"""The time as a web server reports it, for the doctor to compare clocks."""

import urllib.error
import urllib.request
from datetime import datetime
from http.client import HTTPException

from domain.timestamps import parse_http_date


def web_time(address: str, timeout: float = 4.0) -> datetime | None:
    """The time by the Date header of whatever a web server answers, to the second; None if it sends none.

    No key is sent. That a server cannot be reached is for others to say: it has no time to compare then.
    """
    try:
        request = urllib.request.Request(with_scheme(address), method="HEAD")
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as refusal:
        date = refusal.headers.get("Date")
    except (OSError, HTTPException, ValueError):
        return None
    return parse_http_date(date or "")


def with_scheme(address: str) -> str:
    """An address of the web; consoles show hosts without a scheme, and https is meant."""
    return address if address.startswith(("http://", "https://")) else f"https://{address}"
