"""The whole graph over Pinecone: reads lag behind writes, and still no search shows what is not live (law 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import dagster as dg
import numpy as np
import pytest
from pydantic import SecretStr

from domain.errors import TransientError
from operations.documents.rollback import roll_back
from operations.documents.vector_sync import sync_vectors
from operations.services import Services
from resources.vectors.pinecone.store import PineconeVectorStore
from resources.vectors.protocol import VectorBatch
from settings.settings import Settings
from tests.laws.command import Command
from tests.laws.deployment import STEPS, Deployment, csv_bytes, items
from tests.laws.doubles import DIMENSION, FailsAt, Watched, watched_ledger
from tests.stand_ins.faults import Fault
from tests.stand_ins.pinecone_server import KEY, NAME, PineconeServer

MANY = 20  # hits asked for: more than there are rows


@pytest.fixture
def pinecone(pinecone_pauses: list[float]) -> Iterator[PineconeServer]:
    """What is written is seen two reads later."""
    with PineconeServer(dimension=DIMENSION, lag=2) as server:
        yield server


@pytest.fixture
def services(services: Services) -> Services:
    """The store that the settings name, waiting in no time."""
    settings = services.settings
    assert settings.pinecone_api_key
    services.__dict__["vectors"] = PineconeVectorStore(
        settings.pinecone_api_key.get_secret_value(),
        settings.pinecone_index,
        settings.pinecone_controller_host,
        sleep=lambda _: None,
    )
    return services


@pytest.fixture
def settings(settings: Settings, pinecone: PineconeServer) -> Settings:
    chosen = {
        "vector_store": "pinecone",
        "pinecone_api_key": SecretStr(KEY),
        "pinecone_index": NAME,
        "pinecone_controller_host": pinecone.address,
    }
    return settings.model_copy(update=chosen)


def held(pinecone: PineconeServer) -> set[tuple[str, str]]:
    return set(pinecone.index.held())


def promised(rowline: Deployment) -> set[tuple[str, str]]:
    return {(namespace, vector_id) for _, namespace, vector_id in rowline.promised()}


def told(rowline: Deployment, question: str) -> list[str]:
    return [text.split()[-1] for text in rowline.found(question, k=MANY)]


def test_a_new_version_costs_its_changes_and_is_searched_exactly(rowline: Deployment, pinecone: PineconeServer):
    version = rowline.index(items("apple", "pear", "plum", "fig", "date"))
    assert sorted(told(rowline, "apple")) == ["apple", "date", "fig", "pear", "plum"]
    assert held(pinecone) == promised(rowline)

    before = pinecone.counters.vectors
    pinecone.index.lag = 10
    rowline.index(items("apple", "quince", "plum", "fig", "date"), version.document_id)
    assert (pinecone.counters.vectors - before, pinecone.counters.deleted) == (1, 1)
    assert held(pinecone) > promised(rowline)  # the store still shows the pear
    assert sorted(told(rowline, "pear")) == ["apple", "date", "fig", "plum", "quince"]
    pinecone.index.settle()
    assert held(pinecone) == promised(rowline)


def test_a_version_goes_live_when_searches_see_it_and_not_before(rowline: Deployment, pinecone: PineconeServer):
    """A store that never shows what was written keeps the old version live, whole; a retry ends it."""
    first = rowline.index(items("apple", "pear"))
    pinecone.index.lag = math.inf
    version = rowline.process(rowline.upload(items("quince"), first.document_id).document_id)
    assert (version.status, version.live_version) == ("failed", 1)
    assert "does not show yet what was written to namespace org_acme" in version.error
    assert sorted(told(rowline, "apple")) == ["apple", "pear"]
    sent = pinecone.counters.vectors
    pinecone.index.lag = 0
    pinecone.index.settle()
    rowline.services.ledger.documents.retry(first.document_id)
    assert rowline.process(first.document_id).live_version == 2
    assert told(rowline, "quince") == ["quince"]
    assert pinecone.counters.vectors == sent == 3, "each vector was sent once, however often it was waited for"


def test_a_last_step_that_is_materialized_by_hand_waits_for_the_store_too(
    rowline: Deployment, pinecone: PineconeServer
):
    """The store has acknowledged the vectors, and shows none of them yet."""
    document = rowline.index(items("apple")).document_id
    rowline.upload(items("quince"), document)
    pinecone.index.lag = math.inf
    for step in STEPS[:3]:
        rowline.step(step, document, "run")
    with pytest.raises(dg.Failure, match="does not show yet"):
        rowline.step("namespace_vectors", document, "run")
    with pytest.raises(dg.Failure, match="is not ready to go live"):
        rowline.step("lineage", document, "run")
    assert told(rowline, "apple") == ["apple"]


@pytest.mark.parametrize("lag", [0, 1, 2, 5, 20])
def test_whenever_one_searches_the_live_version_answers_whole(
    lag: float, rowline: Deployment, pinecone: PineconeServer
):
    """A search before every call to the store while versions come and go; rows return under the ids they had."""
    pinecone.index.lag = lag
    names = [["apple", "pear", "plum"], ["apple", "quince"], ["pear", "quince", "fig"], ["apple", "pear", "plum"]]
    document, wrong = None, []

    def search(_: str, __: object) -> None:
        live = rowline.sql("SELECT live_version FROM documents")[0]["live_version"]
        found = set(told(rowline, "fruit"))
        if found != set(names[live - 1] if live else []):
            wrong.append((live, found))

    for rows in names:
        document = rowline.upload(items(*rows), document).document_id
        version = rowline.process(document, vectors=Watched(rowline.services.vectors, search))
        assert (version.error, version.status) == (None, "completed")
    assert wrong == []
    pinecone.index.settle()
    assert held(pinecone) == promised(rowline)
    assert sorted(told(rowline, "fruit")) == names[-1]


def test_the_same_file_again_sends_nothing(rowline: Deployment, pinecone: PineconeServer):
    """Also while the store shows nothing of the first time: the ledger knows what was acknowledged (law 4)."""
    version = rowline.index(items("apple", "pear"))
    requests = pinecone.counters.requests.copy()
    rowline.index(items("apple", "pear"), version.document_id)
    assert pinecone.counters.requests["upsert"] == requests["upsert"]
    assert pinecone.counters.deleted == 0


def test_rows_travel_with_their_metadata_into_the_namespace_that_other_apps_ask(
    rowline: Deployment, pinecone: PineconeServer
):
    version = rowline.index(items("apple"), organization="acme")
    pinecone.index.settle()
    [((namespace, _), metadata)] = pinecone.index.held().items()
    assert namespace == "org_acme"
    assert metadata["documentId"] == version.document_id
    assert (metadata["rowNumber"], metadata["embeddingModel"]) == (2, version.model)


def test_an_index_of_another_dimension_is_told_before_anything_is_paid(rowline: Deployment, pinecone: PineconeServer):
    pinecone.vector_field["dimension"] = 1536
    version = rowline.process(rowline.upload(items("apple")).document_id)
    assert version.status == "failed"
    assert "1536" in version.error
    assert str(DIMENSION) in version.error
    assert rowline.services.embedder.asked == []


def test_a_full_quota_fails_the_version_and_keeps_the_live_one(rowline: Deployment, pinecone: PineconeServer):
    document = rowline.index(items("apple", "pear")).document_id
    pinecone.index.settle()
    pinecone.faults.append(Fault("quota_full", "upsert", always=True))
    version = rowline.process(rowline.upload(items("apple", "quince"), document).document_id)
    assert version.status == "failed"
    assert "max number of namespaces" in version.error
    assert sorted(told(rowline, "apple")) == ["apple", "pear"]

    pinecone.faults.clear()
    paid = len(rowline.services.embedder.asked)
    rowline.services.ledger.documents.retry(document)
    assert rowline.process(document).status == "completed"
    assert len(rowline.services.embedder.asked) == paid  # the quince was embedded before the store refused it
    pinecone.index.settle()
    assert held(pinecone) == promised(rowline)
    assert sorted(told(rowline, "apple")) == ["apple", "quince"]


def test_the_command_speaks_to_pinecone_by_settings_alone(rowline_command: Command):
    with PineconeServer(dimension=32) as pinecone:
        command = Command(
            {
                **rowline_command.environment,
                "VECTOR_STORE": "pinecone",
                "PINECONE_API_KEY": KEY,
                "PINECONE_INDEX": NAME,
                "PINECONE_CONTROLLER_HOST": pinecone.address,
            },
            rowline_command.folder,
            rowline_command.capsys,
        )
        document = command.indexed(command.file("items.csv", csv_bytes(items("apple", "pear"))))
        [hit] = command.json("search", "apple", "--org", "acme", "-k", "1")["hits"]
        assert hit["sources"][0]["documentId"] == document
        assert hit["namespace"] == "org_acme"
        assert len(pinecone.index.held()) == 2


def test_vectors_of_other_programs_in_the_index_are_nobodys_business(rowline: Deployment, pinecone: PineconeServer):
    """A namespace of which the ledger has no word is theirs, an id that is no UUID too: told of, never deleted."""
    pinecone.index.lag = 0
    store = rowline.services.vectors
    numbers = np.eye(2, DIMENSION, dtype=np.float32)
    theirs = VectorBatch(["row-17", "0190a1f2-0000-4000-8000-000000000001"], numbers, [{}, {}])
    store.upsert("theirs", "chatbot_memory", theirs)
    store.upsert("theirs", "org_acme", VectorBatch(["row-17"], numbers[:1], [{}]))
    rowline.index(items("apple"))
    found = sync_vectors(rowline.services.ledger, store, repair=True)
    assert (found.missing, found.stale, found.orphaned, found.checked) == (0, 0, 0, 1)
    assert {namespace for namespace, _ in held(pinecone)} == {"chatbot_memory", "org_acme"}
    assert len(held(pinecone)) == 4


def died_before_its_sweep(rowline: Deployment, pinecone: PineconeServer) -> str:
    """A document whose second version went live, and whose process then died: nothing of the first was swept."""
    pinecone.index.lag = 0
    document = rowline.index(items("apple", "pear", "plum")).document_id
    ledger = watched_ledger(
        rowline.services.ledger, FailsAt(1, TransientError("the process died"), ["mark"], always=True), "garbage"
    )
    rowline.upload(items("apple", "quince"), document)
    with pytest.raises(dg.Failure, match="the process died"):
        rowline.quick(document, ledger=ledger)
    assert held(pinecone) > promised(rowline)
    return document


def test_what_sync_deleted_of_an_unswept_version_is_sent_again_when_one_goes_back(
    rowline: Deployment, pinecone: PineconeServer
):
    """The ledger took the first version for stored, and went live without its vectors."""
    document = died_before_its_sweep(rowline, pinecone)
    services = rowline.services
    assert sync_vectors(services.ledger, services.vectors, repair=True).stale == 2
    assert roll_back(services.ledger, services.vectors, document, 1).vectors_restored == 2
    assert sorted(told(rowline, "apple")) == ["apple", "pear", "plum"]
    assert held(pinecone) == promised(rowline)


@pytest.mark.parametrize("how", ["sync", "another document's sweep"])
def test_what_was_deleted_of_an_unswept_version_is_sent_again_with_the_next_upload(
    how: str, rowline: Deployment, pinecone: PineconeServer
):
    """No version is believed to hold in the store what it is not owed."""
    document = died_before_its_sweep(rowline, pinecone)
    services = rowline.services
    if how == "sync":
        sync_vectors(services.ledger, services.vectors, repair=True)
    else:
        other = rowline.index(items("pear", "plum")).document_id
        rowline.index(items("fig"), other)
    rowline.index(items("apple", "pear", "plum"), document)
    assert sorted(set(told(rowline, "apple")) - {"fig"}) == ["apple", "pear", "plum"]
    assert held(pinecone) == promised(rowline)


def test_what_another_documents_sweep_deleted_is_sent_again_when_one_goes_back(
    rowline: Deployment, pinecone: PineconeServer
):
    document = died_before_its_sweep(rowline, pinecone)
    other = rowline.index(items("pear", "plum")).document_id
    rowline.index(items("fig"), other)
    services = rowline.services
    assert roll_back(services.ledger, services.vectors, document, 1).vectors_restored == 2
    assert held(pinecone) == promised(rowline)
