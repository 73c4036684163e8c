"""Law 8: a failed read is never taken for an empty answer; nothing is deleted on the strength of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.errors import PermanentError, TransientError
from operations.documents.search import Scope, Search
from resources.database.connections import Database
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.vectors.pgvector import PgVectorStore
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import FailsAt, Watched, watched_ledger
from tests.stand_ins.postgres_proxy import PostgresProxy

AWAY = TransientError("The store did not answer")


@pytest.mark.parametrize("call", ["missing", "delete", "upsert"])
def test_a_store_that_fails_loses_nothing_and_changes_no_live_version(rowline: Deployment, call: str):
    """Whatever call fails: all that was there is there, search answers as before or with the whole new version."""
    first = rowline.index(items("anvil", "bellows"))
    before = set(rowline.stored())
    rowline.upload(items("anvil", "chisel"), first.document_id)
    failing = FailsAt(1, AWAY, [call], always=True)
    version = rowline.process(first.document_id, vectors=Watched(rowline.services.vectors, failing))

    assert failing.calls == 3
    assert before <= set(rowline.stored())
    assert rowline.promised() <= set(rowline.stored())
    assert version.live_version == (2 if call == "delete" else 1)
    assert rowline.process(first.document_id).status == "completed"
    assert set(rowline.stored()) == rowline.promised()


def test_a_check_that_cannot_read_the_store_does_not_pass(rowline: Deployment):
    """`vectors_explained` over a store that gives no ids must not say that nothing is unexplained."""
    uploaded = rowline.upload(items("anvil"))
    run = rowline.run(
        uploaded.document_id, vectors=Watched(rowline.services.vectors, FailsAt(1, AWAY, ["id_pages"], always=True))
    )
    assert not run.success
    assert "vectors_explained" not in [e.check_name for e in run.get_asset_check_evaluations() if e.passed]


def test_lineage_that_cannot_be_read_sweeps_nothing(rowline: Deployment):
    """The list of what may go breaks after its first page: nothing that is owed has gone."""
    first = rowline.index(items("anvil", "bellows"))
    rowline.upload(items("chisel"), first.document_id)
    ledger = rowline.services.ledger
    failing = FailsAt(1, TransientError("The database did not answer"), ["superseded"], always=True)
    rowline.process(first.document_id, ledger=watched_ledger(ledger, failing, "garbage"))
    assert failing.calls == 3
    assert len(rowline.stored()) == 3
    assert rowline.sql("SELECT version FROM versions WHERE collected_at IS NOT NULL") == []
    rowline.process(first.document_id)
    assert set(rowline.stored()) == rowline.promised()


def test_a_file_that_is_gone_from_object_storage_is_told_and_does_not_read_as_an_empty_table(rowline: Deployment):
    """Else a new version without rows would delete every vector of the document."""
    first = rowline.index(items("anvil", "bellows"))
    second = rowline.upload(items("anvil"), first.document_id)
    rowline.services.objects.delete(second.upload.object_key)
    version = rowline.process(first.document_id)
    assert version.status == "failed"
    assert "upload the file again" in version.error
    assert (version.live_version, len(rowline.stored())) == (1, 2)


@pytest.mark.parametrize("body", [b"", b"item,colour\n", b"\n\n\n", b"\x00" * 500, b"PK\x03\x04 cut off"], ids=str)
def test_a_new_version_without_rows_is_refused_and_the_old_one_stays(rowline: Deployment, body: bytes):
    """An export that broke must not empty the index: law 8 for files."""
    first = rowline.index(items("anvil", "bellows"))
    rowline.upload(body, first.document_id)
    version = rowline.process(first.document_id)
    assert (version.version, version.status, version.live_version) == (2, "failed", 1)
    assert "items.csv" in version.error
    assert len(rowline.found("anvil")) == 2


def test_a_database_that_is_away_is_a_transient_failure_everywhere(rowline: Deployment):
    """No question to the ledger answers `nothing` because nobody was there to answer."""
    version = rowline.index(items("anvil"))
    with PostgresProxy(rowline.services.database.url) as proxy:
        database = Database(proxy.url(), pool_seconds=0.2)
        ledger = Ledger.over(database)
        search = Search(ledger, PgVectorStore(database), rowline.services.embedder)
        assert ledger.documents.list_all() == [version]
        proxy.down()
        for question in questions(ledger, search, version):
            with pytest.raises(TransientError, match="Nobody listens at"):
                question()
        database.close()


def questions(ledger: Ledger, search: Search, version: Version) -> list[Callable[[], Any]]:
    return [
        ledger.documents.pending,
        ledger.documents.list_all,
        lambda: ledger.documents.latest(version.document_id),
        lambda: ledger.plans.unfinished(version),
        lambda: ledger.lineage.namespaces(version),
        lambda: list(ledger.garbage.superseded(version.document_id, [1])),
        lambda: list(ledger.lineage.vector_pages(version)),
        lambda: ledger.lineage.unexplained(["org_acme"], []),
        lambda: ledger.organizations.employees("acme"),
        lambda: ledger.organizations.namespaces("acme"),
        lambda: ledger.documents.wait_for_upload(0),
        lambda: search.find("anvil", Scope("acme"), 10),
    ]


def test_an_unknown_document_is_told_not_invented(rowline: Deployment):
    with pytest.raises(PermanentError, match="There is no document doc_x"):
        rowline.services.ledger.documents.start("doc_x", "run")
    with pytest.raises(PermanentError, match="There is no document doc_x"):
        rowline.services.ledger.documents.latest("doc_x")
