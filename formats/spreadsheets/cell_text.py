"""A cell as the text a person reads. Runs in the child for every cell, so it dispatches on the exact type."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterable
from decimal import Decimal

# Invisible or unprintable: C0 controls but tab and line ends, DEL, zero-width space, word joiner, byte-order mark.
# Joiners (U+200C, U+200D) stay: Persian words and family emoji need them.
_NOISE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff]")
_LINE_END = re.compile("\r\n?|\u2028|\u2029")
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXACT_INTEGERS = 2.0**53


def text_of_str(value: str) -> str:
    """NFC, without outer white space, zero-width characters and control characters, lines ended by \\n."""
    if value.isascii():
        if value.isprintable():
            return value.strip()
    elif not unicodedata.is_normalized("NFC", value):
        value = unicodedata.normalize("NFC", value)
    if not value.isprintable():
        value = _LINE_END.sub("\n", value)
        value = _SURROGATE.sub("\ufffd", _NOISE.sub("", value))
    return value.strip()


def text_of_float(value: float) -> str:
    """Integers in full, other numbers with the 15 digits Excel shows, never in scientific notation."""
    if value.is_integer():
        return str(int(value))
    text = f"{value:.15g}"
    if "e" in text:
        return f"{Decimal(text):f}"
    return text


def text_of_bool(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def text_of_datetime(value: dt.datetime) -> str:
    """ISO; only the date when the clock stands at midnight. Serial numbers carry noise below a millisecond."""
    if value.microsecond:
        value = _rounded(value)
    if value.hour == value.minute == value.second == value.microsecond == 0:
        return value.date().isoformat()
    return value.isoformat(" ", "milliseconds" if value.microsecond else "seconds")


def _rounded(value: dt.datetime) -> dt.datetime:
    milliseconds = round(value.microsecond / 1000)
    return value.replace(microsecond=0) + dt.timedelta(milliseconds=milliseconds)


def text_of_time(value: dt.time) -> str:
    moment = _rounded(dt.datetime.combine(dt.date(2000, 1, 1), value))
    return moment.time().isoformat("milliseconds" if moment.microsecond else "seconds")


def text_of_duration(value: dt.timedelta) -> str:
    """[h]:mm:ss, so 30 hours read 30:00:00."""
    milliseconds = round(value.total_seconds() * 1000)
    sign, milliseconds = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{milliseconds:03d}" if milliseconds else ""
    return f"{sign}{hours}:{minutes:02d}:{seconds:02d}{fraction}"


def _nothing(_value: object) -> str:
    return ""


_BY_TYPE: dict[type, Callable[..., str]] = {
    str: text_of_str,
    float: text_of_float,
    int: str,
    bool: text_of_bool,
    dt.datetime: text_of_datetime,
    dt.date: dt.date.isoformat,
    dt.time: text_of_time,
    dt.timedelta: text_of_duration,
    Decimal: "{:f}".format,
    type(None): _nothing,
}


def text_of(value: object) -> str:
    """Any cell value a reader gives."""
    render = _BY_TYPE.get(type(value))
    return text_of_str(str(value)) if render is None else render(value)


def texts_of(cells: Iterable[object]) -> list[str]:
    """One row of cells. A type no reader is known to give still reads as its own text."""
    by_type = _BY_TYPE
    return [by_type.get(type(cell), text_of)(cell) for cell in cells]
