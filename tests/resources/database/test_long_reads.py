"""A long read outlives the time limits of the team's server: it is idle while Pinecone or somebody else works."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator

import psycopg
import pytest

from domain.errors import TransientError
from resources.database.connections import Database
from resources.ledger.documents.documents import Version
from resources.ledger.indexing import embeddings
from resources.ledger.ledger import Ledger
from tests.laws.deployment import Deployment, items

LIMITS = ("idle_in_transaction_session_timeout", "statement_timeout")


@pytest.fixture
def old(rowline: Deployment, database_url: str) -> Version:
    """A version whose vectors are to be swept: its newer one is live and says nothing of what it said."""
    old = rowline.index(items("anvil", "bellows", "chisel"))
    rowline.index(items("drill", "easel", "file"), old.document_id)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE versions SET collected_at = NULL WHERE version = 1")
    return old


@pytest.fixture
def strict(old: Version, database_url: str) -> Iterator[Database]:
    """The same database, where the team's limits are low for whoever connects from now on."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for limit in LIMITS:
            connection.execute(f"ALTER DATABASE {name} SET {limit} = '100ms'")  # type: ignore[call-overload]
    database = Database(database_url)
    yield database
    database.close()


def outlasts(database: Database) -> None:
    """Return when the server has ended a usual transaction that began now and was idle."""

    def idles() -> None:
        with database.transaction() as connection:
            connection.execute("SELECT 1")
            assert select.select([connection.fileno()], [], [], 10)[0], "the limit of the test ends nobody"
            connection.execute("SELECT 1")

    with pytest.raises(TransientError, match="idle"):
        idles()


Read = Callable[[Ledger, Version, Version], Iterator[object]]


@pytest.mark.parametrize(
    "read",
    [
        lambda ledger, old, _: ledger.garbage.superseded(old.document_id, [1], size=1),
        lambda ledger, _, live: ledger.lineage.vector_pages(live, size=1),
        lambda ledger, _, live: ledger.lineage.unstored_pages(live, "elsewhere", size=1),
        lambda ledger, _, live: ledger.reconciliation.promised(ledger.lineage.namespaces(live)[0], size=1),
    ],
    ids=["superseded", "vector_pages", "unstored_pages", "promised"],
)
def test_a_page_may_take_longer_than_the_servers_limits(strict: Database, old: Version, read: Read):
    ledger = Ledger.over(strict)
    pages = read(ledger, old, ledger.documents.latest(old.document_id))
    first = next(pages)
    outlasts(strict)
    assert len([first, *pages]) == 3


def test_embeddings_are_judged_however_long_it_takes(strict: Database, old: Version, monkeypatch: pytest.MonkeyPatch):
    judge, pages = embeddings.matrix_of, []

    def slowly(*arguments: object) -> object:
        outlasts(strict)
        pages.append(arguments)
        return judge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(embeddings, "matrix_of", slowly)
    monkeypatch.setattr(embeddings, "PAGE", 2)
    assert set(Ledger.over(strict).embeddings.count_invalid(old).values()) == {0}
    assert len(pages) == 2
