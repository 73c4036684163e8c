"""Attempts: what becomes of a notice after one, so that nothing is said twice and nothing is given up too soon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

State = Literal["waiting", "sending", "sent", "failed", "unknown"]
STATES: tuple[State, ...] = get_args(State)
Ending = Literal["sent", "refused", "later", "lost"]

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0  # seconds
LONGEST_ASKED = 24 * 3600.0  # a service that asks for more patience than this is not obeyed to the letter
FORSAKEN = "The process that was sending it died before it could write how that ended"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended.

    `refused`: trying again changes nothing. `later`: it certainly did not arrive, and may at another time; `after` are
    the seconds that the service asks for. `lost`: it went out, and nobody knows whether it arrived.
    """

    ending: Ending
    reason: str = ""
    after: float | None = None


SENT = Outcome("sent")


@dataclass(frozen=True, slots=True)
class Settled:
    """What the ledger writes after an attempt; `pause` are the seconds until the next one, where there is one."""

    state: State
    error: str | None = None
    pause: float = 0.0


def settled(outcome: Outcome, attempts: int, repeatable: bool, most: int, chance: float) -> Settled:
    """What becomes of a notice after its attempt number `attempts`; `chance` is random, 0 to 1.

    `repeatable` channels know a message when they see it again, so what was lost may be sent again; on the others a
    person decides, because nobody else can see whether it arrived.
    """
    if outcome.ending == "sent":
        return Settled("sent")
    if outcome.ending == "refused":
        return Settled("failed", outcome.reason)
    if outcome.ending == "lost" and not repeatable:
        return Settled("unknown", outcome.reason)
    if attempts >= most:
        return Settled("failed", f"{outcome.reason} (given up after {attempts} attempts)")
    return Settled("waiting", outcome.reason, pause(attempts, outcome.after, chance))


def pause(attempts: int, asked: float | None, chance: float) -> float:
    """Seconds before the next attempt: 5 s, doubled each time up to an hour, of that half to all; or what was asked."""
    grown = min(FIRST_PAUSE * 2.0 ** min(attempts - 1, 20), LONGEST_PAUSE)
    return max(grown * (0.5 + chance / 2), min(asked or 0.0, LONGEST_ASKED))
