"""Slack: said once, tried again where it certainly did not arrive, left to a person where nobody knows."""

from __future__ import annotations

import pytest

from operations.services import Services
from resources.notifications.slack import Slack
from tests.resources.notifications.conftest import Put, Rounds
from tests.stand_ins.faults import Fault
from tests.stand_ins.notice_receivers import SlackServer


@pytest.fixture
def outbox(services: Services, slack: SlackServer) -> Rounds:
    return Rounds(services, slack=Slack(slack.url, seconds=5))


def test_a_message_is_said_once_with_its_subject(outbox: Rounds, put: Put, slack: SlackServer):
    notice = put("slack", "보험료.xlsx 처리 완료", subject="문서 완료")
    assert outbox.round() == {"sent": 1}
    assert slack.shown == ["*문서 완료*\n보험료.xlsx 처리 완료"]
    assert outbox.again() == {}
    assert outbox.one(notice).state == "sent"


def test_nobody_is_called_by_what_a_file_is_named(outbox: Rounds, put: Put, slack: SlackServer):
    put("slack", "<!channel> & <https://evil.example|click>", subject="<!here> *x*")
    outbox.round()
    assert slack.shown == ["*&lt;!here&gt; ∗x∗*\n&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;"]


def test_too_many_at_once_waits_as_long_as_slack_says_and_so_do_the_others(
    outbox: Rounds, put: Put, slack: SlackServer
):
    first, second = put("slack", "one"), put("slack", "two")
    slack.faults.append(Fault("rate_limit", headers={"Retry-After": "70"}))
    assert outbox.round() == {"waiting": 1}
    assert slack.requests == 1, "the second one does not run into the same refusal"
    for notice in (outbox.one(first), outbox.one(second)):
        assert 60 < (notice.next_attempt_at - notice.created_at).total_seconds() < 80
    assert outbox.again() == {"sent": 2}
    assert sorted(slack.shown) == ["one", "two"]


def test_a_date_that_no_clock_can_show_does_not_turn_a_refusal_into_a_lost_answer(
    outbox: Rounds, put: Put, slack: SlackServer
):
    """Slack certainly did not accept the message, so it is sent again rather than left to a person."""
    put("slack", "one")
    slack.faults.append(Fault("rate_limit", headers={"Retry-After": f"Mon, 1 Jan {'9' * 20} 10:00:00 GMT"}))
    assert outbox.round() == {"waiting": 1}
    assert outbox.again() == {"sent": 1}


def test_slack_that_is_not_available_is_tried_again(outbox: Rounds, put: Put, slack: SlackServer):
    notice = put("slack", "hello")
    slack.faults.append(Fault("unavailable"))
    assert outbox.round() == {"waiting": 1}
    assert outbox.one(notice).error.startswith("Slack answered 503")
    assert outbox.again() == {"sent": 1}
    assert slack.shown == ["hello"]
    assert (outbox.one(notice).attempts, outbox.one(notice).error) == (2, None)


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "server_error", "gateway_timeout", "garbage"])
def test_a_lost_answer_is_for_a_person(outbox: Rounds, put: Put, slack: SlackServer, kind: str):
    """From here nobody can tell whether it was taken before the cut or not: it is never said twice by itself."""
    notice = put("slack", "hello")
    slack.faults.append(Fault(kind))
    assert outbox.round() == {"unknown": 1}
    assert outbox.again() == {}
    assert slack.shown == ["hello"] * (kind in ("reset_after", "garbage"))
    outbox.notices.retry(notice)
    assert outbox.round() == {"sent": 1}
    assert slack.shown[-1] == "hello"


def test_an_answer_that_never_comes_is_lost_and_the_round_ends(services: Services, put: Put, slack: SlackServer):
    outbox = Rounds(services, slack=Slack(slack.url, seconds=0.3))
    notice = put("slack", "hello")
    slack.faults.append(Fault("hang"))
    assert outbox.round() == {"unknown": 1}
    assert "gave no whole answer within 0.3 s" in outbox.one(notice).error


def test_nobody_listening_is_tried_again(services: Services, put: Put, slack: SlackServer):
    """The request never went out, so trying again is safe."""
    notice = put("slack", "hello")
    outbox = Rounds(services, slack=Slack("http://127.0.0.1:1/services/T/B/never-shown-secret"))
    assert outbox.round() == {"waiting": 1}
    assert outbox.one(notice).error == "Slack could not be reached (ConnectError)"
    assert Rounds(services, slack=Slack(slack.url)).again() == {"sent": 1}


@pytest.mark.parametrize(
    ("path", "fault", "message"),
    [
        ("/services/T/B/never-shown-secret", None, "404: no_service; make a new webhook"),
        (None, Fault("redirect"), "307, a redirect, which is not followed"),
    ],
)
def test_what_slack_refuses_fails_at_once_and_its_address_is_not_told(
    services: Services, put: Put, slack: SlackServer, path: str | None, fault: Fault | None, message: str
):
    slack.faults.extend([fault] if fault else [])
    outbox = Rounds(services, slack=Slack(f"{slack.address}{path}" if path else slack.url))
    notice = put("slack", "hello")
    assert outbox.round() == {"failed": 1}
    assert message in outbox.one(notice).error
    assert "never-shown" not in outbox.one(notice).error
    assert "never-shown" not in repr(outbox.channels)
    assert slack.shown == []


def test_after_twelve_attempts_it_is_given_up_with_the_reason(outbox: Rounds, put: Put, slack: SlackServer):
    slack.faults.append(Fault("unavailable", always=True))
    notice = put("slack", "hello")
    ends = [outbox.again() for _ in range(13)]
    assert ends == [{"waiting": 1}] * 11 + [{"failed": 1}, {}]
    assert outbox.one(notice).error == "Slack answered 503: unavailable (given up after 12 attempts)"
