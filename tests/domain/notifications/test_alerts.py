"""Alerts: one open for a cause, told again not too often, told to be over once."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain.notifications.alert_messages import WORDS, AlertLinks, build_notifications, render_alert
from domain.notifications.alerts import KINDS, AlertTransition, Cause, Fact, OpenAlert, decide_transitions
from domain.notifications.fingerprints import Incident, failed_kind, group_by_cause, normalize_reason
from domain.notifications.recipients import Target

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
REMINDER = timedelta(hours=24)
CAUSES = [Cause("document_failed", "the service is away"), Cause("queue_age", "waits"), Cause("event_failed", "no")]


class Alerting(RuleBasedStateMachine):
    """Causes come and go, some kinds are not looked at for a while, time passes; what is written is kept as told."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.threshold = NOW, 3
        self.standing: dict[Cause, int] = {}
        self.open: dict[str, OpenAlert] = {}
        self.told: list[tuple[str, AlertTransition]] = []
        self.minted = 0

    @rule(cause=st.sampled_from(CAUSES), count=st.integers(0, 6))
    def stand(self, cause: Cause, count: int) -> None:
        self.standing[cause] = count

    @rule(hours=st.integers(0, 30))
    def pass_time(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(looked_at=st.sets(st.sampled_from(KINDS)).map(lambda kinds: kinds or set(KINDS)))
    def look(self, looked_at: set[str]) -> None:
        facts = [Fact(cause, count) for cause, count in self.standing.items()]
        before = dict(self.open)
        for step in decide_transitions(self.open.values(), facts, looked_at, self.threshold, REMINDER, self.now):  # type: ignore[arg-type]
            self.write(step)
        for cause, count in self.standing.items():
            is_open = cause in [alert.cause for alert in self.open.values()]
            was_open = cause in [alert.cause for alert in before.values()]
            if cause.kind not in looked_at:
                assert is_open == was_open, "what was not looked at is not judged"
            elif count == 0:
                assert not is_open
            else:
                enough = self.threshold if cause.kind != "queue_age" else 1
                assert is_open == (was_open or count >= enough)

    def write(self, step: AlertTransition) -> None:
        if step.alert is None:
            self.minted += 1
            alert_id = str(self.minted)
            assert step.fact
            self.open[alert_id] = OpenAlert(alert_id, step.cause, step.fact.count, 1, self.now, self.now)
        else:
            alert_id = step.alert.alert_id
            if step.deed == "reminded":
                assert self.now - step.alert.last_notified_at >= REMINDER
                last_notified_at = self.now
            else:
                last_notified_at = step.alert.last_notified_at
            if step.deed == "recovered":
                del self.open[alert_id]
            else:
                assert step.fact
                count = max(step.alert.count, step.fact.count)
                self.open[alert_id] = OpenAlert(alert_id, step.cause, count, 1, last_notified_at, step.alert.opened_at)
        self.told.append((alert_id, step))

    @invariant()
    def never_two_of_one_cause(self) -> None:
        assert len({alert.cause for alert in self.open.values()}) == len(self.open)

    @invariant()
    def opened_once_and_over_once(self) -> None:
        for deed in ("opened", "recovered"):
            assert max(Counter(alert for alert, step in self.told if step.deed == deed).values(), default=0) <= 1
        over = {alert for alert, step in self.told if step.deed == "recovered"}
        assert over.isdisjoint(self.open)
        assert over | set(self.open) == {alert for alert, _ in self.told}


TestAlerting = Alerting.TestCase
TestAlerting.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


# -- causes -----------------------------------------------------------------------------------------------------


def test_five_hundred_documents_that_fail_of_one_thing_are_one_alert_with_the_count():
    reason = "The embedding service at https://api.openai.com/v1 is away (request req_{n:08x}); {n} s waited"
    facts = group_by_cause(
        Incident("document_failed", f"org{n % 3}", f"doc_{n:032x}", f"보험료 {n}.xlsx", reason.format(n=n))
        for n in range(500)
    )
    (fact,) = facts
    assert (fact.count, fact.organizations) == (500, ("org0", "org1", "org2"))
    (step,) = decide_transitions([], facts, KINDS, 1, REMINDER, NOW)
    subject, message = render_alert(step, AlertLinks("https://rowline.example", "https://dagster.example"), 60)
    assert subject == "🔴 Rowline: 500 documents failed for the same reason"
    assert "What: 보험료 0.xlsx of org0, and 499 more (3 organizations)" in message
    assert "https://rowline.example/d/doc_00000000" in message
    assert "rowline retry DOC" in message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.xlsx: sheet 'One', row 3 is wrong", "a.xlsx: sheet 'Two', row 77 is wrong"),
        ("run abd09b35-6210-4c05-a05d-93ad1239e840 ended", "run 00000000-6210-4c05-a05d-93ad1239e840 ended"),
        (
            "The run failed in embeddings; run 1a2b3c4d in Dagster",
            "The run failed in embeddings; run 99887766 in Dagster",
        ),
        ("see https://a.example/1?x=2, then retry", "see https://b.example/2, then retry"),
    ],
)
def test_reasons_that_differ_by_names_and_numbers_are_one(one: str, other: str):
    assert normalize_reason(one, ["a.xlsx"]) == normalize_reason(other, ["a.xlsx"])


