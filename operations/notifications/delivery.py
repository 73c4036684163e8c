"""Delivery: due messages are sent, all channels at once; each is committed as being sent before it is."""

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

MAX_ATTEMPTS = 12  # about two and a half hours
Jitter = Callable[[], float]


class Delivery:
    """One round: what is due when it begins and until `seconds` are over."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[Channel, NotificationChannel],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.random,
    ) -> None:
        self._outbox, self._channels, self._jitter, self._clock = outbox, channels, jitter, clock
        self._ends = clock() + seconds
        self._lock = threading.Lock()
        self.ended: Counter[str] = Counter()
        self.errors: list[str] = []

    def fail_orphaned(self) -> None:
        """Messages whose sender died count as sent without an answer."""
        for message in self._outbox.find_orphaned():
            self._record(message, Outcome("unconfirmed", SENDER_DIED))

    def run(self) -> None:
        """Send what is due. Returns if nothing is, or time is up; what is being sent then is finished first."""
        with self._outbox.sending() as sender:
            workers = [name for name, channel in self._channels.items() for _ in range(channel.concurrency)]
            with ThreadPoolExecutor(len(workers), "outbox") as pool:
                list(pool.map(partial(self._work, sender), workers))

    def _work(self, sender: str, channel: Channel) -> None:
        """Send the messages of a channel one by one. An error of the ledger ends the round, not the process."""
        try:
            while self._clock() < self._ends and (message := self._outbox.claim(channel, sender)):
                self._record(message, self._send(message))
        except RowlineError as error:
            with self._lock:
                self.errors.append(str(error))

    def _send(self, message: Notification) -> Outcome:
        try:
            return self._channels[message.channel].send(message)
        except Exception as error:  # noqa: BLE001 – the boundary: a message that breaks its channel holds up no other
            return Outcome("unconfirmed", f"Sending it broke ({type(error).__name__}); this is a defect of Rowline")

    def _record(self, message: Notification, outcome: Outcome) -> Settlement:
        repeatable = self._channels[message.channel].repeatable
        after = settle_outcome(outcome, message.attempts, repeatable, MAX_ATTEMPTS, self._jitter())
        if self._outbox.record_outcome(message, after):
            with self._lock:
                self.ended[after.state] += 1
        if outcome.ending == "retryable" and outcome.after:
            self._outbox.defer_recipient(message, after.pause)
        return after
