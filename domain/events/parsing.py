"""What a sender's bytes say: JSON of one event or of several, whatever it is; every refusal is one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import InvalidRequest

MOST_EVENTS = 5000
EVENT_BYTES = 3 * 2**20
MOST_LEVELS = 500  # who reads it back may stand deep in a stack of its own
RESERVED = "inngest/"
YEAR_1980, YEAR_2100 = 315_532_800_000, 4_102_444_800_000  # milliseconds
FIELDS: tuple[tuple[str, type, str], ...] = (
    ("id", str, "a string"),
    ("v", str, "a string"),
    ("data", dict, "an object"),
    ("user", dict, "an object"),
    ("meta", dict, "an object"),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it was sent: `content` is its JSON in ASCII, which any database takes."""

    name: str
    data: Mapping[str, Any]
    content: str
    id: str | None = None
    ts: int | None = None  # milliseconds since 1970; None for now


def read_events(body: bytes) -> list[Event]:
    """The events of a request's body.

    Raises InvalidRequest, which names the first event that is wrong, by its number.
    """
    if not body.strip():
        return []
    # senders that cut a character in two are answered as the event server does: with the replacement character
    found = parsed(body.decode("utf-8-sig", "replace"))
    if not isinstance(found, list):
        return [read_event(found)]
    if len(found) > MOST_EVENTS:
        raise InvalidRequest(f"Cannot have more than {MOST_EVENTS} events in a batch")
    return [read_event(one, place_of(number, len(found))) for number, one in enumerate(found, 1)]


def place_of(number: int, all_of_them: int) -> str:
    """Which event of a request is meant; needless where it has one."""
    return f" (event {number} of {all_of_them})" if all_of_them > 1 else ""


def parsed(text: str) -> Any:
    """JSON as the standard has it: no NaN, nothing beyond a double, no more levels than can be read back."""
    try:
        found = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        if text.count("[") + text.count("{") > MOST_LEVELS and levels(found) > MOST_LEVELS:
            raise RecursionError
        return found
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply to be read") from None
    except ValueError as error:
        raise InvalidRequest(
            f"The body is not JSON: {str(error).replace(' - use sys.set_int_max_str_digits() to', ';')}"
        ) from None


def kept_data(content: str) -> dict[str, Any]:
    """The data of a kept event. Raises InvalidRequest for one that was taken when events nested more deeply."""
    try:
        return dict(parsed(content)["data"])
    except InvalidRequest as error:
        raise InvalidRequest(str(error).replace("The body", "The event", 1)) from None


def kept_fields(name: str, content: str) -> dict[str, Any]:
    """All that was kept of an event; of one that cannot be read any more, why, in place of its data."""
    try:
        return dict(parsed(content))
    except InvalidRequest as error:
        return {"name": name, "data": {"error": str(error).replace("The body", "The event", 1)}}


def levels(found: Any) -> int:
    """How deeply lists and objects of JSON are nested."""
    number, layer = 0, [found]
    while layer:
        number += 1
        layer = [
            child
            for one in layer
            if isinstance(one, dict | list)
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, dict | list)
        ]
    return number


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large for a double")
    return number


def read_event(found: Any, where: str = "") -> Event:
    """Check the fields that are the protocol's. Raises InvalidRequest."""
    if not isinstance(found, dict):
        raise InvalidRequest(f"An event is a JSON object with a name{where}")
    name, identity, ts = _name(found.get("name"), where), found.get("id") or None, _time(found.get("ts"), where)
    for field, kind, told in FIELDS:
        if not isinstance(found.get(field), kind | None):
            raise InvalidRequest(f"{field} must be {told}{where}")
    data = {key: value for key, value in (found.get("data") or {}).items() if key != "_inngest"}
    kept = {"name": name, "data": data, "id": identity, "ts": ts}
    content = _told(kept | {field: found.get(field) for field in ("v", "user", "meta")}, where)
    return Event(name, data, content, identity, ts)


def _name(name: Any, where: str) -> str:
    if name is None or name == "":
        raise InvalidRequest(f"event name is empty{where}")
    if not isinstance(name, str):
        raise InvalidRequest(f"event name must be a string{where}")
    if name.casefold().startswith(RESERVED):
        raise InvalidRequest(f"event name is reserved for internal use: names may not begin with {RESERVED}{where}")
    return name


def _time(ts: Any, where: str) -> int | None:
    if ts is not None and (not isinstance(ts, int) or isinstance(ts, bool)):
        raise InvalidRequest(f"ts must be whole milliseconds since 1970{where}")
    if ts and not YEAR_1980 <= ts <= YEAR_2100:
        raise InvalidRequest(f"ts must lie between the years 1980 and 2100, in milliseconds{where}")
    return ts or None


def _told(event: Mapping[str, Any], where: str) -> str:
    """The event's JSON. Raises InvalidRequest where it is too large, or too deep to be written again."""
    try:
        content = json.dumps({key: value for key, value in event.items() if value is not None}, separators=(",", ":"))
        if len(content) > EVENT_BYTES:  # the escaped spelling is never the shorter one
            plain = json.dumps(json.loads(content), separators=(",", ":"), ensure_ascii=False)
            if (size := len(plain.encode("utf-8", "surrogatepass"))) > EVENT_BYTES:
                raise InvalidRequest(f"Event is over the max size: Max {EVENT_BYTES} bytes / Size {size} bytes{where}")
    except RecursionError:
        raise InvalidRequest(f"The event is nested too deeply to be kept{where}") from None
    return content


def ascii_of(text: str) -> str:
    """A text as it stands between the quotation marks of ASCII JSON."""
    return json.dumps(text)[1:-1]


def text_of(spelt: str) -> str:
    """The text that `ascii_of` spelt."""
    return str(json.loads(f'"{spelt}"'))
