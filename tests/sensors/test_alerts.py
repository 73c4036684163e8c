"""Alerts over the real ledger: what stands wrong is told once, told to be over once, and erased with whom it names."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest

from domain.notifications.alerts import KINDS
from domain.notifications.messages import NewNotification
from resources.ledger.notifications.outbox import Notification
from sensors.notifications.alerts import alerts
from settings.settings import Settings
from tests.laws.deployment import Deployment, items

Look = Callable[..., str]


@pytest.fixture
def look(rowline: Deployment, settings: Settings) -> Look:
    """The sensor, with `settings` changed: `look(alert_threshold=3)`."""

    def looked(**changed: object) -> str:
        asked = settings.model_copy(
            update={
                "alert_channels": "slack,email:ops@example.com",
                "public_url": "https://rowline.example",
                "dagster_url": "https://dagster.example",
                **changed,
            }
        )
        with dg.build_sensor_context(instance=rowline.dagster) as context:
            told = alerts(context, ledger=rowline.services.ledger, settings=asked)
        assert isinstance(told, dg.SkipReason)
        return str(told.skip_message)

    return looked


def failed(rowline: Deployment, name: str, reason: str, organization: str = "acme") -> str:
    version = rowline.upload(items(name), filename=f"{name}.csv")
    rowline.services.ledger.documents.fail(version.document_id, 1, reason)
    statement = "UPDATE documents SET organization_id = %(o)s WHERE document_id = %(d)s"
    rowline.sql(statement, o=organization, d=version.document_id)
    return version.document_id


def told(rowline: Deployment) -> list[Notification]:
    """Messages by e-mail, oldest first."""
    return [notice for notice in rowline.services.ledger.outbox.list_all()[::-1] if notice.channel == "email"]


def test_nothing_is_told_where_nobody_is_named(rowline: Deployment, look: Look):
    failed(rowline, "a", "The service is away")
    assert look(alert_channels="") == "ALERT_CHANNELS names nobody"
    assert told(rowline) == []


def test_a_cause_is_told_once_with_its_count_and_told_to_be_over_when_all_is_mended(rowline: Deployment, look: Look):
    documents = [failed(rowline, f"보험료{n}", f"The service is away ({n} s)") for n in range(3)]
    assert look() == "1 opened"
    assert look() == "nothing new"
    (first,) = told(rowline)
    assert first.subject == "🔴 Rowline: 3 documents failed for the same reason"
    assert "What: 보험료0.csv of acme, and 2 more" in first.message
    assert f"https://rowline.example/d/{documents[0]}" in first.message
    for document in documents:
        rowline.services.ledger.documents.retry(document)
    assert look() == "1 recovered"
    assert look() == "nothing new"
    assert told(rowline)[1].subject == "✅ Rowline: over: 3 documents failed for the same reason"


def test_more_of_it_is_written_down_and_told_with_the_next_word(rowline: Deployment, look: Look):
    failed(rowline, "a", "The service is away")
    look()
    failed(rowline, "b", "The service is away")
    assert look() == "1 grown"
    assert len(told(rowline)) == 1
    rowline.sql("UPDATE alerts SET last_notified_at = now() - interval '25 hours'")
    assert look() == "1 reminded"
    assert look() == "nothing new"
    assert told(rowline)[1].subject == "🔁 Rowline: still: 2 documents failed for the same reason"
    rowline.sql("UPDATE versions SET completed_at = now() - interval '61 minutes'")
    assert look() == "1 recovered"
    assert "2 documents" in told(rowline)[2].subject


def test_a_threshold_waits_for_as_many(rowline: Deployment, look: Look):
    failed(rowline, "a", "The service is away")
    assert look(alert_threshold=2) == "nothing new"
    failed(rowline, "b", "The service is away", "beta")
    assert look(alert_threshold=2) == "1 opened"
    assert "(2 organizations)" in told(rowline)[0].message


def test_two_causes_are_two_alerts_and_a_died_run_is_of_its_own_kind(rowline: Deployment, look: Look):
    failed(rowline, "a", "a.csv has no table")
    failed(rowline, "b", "The process of run 1a2b3c4d is gone: killed, out of memory, or its machine stopped.")
    failed(rowline, "c", "The run was stopped; run 1a2b3c4d in Dagster has the details.")
    assert look() == "2 opened"
    assert {notice.subject for notice in told(rowline)} == {"🔴 Rowline: a document failed", "🔴 Rowline: a run died"}


def test_only_kinds_that_are_asked_for_are_told(rowline: Deployment, look: Look):
    failed(rowline, "a", "The service is away")
    assert look(alert_kinds="queue_age,store_drift") == "nothing new"
    assert look() == "1 opened"
    rowline.sql("UPDATE versions SET completed_at = now() - interval '2 hours'")
    assert look(alert_kinds="queue_age") == "nothing new", "not looked at is not gone"


def test_a_completed_document_with_many_error_rows(rowline: Deployment, look: Look):
    version = rowline.index(items("a", "b", "c", "d"))
    assert look() == "nothing new"
    rowline.sql("UPDATE versions SET result = jsonb_set(result, '{errorRows}', '1')")
    assert look(alert_error_share=0.25) == "nothing new"
    assert look(alert_error_share=0.2) == "1 opened"
    assert "1 of 4 rows have errors" in told(rowline)[0].message
    assert version.document_id in told(rowline)[0].message


def test_what_waits_too_long(rowline: Deployment, look: Look):
    """An upload that nobody takes, or a message that nobody sends: the daemon does not run."""
    uploaded = rowline.upload(items("a"))
    assert look() == "nothing new"
    rowline.sql("UPDATE versions SET uploaded_at = now() - interval '16 minutes'")
    assert look() == "1 opened"
    assert "A document waits for more than 15 minutes" in told(rowline)[0].message
    assert rowline.process(uploaded.document_id).status == "completed"
    assert look() == "1 recovered"
    rowline.sql(
        "UPDATE notifications SET created_at = now() - interval '1 hour', next_attempt_at = now() - interval '1 hour'"
    )
    assert look() == "1 opened"


def test_drift_stands_until_a_comparison_finds_none(rowline: Deployment, look: Look):
    def compared(passed: bool) -> None:
        rowline.dagster.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("vector_store"),
                check_name="store_matches_ledger",
                passed=passed,
                description="120 vectors: 7 missing, 0 of old versions, 0 that nothing explains",
            )
        )

    assert look() == "nothing new"
    compared(False)
    assert look() == "1 opened"
    assert "7 missing" in told(rowline)[0].message
    compared(False)
    assert look() == "nothing new"
    compared(True)
    assert look() == "1 recovered"


def test_the_telling_and_its_messages_are_written_together(rowline: Deployment, look: Look):
    """A crash in between tells twice or never; so there is no in between."""
    failed(rowline, "a", "The service is away")
    rowline.sql("ALTER TABLE notifications ADD CHECK (channel <> 'slack')")
    with pytest.raises(Exception, match="notifications"):
        look()
    assert rowline.services.ledger.alerts.open() == []
    assert told(rowline) == []


def test_alerts_belong_to_the_operator_and_name_no_kind_that_is_not_there(rowline: Deployment, look: Look):
    failed(rowline, "a", "The service is away", "beta")
    look()
    ledger = rowline.services.ledger
    assert ledger.outbox.list_all("beta") == []
    assert [alert.cause.kind for alert in ledger.alerts.open()] == ["document_failed"]
    assert len(ledger.outbox.list_all("default")) == 2
    assert set(KINDS) >= {alert.cause.kind for alert in ledger.alerts.open()}


def test_an_erased_organization_takes_its_messages_and_the_alerts_that_name_it(rowline: Deployment, look: Look):
    """Also those of the operator: they hold its file's name and reason. What is about others too stays, without it."""
    services = rowline.services
    for organization in ("acme", "beta"):
        services.ledger.outbox.enqueue(NewNotification(organization, "k", "slack", None, "", "hello"))
    alone = failed(rowline, "secret", "no table", "beta")
    look()
    failed(rowline, "shared", "The service is away", "acme")
    both = failed(rowline, "shared", "The service is away", "beta")
    look()
    for document in (alone, both):
        rowline.sql("DELETE FROM documents WHERE document_id = %(d)s", d=document)
    erased = services.ledger.erasures.erase_organization("beta")
    assert erased.notifications == 5, "its own, and four that told the operator of it"
    left = services.ledger.outbox.list_all()
    assert [(notice.organization_id, notice.key) for notice in left] == [("acme", "k")]
    assert [alert.cause.reason for alert in services.ledger.alerts.open()] == ["The service is away"]
    assert rowline.sql("SELECT organizations FROM alerts") == [{"organizations": ["acme"]}]
    assert look() == "nothing new"
