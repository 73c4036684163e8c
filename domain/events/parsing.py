"""Parsing of a request with events: JSON of one event or of several; every error is one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import InvalidRequest

MAX_EVENTS = 5000
EVENT_BYTES = 3 * 2**20
MAX_LEVELS = 500  # whoever reads it back may itself be deep in a stack
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
    document = parse_json(body.decode("utf-8-sig", "replace"))
    if not isinstance(document, list):
        return [read_event(document)]
    if len(document) > MAX_EVENTS:
        raise InvalidRequest(f"Cannot have more than {MAX_EVENTS} events in a batch")
    return [read_event(item, place_of(number, len(document))) for number, item in enumerate(document, 1)]


def place_of(number: int, total: int) -> str:
    """Which event of a request an error is about; empty if the request has only one."""
    return f" (event {number} of {total})" if total > 1 else ""


def parse_json(text: str) -> Any:
    """JSON as the standard has it: no NaN, nothing beyond a double, no more levels than can be read back."""
    try:
        document = json.loads(text, parse_constant=_reject_constant, parse_float=_parse_float)
        if text.count("[") + text.count("{") > MAX_LEVELS and nesting_depth(document) > MAX_LEVELS:
            raise RecursionError
        return document
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply to be read") from None
    except ValueError as error:
        raise InvalidRequest(
            f"The body is not JSON: {str(error).replace(' - use sys.set_int_max_str_digits() to', ';')}"
        ) from None


def kept_data(content: str) -> dict[str, Any]:
    """The data of a stored event. Raises InvalidRequest if it was stored when deeper nesting was allowed."""
    try:
        return dict(parse_json(content)["data"])
    except InvalidRequest as error:
        raise InvalidRequest(str(error).replace("The body", "The event", 1)) from None


def kept_fields(name: str, content: str) -> dict[str, Any]:
    """All stored fields of an event; if it cannot be read any more, its data is replaced by the reason."""
    try:
        return dict(parse_json(content))
    except InvalidRequest as error:
        return {"name": name, "data": {"error": str(error).replace("The body", "The event", 1)}}


def nesting_depth(document: Any) -> int:
    """How deeply lists and objects of JSON are nested."""
    depth, layer = 0, [document]
    while layer:
        depth += 1
        layer = [
            child
            for parent in layer
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return depth


def _reject_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large for a double")
    return number


def read_event(document: Any, where: str = "") -> Event:
    """Check the fields of the protocol. Raises InvalidRequest."""
    if not isinstance(document, dict):
        raise InvalidRequest(f"An event is a JSON object with a name{where}")
    name, ts = _name(document.get("name"), where), _time(document.get("ts"), where)
    identity = document.get("id") or None
    for field, kind, description in FIELDS:
        if not isinstance(document.get(field), kind | None):
            raise InvalidRequest(f"{field} must be {description}{where}")
    data = {key: value for key, value in (document.get("data") or {}).items() if key != "_inngest"}
    fields = {"name": name, "data": data, "id": identity, "ts": ts}
    content = _serialize(fields | {field: document.get(field) for field in ("v", "user", "meta")}, where)
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


def _serialize(event: Mapping[str, Any], where: str) -> str:
    """The event's JSON. Raises InvalidRequest if it is too large, or nested too deeply to be written again."""
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
