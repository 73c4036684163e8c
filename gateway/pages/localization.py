"""The language of a page: which one its reader asks for, its words, and how it writes numbers, sizes and times."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from babel import Locale, dates, numbers
from fastapi import Request

LANGUAGES = ("ko", "en")
DEFAULT = "en"
LANGUAGE_COOKIE = "rowline_language"
ZONE_COOKIE = "rowline_zone"  # written by zone.js: HTTP does not tell it
PLURALS = {"one", "other"}
STEP = 1024
MINUTE = 59_950  # milliseconds that would be written as 60.0 s


@dataclass(frozen=True, slots=True)
class Language:
    """One language and time zone, as a template speaks them."""

    code: str
    zone: tzinfo = UTC

    @property
    def other(self) -> str:
        """The language to switch to."""
        return next(code for code in LANGUAGES if code != self.code)

    def say(self, key: str, **values: Any) -> str:
        """The words of a key; `n` chooses between singular and plural where the language has both."""
        words = catalogue(self.code)[key]
        if isinstance(words, Mapping):
            words = words[Locale(self.code).plural_form(values["n"])]
        if not values:  # what a script fills in stays as it is
            return str(words)
        formatted = {name: self.number(value) if isinstance(value, int) else value for name, value in values.items()}
        return str(words).format(**formatted)

    def number(self, value: float) -> str:
        return str(numbers.format_decimal(value, locale=self.code))

    def ratio(self, value: float) -> str:
        return str(numbers.format_decimal(value, "0.00", locale=self.code))

    def seconds(self, milliseconds: float) -> str:
        """A span of time: to the tenth of a second, after a minute in minutes, after an hour in hours."""
        if milliseconds < MINUTE:
            return self.say("units.seconds", s=numbers.format_decimal(milliseconds / 1000, "0.0", locale=self.code))
        minutes, rest = divmod(round(milliseconds / 1000), 60)
        if minutes < 60:
            return self.say("units.minutes", m=minutes, s=rest)
        return self.say("units.hours", h=minutes // 60, m=minutes % 60)

    def money(self, dollars: float) -> str:
        return str(numbers.format_currency(dollars, "USD", "¤#,##0.0000", locale=self.code, currency_digits=False))

    def size(self, count: int) -> str:
        """Bytes as people count them."""
        value, unit = float(count), "B"
        for larger in ("kB", "MB", "GB"):
            if value < STEP:
                break
            value, unit = value / STEP, larger
        return f"{numbers.format_decimal(value, '#,##0.#', locale=self.code)} {unit}"

    @staticmethod
    def parsed(text: str) -> datetime:
        return datetime.fromisoformat(text)

    def moment(self, at: datetime) -> str:
        there = at.astimezone(self.zone)
        return f"{dates.format_date(there, 'medium', self.code)} {there:%H:%M}"

    def ago(self, at: datetime, now: datetime) -> str:
        """How long ago, in the largest unit that fits."""
        return str(dates.format_timedelta(at - now, add_direction=True, locale=self.code))


def language_of(request: Request) -> Language:
    """What the reader chose once, else what the browser asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    code = chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))
    return Language(code, zone_named(request.cookies.get(ZONE_COOKIE, "")))


def preferred(accepted: str) -> str:
    """The language of ours that an Accept-Language header likes best."""
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        tag, _, weight = part.partition(";q=")
        code = tag.strip().lower().partition("-")[0]
        try:
            weights[code] = max(float(weight or 1), weights.get(code, 0.0))
        except ValueError:
            continue
    best = max(LANGUAGES, key=lambda code: weights.get(code, 0.0))
    return best if weights.get(best) else DEFAULT


def zone_named(name: str) -> tzinfo:
    """UTC for a name that is none: it comes from a cookie."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@cache
def catalogue(code: str) -> Mapping[str, str | Mapping[str, str]]:
    """Key → words, or the forms of a plural."""
    text = files("gateway.pages").joinpath("translations", f"{code}.yaml").read_text("utf-8")
    return dict(_flat(yaml.safe_load(text)))


def _flat(words: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in words.items():
        if isinstance(value, dict) and not set(value) <= PLURALS:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
