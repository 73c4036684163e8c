"""Searches while versions change (law 2): each answer is wholly one version, whenever the change comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle

import pytest
from pydantic import SecretStr

from operations.documents.removal import remove_document
from operations.documents.rollback import roll_back
from operations.documents.search import MAX_DISTURBED, Scope, Search
from operations.services import Services
from resources.ledger.ledger import Ledger
from resources.vectors.pinecone.store import PineconeVectorStore
from settings.settings import Settings
from tests.laws.deployment import Deployment, items, template
from tests.laws.doubles import DIMENSION, WordEmbedder, watched_ledger
from tests.stand_ins.pinecone_server import KEY, NAME, PineconeServer

OLD, NEW = ("same", "anvil", "bellows"), ("same", "chisel", "drill")
WAITING = "SELECT 1 AS waits FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def find(
    rowline: Deployment, scope: Scope, ledger: Ledger | None = None, embedder: WordEmbedder | None = None
) -> set[str]:
    services = rowline.services
    search = Search(ledger or services.ledger, services.vectors, embedder or WordEmbedder())
    return {hit.sources[0]["content"].split("\n")[0].removeprefix("item: ") for hit in search.find("item", scope, 40)}


def switch(rowline: Deployment, document: str, names: Sequence[str]) -> None:
    rowline.upload(items(*names), document)
    rowline.quick(document)


@pytest.fixture(params=["organization", "document"])
def scope_of(request: pytest.FixtureRequest) -> Callable[[str], Scope]:
    return lambda document: Scope("acme", None, document if request.param == "document" else None)


def test_a_version_that_goes_live_while_the_question_is_embedded_is_found_whole(
    rowline: Deployment, scope_of: Callable[[str], Scope]
):
    document = rowline.index(items(*OLD)).document_id
    embedder = WordEmbedder()
    embedder.before = lambda _: switch(rowline, document, NEW)
    assert find(rowline, scope_of(document), embedder=embedder) == set(NEW)


def test_an_employee_that_is_new_in_the_version_is_searched_too(rowline: Deployment):
    rowline.employees("E1", "E2")
    staff = template(employeeIdentifier="no", embeddingTemplate="{{task}}")
    document = rowline.index([["no", "task"], ["E1", "saw"]], template=staff, mode="employee_split").document_id
    embedder = WordEmbedder()

    def before(_: Sequence[str]) -> None:
        table = [["no", "task"], ["E1", "saw"], ["E2", "solder"]]
        rowline.upload(table, document, template=staff, mode="employee_split")
        rowline.quick(document)

    embedder.before = before
    assert find(rowline, Scope("acme"), embedder=embedder) == {"saw", "solder"}


def test_a_version_that_goes_live_after_the_store_has_answered_is_found_whole(
    rowline: Deployment, scope_of: Callable[[str], Scope]
):
    document = rowline.index(items(*OLD)).document_id
    left = [NEW]

    def before(name: str, _: object) -> None:
        if name == "sources" and left:
            switch(rowline, document, left.pop())

    assert find(rowline, scope_of(document), watched_ledger(rowline.services.ledger, before, "lineage")) == set(NEW)


def test_there_and_back_again_is_noticed(rowline: Deployment):
    """The same version is live before and after, but its vectors were away when the store was asked."""
    document = rowline.index(items(*OLD)).document_id
    services = rowline.services
    turns: Iterator[Callable[[], object]] = iter(
        [
            lambda: switch(rowline, document, NEW),
            lambda: roll_back(services.ledger, services.vectors, document, 1),
        ]
    )

    class TwoFaced:
        def __getattr__(self, name: str) -> object:
            real = getattr(services.vectors, name)
            if name != "query":
                return real

            def query(*args: object) -> object:
                for do in turns:
                    do()
                    break
                found = real(*args)
                for do in turns:
                    do()
                    break
                return found

            return query

    search = Search(services.ledger, TwoFaced(), WordEmbedder())  # type: ignore[arg-type]
    found = {hit.sources[0]["content"].split("\n")[0] for hit in search.find("item", Scope("acme"), 40)}
    assert found == {f"item: {name}" for name in OLD}


def test_a_search_that_is_disturbed_again_and_again_makes_the_next_version_wait(rowline: Deployment):
    document = rowline.index(items(*OLD)).document_id
    turns, asked = cycle([NEW, OLD]), 0
    last = threading.Thread(target=switch, args=(rowline, document, [*NEW, *OLD]))

    def before(name: str, _: object) -> None:
        nonlocal asked
        if name != "sources":
            return
        asked += 1
        if asked <= MAX_DISTURBED:
            switch(rowline, document, next(turns))
        else:
            last.start()
            while last.is_alive() and not rowline.sql(WAITING):
                pass
            assert last.is_alive(), "nothing goes live while the search is still"

    found = find(rowline, Scope("acme"), watched_ledger(rowline.services.ledger, before, "lineage"))
    last.join()
    assert found == set(NEW if MAX_DISTURBED % 2 else OLD)
    assert find(rowline, Scope("acme")) == {*NEW, *OLD}


# -- real readers, while a document lives -----------------------------------------------------------------------------


@dataclass
class Reader:
    """Searches without a pause until it is told to stop, and keeps every answer that it has not had before."""

    rowline: Deployment
    scope: Scope
    stop: threading.Event
    answers: list[frozenset[str]] = field(default_factory=list)
    searches: int = 0

    def read(self) -> None:
        while not self.stop.is_set():
            answer = frozenset(find(self.rowline, self.scope))
            self.searches += 1
            if not self.answers or self.answers[-1] != answer:
                self.answers.append(answer)


def live_through(rowline: Deployment, versions: list[list[str]]) -> tuple[list[Reader], list[frozenset[str]]]:
    """A document is uploaded, changed, rolled back and removed under the eyes of readers; what was live, in order."""
    services, stop = rowline.services, threading.Event()
    document = rowline.upload(items(*versions[0])).document_id
    readers = [Reader(rowline, Scope("acme"), stop), Reader(rowline, Scope("acme", None, document), stop)]
    lived = [frozenset[str](), frozenset(versions[0])]
    with ThreadPoolExecutor(len(readers)) as pool:
        reading = [pool.submit(reader.read) for reader in readers]
        try:
            rowline.quick(document)
            for names in versions[1:]:
                switch(rowline, document, names)
                lived.append(frozenset(names))
            for number in (1, len(versions), 2):
                roll_back(services.ledger, services.vectors, document, number)
                lived.append(frozenset(versions[number - 1]))
            remove_document(services.document_stores, document)
            lived.append(frozenset())
        finally:
            stop.set()
        for one in reading:
            one.result()
    return readers, lived


VERSIONS = [[f"tool {number}" for number in range(first, first + 12)] for first in (0, 6, 30, 0, 20)]


def each_answer_was_live(readers: list[Reader], lived: list[frozenset[str]]) -> None:
    for reader in readers:
        assert set(reader.answers) <= set(lived), "a mixture, or nothing"
        times = iter(lived)
        for answer in reader.answers:
            assert answer in times, "answers come in the order in which versions lived"
        assert len(reader.answers) > 3, "it has seen changes"


@pytest.mark.slow
def test_readers_see_whole_versions_all_the_while(rowline: Deployment):
    each_answer_was_live(*live_through(rowline, VERSIONS))


class TestOverPinecone:
    """The same, where what is written is seen some reads later."""

    @pytest.fixture(params=[0, 2, 9])
    def pinecone(self, request: pytest.FixtureRequest, pinecone_pauses: list[float]) -> Iterator[PineconeServer]:
        with PineconeServer(dimension=DIMENSION, lag=request.param) as server:
            yield server

    @pytest.fixture
    def settings(self, settings: Settings, pinecone: PineconeServer) -> Settings:
        chosen = {
            "vector_store": "pinecone",
            "pinecone_api_key": SecretStr(KEY),
            "pinecone_index": NAME,
            "pinecone_controller_host": pinecone.address,
        }
        return settings.model_copy(update=chosen)

    @pytest.fixture
    def services(self, services: Services) -> Services:
        settings = services.settings
        assert settings.pinecone_api_key
        services.__dict__["vectors"] = PineconeVectorStore(
            settings.pinecone_api_key.get_secret_value(),
            settings.pinecone_index,
            settings.pinecone_controller_host,
            sleep=lambda _: None,
        )
        return services

    @pytest.mark.slow
    def test_readers_see_whole_versions_all_the_while(self, rowline: Deployment):
        each_answer_was_live(*live_through(rowline, VERSIONS))
