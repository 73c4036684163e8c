"""Delivery: due messages go out, channel beside channel, each committed as being sent before anything leaves us."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from domain.errors import RowlineError
from domain.notifications.messages import Channel
from domain.notifications.retry_policy import SENDER_DIED, Outcome, Settlement, settle_outcome
from resources.ledger.notifications.outbox import Notification, Outbox
from resources.notifications.channels import NotificationChannel

MOST_ATTEMPTS = 12  # about two and a half hours
Jitter = Callable[[], float]


class Delivery:
    """One round: what is due when it begins and until `seconds` are over."""

    def __init__(
        self,
        notices: Outbox,
        channels: Mapping[Channel, NotificationChannel],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.random,
    ) -> None:
        self._notices, self._channels, self._jitter, self._clock = notices, channels, jitter, clock
        self._ends = clock() + seconds
        self._lock = threading.Lock()
        self.ended: Counter[str] = Counter()
        self.troubles: list[str] = []

    def settle_forsaken(self) -> None:
        """What a dead sender had in hand counts as an answer that was lost."""
        for notice in self._notices.find_orphaned():
            self._settle(notice, Outcome("unconfirmed", SENDER_DIED))

    def run(self) -> None:
        """Send what is due. Returns when nothing is, or time is up; what is under way then is finished first."""
        with self._notices.sending() as sender:
            places = [name for name, carrier in self._channels.items() for _ in range(carrier.concurrency)]
            with ThreadPoolExecutor(len(places), "outbox") as pool:
                list(pool.map(partial(self._work, sender), places))

    def _work(self, sender: str, channel: Channel) -> None:
        """Send one message after the other of a channel. A ledger that is away ends the round, not the process."""
        try:
            while self._clock() < self._ends and (notice := self._notices.claim(channel, sender)):
                self._settle(notice, self._sent(notice))
        except RowlineError as error:
            with self._lock:
                self.troubles.append(str(error))

    def _sent(self, notice: Notification) -> Outcome:
        try:
            return self._channels[notice.channel].send(notice)
        except Exception as error:  # noqa: BLE001 – the boundary: a message that breaks its channel holds up no other
            return Outcome("unconfirmed", f"Sending it broke ({type(error).__name__}); this is a defect of Rowline")

    def _settle(self, notice: Notification, outcome: Outcome) -> Settlement:
        repeatable = self._channels[notice.channel].repeatable
        after = settle_outcome(outcome, notice.attempts, repeatable, MOST_ATTEMPTS, self._jitter())
        if self._notices.record_outcome(notice, after):
            with self._lock:
                self.ended[after.state] += 1
        if outcome.ending == "retryable" and outcome.after:
            self._notices.defer_recipient(notice, after.pause)
        return after
