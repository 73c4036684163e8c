"""Erasure reaches what apps sent: events, messages, alerts, keys and sessions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.access.api_keys import mint_key
from domain.documents.employees import Employee
from domain.notifications.messages import NewNotification
from operations.events.intake import ingest_events
from operations.services import Services
from tests.laws.deployment import Deployment, items, template
from tests.laws.erasing import erase_acme, forget_employee, split, text_of_everything

NOW = datetime(2030, 1, 1, tzinfo=UTC)  # every upload of a test is older than an hour
STAFF = template(employeeIdentifier="no", embeddingTemplate="{{task}}", metadataFields=["no"])
TABLE = [["no", "task"], ["E1", "weld secretly"], ["E2", "saw"], ["E1", "paint"], ["E9", "nobody knows"]]


def sign_in(services: Services, organization: str, employee: str | None = None) -> str:
    """A key with a session; its id."""
    made = mint_key()
    services.ledger.api_keys.put(made, organization, "a person", frozenset({"search"}), employee)
    services.ledger.api_keys.open_session(f"session of {made.key_id}", made.key_id, timedelta(hours=1))
    return made.key_id


def send(services: Services, organization: str, **data: Any) -> None:
    ingest_events(
        services.ledger, organization, json.dumps({"name": "invoice/paid", "id": organization, "data": data}).encode()
    )


def test_nothing_of_an_organization_is_left_in_events_messages_alerts_keys_and_sessions(rowline: Deployment):
    services = rowline.services
    for organization in ("acme", "rival"):
        rowline.index(items("anvil"), organization=organization)
        sign_in(services, organization)
        send(services, organization, about=f"a secret of {organization}")
        services.ledger.outbox.enqueue(NewNotification(organization, "k", "slack", None, "", f"hello {organization}"))
        services.ledger.outbox.enqueue(
            NewNotification(
                "operator",
                organization,
                "slack",
                None,
                "",
                f"{organization} failed",
                mentioned_organizations=(organization,),
            )
        )
        rowline.sql(
            "INSERT INTO alerts (alert_id, cause, kind, reason, organizations, count, last_notified_at, opened_at) "
            "VALUES "
            "(%(id)s, %(id)s, 'document_failed', %(reason)s, ARRAY[%(org)s], 1, now(), now())",
            id=f"alert of {organization}",
            reason=f"{organization}.csv: no table",
            org=organization,
        )
    receipt = erase_acme(rowline)
    assert (receipt.events_deleted, receipt.notices_deleted) == (1, 2)
    assert "acme" not in text_of_everything(rowline)
    counts = {
        t: len(rowline.sql(f"SELECT 1 FROM {t}"))
        for t in ("events", "event_idempotency_keys", "keys", "sessions", "alerts")
    }
    assert counts == {"events": 1, "event_idempotency_keys": 1, "keys": 1, "sessions": 1, "alerts": 1}
    assert len(rowline.sql("SELECT 1 FROM notifications")) == 2


def test_of_what_apps_sent_that_goes_which_names_the_employee(rowline: Deployment):
    """A value that is their number or their name; what only holds those letters is about something else."""
    split(rowline)
    services = rowline.services
    kept = [("E2", "Name of E2"), ("E11", "E1 and others"), ("weld", "nobody")]
    for number, (who, note) in enumerate([("E1", "sick"), ("x", "Name of E1"), *kept]):
        event = {"name": "leave/asked", "id": f"{number}", "data": {"who": who, "deep": [{"note": note}]}}
        ingest_events(services.ledger, "acme", json.dumps(event).encode())
    send(services, "rival", who="E1")
    for number, text in enumerate(("Name of E1 is ill", "nothing to tell", "E1")):
        services.ledger.outbox.enqueue(NewNotification("acme", f"{number}", "slack", None, "", text, {"who": text}))
    mine, other = sign_in(services, "acme", "E1"), sign_in(services, "acme", "E2")

    receipt = forget_employee(rowline, "E1")
    assert (receipt.events_deleted, receipt.notices_deleted) == (2, 2)
    left = rowline.sql("SELECT organization_id, content FROM events ORDER BY received_at, event_id")
    assert len(left) == len(kept) + 1
    assert [row["message"] for row in rowline.sql("SELECT message FROM notifications")] == ["nothing to tell"]
    assert [row["key_id"] for row in rowline.sql("SELECT key_id FROM keys")] == [other]
    assert [row["key_id"] for row in rowline.sql("SELECT key_id FROM sessions")] == [other]
    assert mine not in text_of_everything(rowline)


def test_a_number_of_json_that_is_the_employees_number_goes_too(rowline: Deployment):
    """Found with {"employeeNumber": 1001}. Counts look the same, so what still waits to be done is left alone."""
    services = rowline.services
    services.ledger.organizations.put_employees("acme", [Employee("1001", "김철수", None), Employee("007", "이", None)])
    theirs = [
        '{"employeeNumber":1001}',
        '{"who":["1001"]}',
        "[0,1001]",
        '{"n":[1, 1001.0 ],"s":"\\"x\\\\"}',
        '{"김":{"no":1001}}',
    ]
    kept = [
        '{"n":[10010,-1001,1001.5,7,11001]}',
        '{"text":"no, 1001, is ill [1001]"}',
        '{"s":"\\",1001,"}',
        '{"n":1001e2}',
    ]
    for data in theirs + kept:
        ingest_events(services.ledger, "acme", f'{{"name":"hr/changed","data":{{"given":{data}}}}}'.encode())
        notice = services.ledger.outbox.enqueue(
            NewNotification("acme", data, "slack", None, "", "m", json.loads(f'{{"v":{data}}}'))
        )
        rowline.sql(
            "UPDATE notifications SET state = 'sent', finished_at = now() WHERE notification_id = %(id)s", id=notice
        )
    waiting = {"documentId": "d", "targetVersion": 1001}
    ingest_events(services.ledger, "acme", json.dumps({"name": "document/rollback", "data": waiting}).encode())
    services.ledger.outbox.enqueue(NewNotification("acme", "waits", "slack", None, "", "m", {"version": 1001}))

    receipt = forget_employee(rowline, "1001")
    assert (receipt.events_deleted, receipt.notices_deleted) == (len(theirs), len(theirs))
    left = [json.loads(row["content"])["data"] for row in rowline.sql("SELECT content FROM events ORDER BY event_id")]
    assert sorted(map(str, left)) == sorted(map(str, [{"given": json.loads(data)} for data in kept] + [waiting]))
    assert {row["key"] for row in rowline.sql("SELECT key FROM notifications")} == {*kept, "waits"}
    assert forget_employee(rowline, "007").events_deleted == 0, "no number is spelt so"


def test_the_run_of_an_event_forgets_what_its_document_forgot(rowline: Deployment):
    """It holds a copy of the result, with the errors of rows."""
    send(rowline.services, "acme", about="nothing")
    version = rowline.services.ledger.documents.latest(split(rowline))
    (event,) = rowline.sql("SELECT event_id FROM events")
    rowline.employees("E9")
    rowline.sql(
        "INSERT INTO function_runs (run_id, organization_id, event_id, function, state, document_id, version, output) "
        "VALUES ('r', 'acme', %(event)s, 'processed_document', 'completed', %(document)s, 2, %(output)s)",
        event=event["event_id"],
        document=version.document_id,
        output=json.dumps({"effect": "done", "result": version.result}),
    )
    assert "employee E9" in str(rowline.sql("SELECT output FROM function_runs"))
    forget_employee(rowline, "E9")
    (run,) = rowline.sql("SELECT output FROM function_runs")
    told = json.loads(run["output"])
    assert told["effect"] == "done"
    assert told["result"] == rowline.services.ledger.documents.latest(version.document_id).result
    assert "employee E9" not in text_of_everything(rowline)
