"""Advisory locks: that they exclude whom they say, also processes of an older release."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from resources.database import locks
from resources.database.connections import connect
from resources.database.locks import LockKind

ROOT = Path(__file__).parents[3]
RELEASED = {  # what processes of releases that are still running take
    LockKind.DOCUMENT_WORK: 1,
    LockKind.COLLECTION: 2,
    LockKind.UPLOAD_KEY: 3,
    LockKind.EMBEDDINGS: 4,
    LockKind.FILE_NAME: 5,
    LockKind.LIVE_VERSIONS: 6,
    LockKind.EXTERNAL_ID: 6,
    LockKind.SENDER: 8,
    LockKind.ALERTS: 9,
}


def test_the_numbers_are_those_of_older_releases():
    assert {kind: kind.number for kind in LockKind} == RELEASED


def test_advisory_locks_are_taken_in_one_module():
    taking = {
        path.relative_to(ROOT).as_posix()
        for folder in ("domain", "resources", "operations", "assets", "sensors", "pipelines", "gateway")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"pg_(try_)?advisory", path.read_text("utf-8"))
    }
    assert taking == {"resources/database/locks.py"}


def test_each_kind_and_name_is_a_lock_of_its_own(database_url: str):
    with connect(database_url) as mine, connect(database_url) as other:
        locks.lock(mine, LockKind.DOCUMENT_WORK, "doc_1")
        assert locks.try_locks(other, LockKind.DOCUMENT_WORK, ["doc_1", "doc_2"]) == {"doc_2"}
        assert locks.try_locks(other, LockKind.SENDER, ["doc_1"]) == {"doc_1"}
        assert not locks.try_lock_shared(other, LockKind.DOCUMENT_WORK, "doc_1")
        mine.rollback()
        assert locks.try_lock_shared(other, LockKind.DOCUMENT_WORK, "doc_1")


def test_those_who_share_a_lock_keep_out_who_wants_it_alone(database_url: str):
    with connect(database_url) as mine, connect(database_url) as other:
        locks.lock_shared(mine, LockKind.LIVE_VERSIONS, "acme")
        assert locks.try_lock_shared(other, LockKind.LIVE_VERSIONS, "acme")
        assert not locks.try_locks(other, LockKind.LIVE_VERSIONS, ["acme"])


@pytest.mark.parametrize("name", ["a.xlsx", 'a "b" \\ c.xlsx', "직원 ü 𝄞.xlsx", "a\n\t\r\b\f\x01\x1f\x7f  /b.xlsx"])
def test_a_file_name_is_locked_as_an_older_release_locks_it(database_url: str, name: str):
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT jsonb_build_array('acme'::text, %s::text, 't'::text)::text", (name,)
        ).fetchone()
    assert row == (locks.file_name_key("acme", name, "t"),)


def test_alerts_and_migrations_are_locked_as_an_older_release_locks_them(database_url: str):
    with connect(database_url) as mine, psycopg.connect(database_url) as old:
        locks.lock_alerts(mine)
        locks.lock_migrations(mine)
        free = old.execute("SELECT pg_try_advisory_xact_lock(9, 0), pg_try_advisory_xact_lock(%s)", (0x526F776C696E65,))
        assert free.fetchone() == (False, False)
