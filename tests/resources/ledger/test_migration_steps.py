"""Each migration of a filled database: to the schema that is made at once, and back to the one before."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory
from psycopg.rows import dict_row

from domain.documents.row_errors import RowError
from resources.database.schema import schema_is_current, upgrade
from settings.settings import PROJECT_ROOT
from tests.resources.ledger.schema import FILLED, downgrade_to, fill, schema_of, upgrade_to

SCRIPTS = ScriptDirectory(str(PROJECT_ROOT / "migrations"))
LEDGER = [step.revision for step in reversed(list(SCRIPTS.iterate_revisions("ledger@head", "base")))]


def rows(url: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def counts(url: str) -> list[int]:
    """How many rows each table has, whatever it is called."""
    tables = [
        row["name"]
        for row in rows(
            url, "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    ]
    return sorted(rows(url, f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables)


def test_every_migration_that_fills_is_one_that_is_there():
    assert set(FILLED) <= set(LEDGER)


@pytest.mark.parametrize("start", ["0001", "0009", "0013"])
def test_a_filled_database_of_any_release_gets_the_schema_that_is_made_at_once(
    start: str, empty_database_url: str, database_url: str
):
    for revision in LEDGER:
        upgrade_to(empty_database_url, revision)
        if revision <= start:
            fill(empty_database_url, revision)
    upgrade_to(empty_database_url, "pgvector@head")
    assert schema_is_current(empty_database_url)
    assert schema_of(empty_database_url) == schema_of(database_url)


def test_each_downgrade_of_a_filled_database_leads_back_to_the_schema_before_it(empty_database_url: str):
    before = {}
    for revision in LEDGER:
        upgrade_to(empty_database_url, revision)
        before[revision] = schema_of(empty_database_url)
        fill(empty_database_url, revision)
    for revision, earlier in zip(reversed(LEDGER[1:]), reversed(LEDGER[:-1]), strict=True):
        downgrade_to(empty_database_url, f"ledger@{earlier}")
        assert schema_of(empty_database_url) == before[earlier], f"the downgrade of {revision}"
    upgrade(empty_database_url)
    assert schema_is_current(empty_database_url)


@pytest.fixture
def filled_url(empty_database_url: str) -> str:
    """A database of the release before the names of 0014, with rows in every state."""
    for revision in LEDGER[: LEDGER.index("0014")]:
        upgrade_to(empty_database_url, revision)
        fill(empty_database_url, revision)
    return empty_database_url


def test_new_names_keep_all_data_and_states_are_rewritten(filled_url: str):
    before = counts(filled_url)
    upgrade_to(filled_url, "0014")
    assert counts(filled_url) == before
    runs = rows(filled_url, "SELECT run_id, state, ordering_key FROM function_runs ORDER BY sequence")
    assert {row["run_id"]: row["state"] for row in runs} == {
        "r_waiting": "failed",
        "r_requesting": "submitting",
        "r_requested": "requested",
        "r_following": "attached",
        "r_completed": "completed",
        "r_failed": "failed",
        "r_cancelled": "cancelled",
    }
    assert {row["ordering_key"] for row in runs} == {"policy"}
    jobs = rows(filled_url, "SELECT job_key, state, poll_count, purged_at IS NULL AS open FROM embedding_jobs")
    assert {row["job_key"]: row["state"] for row in jobs} == {
        "d1:2:intended": "created",
        "d1:2:placed": "submitted",
        "d1:2:ready": "ready",
        "d1:2:collected": "collected",
        "d1:2:refused": "cancelled",
    }
    assert {row["poll_count"] for row in jobs} == {3}
    (sent,) = rows(filled_url, "SELECT * FROM notifications WHERE notification_id = 'ntc_sent'")
    assert (sent["template_values"], sent["mentioned_organizations"], sent["sender_lock"]) == (
        '{"a": 1}',
        ["globex"],
        "somebody",
    )
    assert rows(filled_url, "SELECT notification_count FROM alerts") == [{"notification_count": 2}]
    assert rows(filled_url, "SELECT deferred, waiting_reason FROM versions WHERE waiting_reason IS NOT NULL") == [
        {"deferred": True, "waiting_reason": "an order"}
    ]


def test_counting_goes_on_under_the_new_names(filled_url: str):
    upgrade_to(filled_url, "0014")
    fill(filled_url, "0014")
    counted = rows(
        filled_url,
        "SELECT name, label, sum(amount)::int AS amount FROM counters "
        "WHERE name IN ('function_runs', 'notifications', 'event_runs', 'notices') GROUP BY 1, 2 ORDER BY 1, 2",
    )
    assert [tuple(row.values()) for row in counted] == [
        ("function_runs", "f_new|completed", 1),
        ("function_runs", "f_waiting|failed", 1),
        ("notifications", "slack|failed", 1),
        ("notifications", "slack|sent", 1),
    ]


def test_new_runs_come_after_those_that_are_there(filled_url: str):
    upgrade_to(filled_url, "0014")
    fill(filled_url, "0014")
    runs = rows(filled_url, "SELECT run_id FROM function_runs ORDER BY sequence DESC LIMIT 1")
    assert runs == [{"run_id": "r_new"}]


def test_row_errors_get_their_code_and_employee_from_their_sentence(filled_url: str):
    """The last time that a sentence is read: from now on erasure goes by the data."""
    upgrade_to(filled_url, "0014")
    lineage = rows(filled_url, "SELECT row_position, error_code, employee_key FROM lineage ORDER BY row_position")
    assert [tuple(row.values()) for row in lineage] == [
        (0, None, None),
        (1, "employee_unknown", "E9"),
        (2, "employee_unknown", "E9 (column no"),
        (3, "employee_unknown", "E9"),
        (4, "employee_missing", None),
        (5, "no_text", "E1"),
        (6, "embedding_refused", "E1"),
        (7, "erased", None),
        (8, "metadata_too_large", "E1"),
        (9, "employee_column_missing", None),
        (10, None, None),
    ]


def test_back_and_forth_is_the_same_data(filled_url: str):
    query = (
        "SELECT (SELECT json_agg(r ORDER BY run_id) FROM function_runs r)::text AS runs, "
        "(SELECT json_agg(n ORDER BY notification_id) FROM notifications n)::text AS notifications, "
        "(SELECT json_agg(j ORDER BY job_key) FROM embedding_jobs j)::text AS jobs, "
        "(SELECT json_agg(l ORDER BY row_position) FROM lineage l)::text AS lineage"
    )
    upgrade_to(filled_url, "0014")
    once = rows(filled_url, query)
    downgrade_to(filled_url, "ledger@0013")
    upgrade_to(filled_url, "0014")
    assert rows(filled_url, query) == once


def test_codes_say_what_the_sentences_said():
    """The sentences that 0014 reads are those that rows still get."""
    assert RowError("employee_unknown", {"employee": "E9", "column": "no"}).message == (
        "employee E9 (column no) is not in the employee list"
    )
    assert RowError("erased").message == "this row was erased on request"
