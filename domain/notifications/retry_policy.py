"""Retry policy: what follows an attempt to send, so that nothing is sent twice and nothing is given up too soon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from domain.backoff import backoff_seconds

State = Literal["waiting", "sending", "sent", "failed", "unknown"]
STATES: tuple[State, ...] = get_args(State)
Ending = Literal["sent", "refused", "retryable", "unconfirmed"]

INITIAL_BACKOFF, MAX_BACKOFF = 5.0, 3600.0  # seconds
MAX_RETRY_AFTER = 24 * 3600.0  # the longest Retry-After that is followed
SENDER_DIED = "The process that was sending it died before it could record the result"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended.

    `refused`: trying again changes nothing. `retryable`: it certainly did not arrive, and may at another time; `after`
    are the seconds that the service asks for. `unconfirmed`: it went out, and nobody knows whether it arrived.
    """

    ending: Ending
    reason: str = ""
    after: float | None = None


SENT = Outcome("sent")


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the ledger writes after an attempt; `pause`: seconds until the next attempt, if there is one."""

    state: State
    error: str | None = None
    pause: float = 0.0


def settle_outcome(outcome: Outcome, attempts: int, repeatable: bool, most: int, jitter: float) -> Settlement:
    """What the ledger writes after attempt number `attempts`; `jitter` is random, 0 to 1.

    `repeatable` channels recognize a repeated message, so a lost one may be sent again; on the others a person
    decides, because nobody else can see whether it arrived.
    """
    if outcome.ending == "sent":
        return Settlement("sent")
    if outcome.ending == "refused":
        return Settlement("failed", outcome.reason)
    if outcome.ending == "unconfirmed" and not repeatable:
        return Settlement("unknown", outcome.reason)
    if attempts >= most:
        return Settlement("failed", f"{outcome.reason} (given up after {attempts} attempts)")
    return Settlement("waiting", outcome.reason, backoff(attempts, outcome.after, jitter))


def backoff(attempts: int, retry_after: float | None, jitter: float) -> float:
    """Seconds before the next attempt: 5 s, doubled each time up to an hour, of that half to all; or `retry_after`."""
    seconds = backoff_seconds(attempts, jitter, initial=INITIAL_BACKOFF, maximum=MAX_BACKOFF)
    return max(seconds, min(retry_after or 0.0, MAX_RETRY_AFTER))
