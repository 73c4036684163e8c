"""A real Rowline that things happen to: real ledger and store, the word embedder, and services that can die."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Protocol

import dagster as dg
import numpy as np

from domain.errors import TransientError
from operations.documents.removal import (
    DocumentStores,
    remove_document,
    remove_old_versions,
)
from operations.documents.rollback import roll_back
from operations.documents.search import Scope, Search
from operations.documents.vector_sync import SyncReport, sync_vectors
from resources.ledger.documents.documents import Version
from tests.laws.deployment import Deployment
from tests.laws.doubles import DIMENSION, FailsAt, Watched, WordEmbedder, watched_ledger
from tests.life.files import EMPLOYEES, TEMPLATES, File
from tests.stand_ins.pinecone_index import Index

Place = tuple[str, str]  # namespace and vector id
ORGANIZATIONS = ("acme", "rival")  # of the same people and the same rows
WAITING = "SELECT 1 AS waits FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
MANY = 1000  # hits asked for: more than there are rows


class Shelf(Protocol):
    """The vectors of a store, as somebody who opens it from behind sees and changes them."""

    def held(self) -> dict[Place, np.ndarray]: ...
    def lose(self, stores: list[Place]) -> None: ...
    def add(self, place: Place) -> None: ...
    def settle(self) -> None: ...
    def empty(self) -> None: ...


@dataclass
class PgVectorShelf:
    rowline: Deployment

    def held(self) -> dict[Place, np.ndarray]:
        rows = self.rowline.sql("SELECT namespace, vector_id, embedding::text AS numbers FROM vectors")
        return {
            (row["namespace"], str(row["vector_id"])): np.fromstring(row["numbers"][1:-1], sep=",", dtype=np.float32)
            for row in rows
        }

    def lose(self, stores: list[Place]) -> None:
        for namespace, vector_id in stores:
            self.rowline.sql(
                "DELETE FROM vectors WHERE namespace = %(n)s AND vector_id = %(i)s", n=namespace, i=vector_id
            )

    def add(self, place: Place) -> None:
        model = self.rowline.services.embedder.model.key
        self.rowline.sql(
            "INSERT INTO vectors VALUES (%(m)s, %(n)s, %(i)s, %(e)s::halfvec, '{}') ON CONFLICT DO NOTHING",
            m=model,
            n=place[0],
            i=place[1],
            e="[" + ",".join(["1"] * DIMENSION) + "]",
        )

    def settle(self) -> None:
        """A reader sees every write at once."""

    def empty(self) -> None:
        self.rowline.sql("DELETE FROM vectors")


@dataclass
class PineconeShelf:
    index: Index

    def held(self) -> dict[Place, np.ndarray]:
        return {
            (name, vector_id): vector
            for name, namespace in self.index._namespaces.items()
            for vector_id, (vector, _) in namespace.vectors.items()
        }

    def lose(self, stores: list[Place]) -> None:
        self.index.settle()
        for namespace, vector_id in stores:
            self.index._namespaces[namespace].vectors.pop(vector_id)
            self.index._namespaces[namespace].table = None

    def add(self, place: Place) -> None:
        vector = {"id": place[1], "values": [1.0] * DIMENSION, "metadata": {}}
        self.index.upsert({"namespace": place[0], "vectors": [vector]})

    def settle(self) -> None:
        self.index.settle()

    def empty(self) -> None:
        self.index.settle()
        self.index._namespaces.clear()
        self.index._written.clear()


@dataclass(frozen=True)
class Crash:
    """All services fail at the n-th call of any of them, or of those of one name (or from then on)."""

    at: int
    for_good: bool
    call: str | None = None


Deed = Callable[[], object]


def ahead_of(call: str, do: Deed) -> Callable[[str, tuple[Any, ...]], None]:
    """For `Watched`: do something ahead of the first call of this name."""
    left = [do]

    def before(name: str, _: tuple[Any, ...]) -> None:
        if name == call and left:
            left.pop()()

    return before


@dataclass
class World:
    rowline: Deployment
    shelf: Shelf
    searcher: WordEmbedder = field(default_factory=WordEmbedder)  # so that questions are not counted as paid work

    def empty(self) -> None:
        """A new beginning for the next sequence."""
        for table in ("documents", "employees", "embeddings"):
            self.rowline.sql(f"DELETE FROM {table}")
        self.shelf.empty()
        for key in list(self.rowline.services.objects.keys("")):
            self.rowline.services.objects.delete(key)
        self.embedder.asked.clear()
        for organization in ORGANIZATIONS:
            self.rowline.employees(*EMPLOYEES, organization=organization)

    @property
    def embedder(self) -> WordEmbedder:
        embedder = self.rowline.services.embedder
        assert isinstance(embedder, WordEmbedder)
        return embedder

    # -- what happens ---------------------------------------------------------------------------------------------

    def upload(self, file: File, organization: str, document_id: str | None) -> Version:
        return self.rowline.upload(
            file.body, document_id, organization=organization, template=TEMPLATES[file.template], mode=file.mode
        )

    def process(self, document_id: str, crash: Crash | None = None) -> bool:
        """Run the graph. Raises dg.Failure where the document's own content stops it; False where it died."""
        return self._attempt(crash, lambda **doubles: self.rowline.quick(document_id, **doubles))

    def roll_back(self, document_id: str, to_version: int, crash: Crash | None = None) -> bool:
        return self._attempt(crash, lambda ledger, vectors, **_: roll_back(ledger, vectors, document_id, to_version))

    def roll_back_while(self, document_id: str, to_version: int, meanwhile: Deed) -> None:
        """Go back, with something else done just before the flip."""
        services = self.rowline.services
        ledger = watched_ledger(services.ledger, ahead_of("switch", meanwhile), "live_versions")
        roll_back(ledger, services.vectors, document_id, to_version)

    def clean_up(self, document_id: str, crash: Crash | None = None) -> bool:
        return self._attempt(
            crash,
            lambda ledger, vectors, objects, **_: remove_document(
                DocumentStores(ledger, vectors, objects), document_id
            ),
        )

    def clean_up_old(self, document_id: str, keep: int, crash: Crash | None = None) -> bool:
        return self._attempt(
            crash,
            lambda ledger, vectors, objects, **_: remove_old_versions(
                DocumentStores(ledger, vectors, objects), document_id, keep
            ),
        )

    def sync(self, repair: bool, crash: Crash | None = None) -> SyncReport | None:
        """What the comparison found; None where it died."""
        found: list[SyncReport] = []
        self._attempt(crash, lambda ledger, vectors, **_: found.append(sync_vectors(ledger, vectors, repair)))
        return found[0] if found else None

    def sync_while_removing(self, document_id: str) -> bool:
        """Repair, with a document removed by somebody else just before vectors are sent; whether any were."""
        services = self.rowline.services
        removal = Thread(target=self.clean_up, args=(document_id,))

        def remove() -> None:
            removal.start()
            while removal.is_alive() and not self.rowline.sql(WAITING):
                pass

        sync_vectors(services.ledger, Watched(services.vectors, ahead_of("upsert", remove)), repair=True)
        if removal.ident is None:
            return False
        removal.join()
        return True

    def _attempt(self, crash: Crash | None, work: Callable[..., Any]) -> bool:
        """Do it with services that die at the crash's call; whether it came to its end."""
        services = self.rowline.services
        failure = TransientError("the service is away")
        names = [crash.call] if crash and crash.call else ()
        failing = FailsAt(crash.at, failure, names, crash.for_good) if crash else FailsAt(0, failure)
        try:
            work(
                ledger=watched_ledger(services.ledger, failing),
                vectors=Watched(services.vectors, failing),
                objects=Watched(services.objects, failing),
                embedder=Watched(services.embedder, failing),
            )
        except TransientError as error:
            if error is not failure:
                raise
            return False
        except dg.Failure as error:
            if error.__cause__ is not failure:
                raise
            return False
        return True

    # -- what is then there ---------------------------------------------------------------------------------------

    def facts(self, document_id: str) -> tuple[int | None, bool, dict[int, str]] | None:
        """(live version, whether it is on its way out, status of each version); None where nothing is left."""
        documents = self.rowline.sql(
            "SELECT live_version, removal_requested_at IS NOT NULL AS removed FROM documents WHERE document_id = %(d)s",
            d=document_id,
        )
        versions = self.rowline.sql(
            "SELECT version, status FROM versions WHERE document_id = %(d)s ORDER BY version", d=document_id
        )
        if not documents:
            return None
        return documents[0]["live_version"], documents[0]["removed"], {v["version"]: v["status"] for v in versions}

    def planned(self, document_id: str) -> set[int]:
        """Versions whose rows are in the ledger."""
        rows = self.rowline.sql(
            "SELECT version FROM versions WHERE document_id = %(d)s AND plan_key IS NOT NULL", d=document_id
        )
        return {row["version"] for row in rows}

    def forgotten(self, document_id: str) -> set[int]:
        """Versions that are on their way out."""
        rows = self.rowline.sql(
            "SELECT version FROM versions WHERE document_id = %(d)s AND purged_at IS NOT NULL", d=document_id
        )
        return {row["version"] for row in rows}

    def target(self, document_id: str) -> int | None:
        """The version that the document is to go back to."""
        (row,) = self.rowline.sql("SELECT target_version FROM documents WHERE document_id = %(d)s", d=document_id)
        return row["target_version"]

    def lineage(self) -> list[dict[str, Any]]:
        return self.rowline.sql(
            "SELECT document_id, version, row_number, employee_id, namespace, content, outcome, vector_id::text, "
            "version = live_version AS live FROM lineage JOIN documents USING (document_id) "
            "ORDER BY document_id, version, row_position"
        )

    def kept(self) -> set[tuple[str, bytes]]:
        """(organization, hash of the text) of every embedding."""
        rows = self.rowline.sql("SELECT organization_id, text_hash FROM embeddings")
        return {(row["organization_id"], bytes(row["text_hash"])) for row in rows}

    def found(self, scope: Scope) -> set[tuple[str, int, str, str]]:
        """(document, row number, namespace, text) of every row that a search shows."""
        services = self.rowline.services
        hits = Search(services.ledger, services.vectors, self.searcher).find("task: weld", scope, MANY)
        return {
            (source["document_id"], source["row_number"], source["namespace"], source["content"])
            for hit in hits
            for source in hit.sources
        }
