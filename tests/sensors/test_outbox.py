"""The outbox: written before it is sent, sent within a second, never held up, and known about whoever dies when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest

from domain.errors import Conflict, NotFound
from domain.notifications.messages import Channel, NewNotification
from domain.notifications.retry_policy import Settlement
from operations.notifications.delivery import Delivery
from operations.services import Services
from resources.database.locks import LockKind
from resources.ledger.notifications.outbox import Outbox, enqueue
from resources.notifications.channels import NotificationChannel, UnconfiguredChannel
from resources.notifications.slack import Slack
from resources.notifications.webhook import Webhook
from sensors.notifications.outbox import in_background, outbox
from tests.stand_ins.faults import Fault
from tests.stand_ins.notice_receivers import SIGNING_KEY, SlackServer, WebhookReceiver

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with SlackServer() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as server:
        yield server


@pytest.fixture
def notices(services: Services) -> Outbox:
    return services.ledger.outbox


@pytest.fixture
def channels(slack: SlackServer, receiver: WebhookReceiver) -> dict[Channel, NotificationChannel]:
    webhook = Webhook([receiver.address], SIGNING_KEY, private=True, seconds=5)
    return {"slack": Slack(slack.url, seconds=5), "email": UnconfiguredChannel("SMTP_URL"), "webhook": webhook}


def said(
    key: str, channel: Channel = "slack", recipient: str | None = None, organization: str = "acme"
) -> NewNotification:
    return NewNotification(organization, key, channel, recipient, "", f"{key}: 안녕하세요")


def tick(services: Services, channels: dict[Channel, NotificationChannel]) -> str | None:
    with dg.build_sensor_context() as context:
        told = outbox(context, ledger=services.ledger, channels=channels)
    assert isinstance(told, dg.SkipReason)
    return told.skip_message


# -- putting ----------------------------------------------------------------------------------------------------


def test_the_same_key_is_the_same_message(notices: Outbox):
    """An event has one effect, whoever asks for it again; another organization's key is another one."""
    first = notices.enqueue(said("event-1"))
    assert notices.enqueue(said("event-1", "webhook", "https://a.example")) == first
    other = notices.enqueue(said("event-1", organization="beta"))
    assert other != first
    assert [notice.notification_id for notice in notices.list_all()] == [other, first]
    assert notices.get(first).channel == "slack"


def test_it_is_there_with_the_transaction_that_it_tells_of_or_not_at_all(services: Services, notices: Outbox):
    with suppress(KeyError), services.database.transaction() as connection:
        enqueue(connection, [said("one"), said("two")])
        raise KeyError
    assert notices.list_all() == []
    with services.database.transaction() as connection:
        enqueue(connection, [said("one"), said("two"), said("one")])
    assert len(notices.list_all()) == 2


def test_what_no_text_column_holds_is_kept_in_values(services: Services, notices: Outbox):
    notice = NewNotification("acme", "k", "webhook", "https://a.example", "", "m", {"a": "\x00\ud800", "n": 1.5})
    assert notices.get(notices.enqueue(notice)).values == {"a": "\x00\ud800", "n": 1.5}


# -- sending ----------------------------------------------------------------------------------------------------


def test_a_tick_sends_what_is_due(services: Services, channels: dict[Channel, NotificationChannel], slack: SlackServer):
    services.ledger.outbox.enqueue(said("one"))
    services.ledger.outbox.enqueue(said("two"))
    assert tick(services, channels) == "messages: 2 sent"
    assert slack.shown == ["one: 안녕하세요", "two: 안녕하세요"]


def test_a_waiting_tick_wakes_up_at_the_message(notices: Outbox):
    """A long poll: it returns at the NOTIFY that comes with the message."""
    listening, done = threading.Event(), threading.Event()
    looked = notices.is_due

    def is_due() -> bool:
        found = looked()
        listening.set()
        return found

    notices.is_due = is_due  # type: ignore[method-assign]

    def wait() -> None:
        notices.wait_for_notification(60, poll_interval=60)
        done.set()

    threading.Thread(target=wait, daemon=True).start()
    assert listening.wait(10)
    assert not done.is_set()
    notices.enqueue(said("one"))
    assert done.wait(10)


def test_what_time_makes_due_is_seen_without_being_announced(services: Services, notices: Outbox):
    notices.enqueue(said("one"))
    with services.database.transaction() as connection:
        connection.execute("UPDATE notifications SET next_attempt_at = now() + interval '0.2 s'")
    assert not notices.is_due()
    notices.wait_for_notification(60, poll_interval=0.05)
    assert notices.is_due()