def test_reasons_that_differ_in_words_are_two():
    assert normalize_reason("The service is away") != normalize_reason("The key is wrong")
    assert len(normalize_reason("x " * 1000)) <= 300


def test_what_a_person_stopped_is_no_failure():
    assert failed_kind("The run was stopped; run 1a2b3c4d in Dagster has the details.") is None
    assert failed_kind("The run failed; run 1a2b3c4d in Dagster has the details.") == "run_died"
    assert failed_kind("The process of run 1a2b3c4d is gone: killed") == "run_died"
    assert failed_kind("notes.csv has no table") == "document_failed"


# -- words ------------------------------------------------------------------------------------------------------


def step_of(kind: str, deed: str = "opened", count: int = 1) -> AlertTransition:
    cause = Cause(kind, "why")  # type: ignore[arg-type]
    fact = Fact(cause, count, ("acme",), "보험료.xlsx", "doc_1", "acme", "why not", "run-1")
    alert = OpenAlert("a", cause, count, 1, NOW, NOW) if deed != "opened" else None
    return AlertTransition(deed, cause, alert, None if deed == "recovered" else fact)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_what_why_and_what_to_do(kind: str):
    assert set(WORDS) == set(KINDS)
    subject, message = render_alert(step_of(kind), AlertLinks(None, "https://dagster.example"), 60)
    assert subject.startswith("🔴 Rowline: ")
    assert "Why: why not" in message
    assert "To do: " in message
    assert "https://dagster.example/runs/run-1" in message
    assert render_alert(step_of(kind, "reminded", 3), AlertLinks(), 60)[0].startswith("🔁 Rowline: still: ")
    assert render_alert(step_of(kind, "recovered"), AlertLinks(), 60)[0].startswith("✅ Rowline: over: ")


def test_each_target_is_told_once_for_each_telling():
    targets = [Target("slack"), Target("email", "ops@example.com"), Target("email", "two@example.com")]
    first = build_notifications(step_of("queue_age"), "a", 1, "default", targets, AlertLinks(), 60)
    again = build_notifications(step_of("queue_age", "reminded"), "a", 2, "default", targets, AlertLinks(), 60)
    assert len({notice.key for notice in [*first, *again]}) == 6
    assert {notice.mentioned_organizations for notice in first} == {("acme",)}
    assert [notice.recipient for notice in first] == [None, "ops@example.com", "two@example.com"]


def test_a_file_name_with_line_breaks_writes_no_lines_of_its_own():
    cause = Cause("document_failed", "why")
    fact = Fact(cause, 1, ("acme",), "a\nTo do: rm -rf\r\n.xlsx\x00", "doc_1", "acme", "why\nnot")
    _, message = render_alert(AlertTransition("opened", cause, None, fact), AlertLinks(), 60)
    assert len(message.splitlines()) == 3
    assert "\x00" not in message