def test_a_slow_channel_holds_up_neither_the_tick_nor_the_others(
    services: Services, channels: dict[Channel, NotificationChannel], slack: SlackServer, receiver: WebhookReceiver
):
    """The tick leaves what hangs behind; it is settled all the same, and nobody takes its sender for dead."""
    notices = services.ledger.outbox
    slack.faults.append(Fault("hang"))
    stuck, quick = notices.enqueue(said("slow")), notices.enqueue(said("quick", "webhook", receiver.url))
    channels["slack"] = Slack(slack.url, seconds=2)
    delivery = Delivery(notices, channels, 5)
    assert not in_background(delivery, 1)
    assert notices.get(quick).state == "sent"
    assert notices.get(stuck).state == "sending"
    assert notices.find_orphaned() == []
    for thread in threading.enumerate():
        if thread.name == "outbox":
            thread.join(20)
    assert notices.get(stuck).state == "unknown"


def test_two_senders_never_take_the_same_message(
    notices: Outbox, channels: dict[Channel, NotificationChannel], slack: SlackServer
):
    for number in range(20):
        notices.enqueue(said(f"m{number}"))
    rounds = [Delivery(notices, channels, 30) for _ in range(3)]
    threads = [threading.Thread(target=delivery.run) for delivery in rounds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum((delivery.ended["sent"] for delivery in rounds), 0) == 20
    assert sorted(slack.shown) == sorted(f"m{number}: 안녕하세요" for number in range(20))


def test_a_message_that_breaks_its_channel_holds_up_no_other(
    services: Services, channels: dict[Channel, NotificationChannel], receiver: WebhookReceiver
):
    class Broken(UnconfiguredChannel):
        def send(self, _: object) -> object:  # type: ignore[override]
            raise ZeroDivisionError("never shown")

    notices = services.ledger.outbox
    broken, fine = notices.enqueue(said("one")), notices.enqueue(said("two", "webhook", receiver.url))
    tick(services, channels | {"slack": Broken("", repeatable=False)})
    assert (notices.get(broken).state, notices.get(fine).state) == ("unknown", "sent")
    assert "never shown" not in str(notices.get(broken).error)


# -- dying ------------------------------------------------------------------------------------------------------

SENDER = """
import os, signal, sys
from resources.database.connections import Database
from resources.ledger.notifications.outbox import Outbox
from resources.notifications.channels import UnconfiguredChannel
from operations.notifications.delivery import Delivery
from resources.notifications.slack import Slack
from resources.notifications.webhook import Webhook
url, slack, hook, key, moment = sys.argv[1:]
notices = Outbox(Database(url))
def dying(send):
    def sent(notice):
        if moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        send(notice)
        os.kill(os.getpid(), signal.SIGKILL)
    return sent
class Dying:
    def __init__(self, real): self.real, self.repeatable, self.concurrency = real, real.repeatable, 1
    def send(self, notice): return dying(self.real.send)(notice)
channels = {"slack": Dying(Slack(slack)), "webhook": Dying(Webhook([hook], key, private=True))}
Delivery(notices, {name: channels[name] for name in (["slack"] if slack else ["webhook"])}, 30).run()
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("channel", ["slack", "webhook"])
def test_a_sender_that_is_killed_between_sending_and_writing_so_down(
    services: Services,
    channels: dict[Channel, NotificationChannel],
    slack: SlackServer,
    receiver: WebhookReceiver,
    channel: Channel,
    moment: str,
):
    """kill -9 in a process of its own. Slack would show it twice: a person decides. An app knows it again."""
    notices = services.ledger.outbox
    notice = notices.enqueue(said("once", channel, receiver.url if channel == "webhook" else None))
    asked = [services.database.url, slack.url if channel == "slack" else "", receiver.address, SIGNING_KEY, moment]
    done = subprocess.run(
        [sys.executable, "-c", SENDER, *asked],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert notices.get(notice).state == "sending"
    arrived = len(slack.shown) + len(receiver.taken)
    assert arrived == (moment == "after")

    with services.database.lock(
        LockKind.SENDER, str(notices.get(notice).sender_lock)
    ):  # free a moment after the sender's death
        pass
    Delivery(notices, channels, 0, jitter=lambda: 0).fail_orphaned()
    state = {"slack": "unknown", "webhook": "waiting"}[channel]
    assert (notices.get(notice).state, notices.get(notice).error) == (
        state,
        "The process that was sending it died before it could record the result",
    )
    with services.database.transaction() as connection:
        connection.execute("UPDATE notifications SET next_attempt_at = now() WHERE state = 'waiting'")
    Delivery(notices, channels, 30).run()
    if channel == "slack":
        assert len(slack.shown) == arrived
    else:
        assert (len(receiver.taken), notices.get(notice).state) == (1, "sent")


def test_a_sender_taken_for_dead_may_still_tell_that_it_arrived(services: Services, notices: Outbox):
    """Its connection broke, not its process: the answer came after it was written off."""
    notice = notices.enqueue(said("one"))
    with notices.sending() as sender:
        claimed = notices.claim("slack", sender)
    assert claimed is not None
    assert [forsaken.notification_id for forsaken in notices.find_orphaned()] == [notice]
    assert notices.record_outcome(claimed, Settlement("unknown", "lost"))
    assert notices.record_outcome(claimed, Settlement("sent"))
    assert notices.get(notice).state == "sent"
    assert not notices.record_outcome(claimed, Settlement("failed", "late"))


def test_a_late_word_does_not_touch_what_a_person_sent_anew(notices: Outbox):
    notice = notices.enqueue(said("one"))
    with notices.sending() as sender:
        claimed = notices.claim("slack", sender)
    assert claimed is not None
    notices.record_outcome(claimed, Settlement("unknown", "lost"))
    notices.retry(notice)
    assert not notices.record_outcome(claimed, Settlement("failed", "late"))
    assert notices.get(notice).state == "waiting"


def test_a_late_word_of_one_attempt_does_not_touch_the_next_of_the_same_sender(notices: Outbox):
    """It was taken for dead, and was not: written as lost now, the message would go out beside the one in hand."""
    notice = notices.enqueue(said("one"))
    with notices.sending() as sender:
        first = notices.claim("slack", sender)
        assert first is not None
        notices.record_outcome(first, Settlement("waiting", "busy"))
        assert notices.claim("slack", sender) is not None
        assert not notices.record_outcome(first, Settlement("waiting", "lost"))
        assert notices.get(notice).state == "sending"


def test_a_recipient_that_hangs_holds_up_no_other(notices: Outbox):
    """One message at a time for each recipient: else those for one that hangs would take all places."""
    ids = [notices.enqueue(said(f"{n}", "webhook", f"https://{who}.example")) for n, who in enumerate("aab")]
    with notices.sending() as sender:
        taken = [notices.claim("webhook", sender) for _ in ids]
        assert [one and one.notification_id for one in taken] == [ids[0], ids[2], None]
        assert taken[0] is not None
        notices.record_outcome(taken[0], Settlement("sent"))
        following = notices.claim("webhook", sender)
        assert following is not None
        assert following.notification_id == ids[1]


# -- asking -----------------------------------------------------------------------------------------------------


def test_only_what_failed_or_is_unknown_is_sent_anew(notices: Outbox):
    notice = notices.enqueue(said("one"))
    with pytest.raises(Conflict, match="is waiting"):
        notices.retry(notice)
    with pytest.raises(NotFound):
        notices.retry("ntc_none")
    with pytest.raises(NotFound):
        notices.get(notice, "beta")
    with pytest.raises(NotFound):
        notices.retry(notice, "beta")


def test_they_are_counted_and_listed_in_pages(notices: Outbox):
    ids = [notices.enqueue(said(f"m{number}")) for number in range(5)]
    page = notices.list_all("acme", limit=2)
    assert [notice.notification_id for notice in page] == ids[:2:-1]
    assert [notice.notification_id for notice in notices.list_all("acme", before=page[-1].notification_id)] == ids[
        2::-1
    ]
    assert notices.list_all("acme", "failed") == []
    assert notices.list_all("beta") == []
    assert notices.counts() == {("slack", "waiting"): 5}


def test_what_was_settled_long_ago_is_forgotten_and_what_waits_is_not(services: Services, notices: Outbox):
    old, waiting, new = notices.enqueue(said("old")), notices.enqueue(said("waiting")), notices.enqueue(said("new"))
    with services.database.transaction() as connection:
        connection.execute(
            "UPDATE notifications SET state = 'sent', finished_at = now() - interval '31 days' WHERE notification_id "
            "= %s",
            (old,),
        )
        connection.execute(
            "UPDATE notifications SET created_at = now() - interval '99 days' WHERE notification_id = %s", (waiting,)
        )
        connection.execute(
            "UPDATE notifications SET state = 'sent', finished_at = now() WHERE notification_id = %s", (new,)
        )
    assert notices.forget(30, dry_run=True) == 1
    assert len(notices.list_all()) == 3
    assert notices.forget(30) == 1
    assert [notice.notification_id for notice in notices.list_all()] == [new, waiting]


def test_a_wait_is_ended_from_outside_although_nothing_came(services: Services):
    """`rowline dev` goes down at once: the daemon waits for its sensors, and this one listens."""
    notices, listening, done = services.ledger.outbox, threading.Event(), threading.Event()
    looked = notices.is_due
    notices.is_due = lambda: (looked(), listening.set())[0]  # type: ignore[method-assign,misc]

    def wait() -> None:
        notices.wait_for_notification(60, poll_interval=60)
        done.set()

    threading.Thread(target=wait, daemon=True).start()
    assert listening.wait(10)
    services.ledger.wake_waiting()
    assert done.wait(10)
