"""A deployment in its production form: every service is a stand-in on loopback, reached by the official SDKs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

import dagster as dg

from operations.services import Services
from resources.embedders.openai import OpenAIEmbedder
from resources.objects.s3 import S3ObjectStore
from resources.objects.s3_client import Limits
from resources.vectors.pinecone.store import PineconeVectorStore
from settings.settings import Settings
from tests.faults.cells import Cell
from tests.laws.deployment import Deployment, items
from tests.stand_ins import openai_server, pinecone_server, s3_server
from tests.stand_ins.faults import Fault

DIMENSION = 32
TIMEOUT = 0.4  # seconds of one attempt
BEFORE = items(*"abcdefgh")
AFTER = items(*"abcdefg", "new1", "new2", "new3", "new4", "new5")  # h is gone, five are new
NEW = 5
_numbers = count(1)


@dataclass
class Scene:
    """The stand-ins, and how a deployment over them is opened."""

    openai: openai_server.OpenAIServer
    pinecone: pinecone_server.PineconeServer
    s3: s3_server.S3Server
    dagster: dg.DagsterInstance
    database_url: str
    home: Path

    @classmethod
    @contextmanager
    def opened(cls, database_url: str, home: Path) -> Iterator[Self]:
        with ExitStack() as stack:
            yield cls(
                stack.enter_context(openai_server.OpenAIServer()),
                stack.enter_context(pinecone_server.PineconeServer(dimension=DIMENSION)),
                stack.enter_context(s3_server.S3Server()),
                stack.enter_context(dg.DagsterInstance.ephemeral()),
                database_url,
                home,
            )

    def settings(self) -> Settings:
        return Settings(
            database_url=self.database_url,
            rowline_home=self.home,
            embedding_provider="openai",
            embedding_dimensions=DIMENSION,
            openai_api_key=openai_server.KEY,
            openai_base_url=self.openai.base_url,
            vector_store="pinecone",
            pinecone_api_key=pinecone_server.KEY,
            pinecone_index=pinecone_server.NAME,
            pinecone_controller_host=self.pinecone.address,
            object_store=f"s3://{s3_server.BUCKET}/rowline",
            s3_endpoint_url=self.s3.endpoint_url,
            batch_rows=4,
            embed_request_inputs=4,
            batches_in_flight=2,
        )

    @contextmanager
    def story(self) -> Iterator[Story]:
        """An organization of its own: a live first version, a second to be processed by a process just started."""
        organization = f"org{next(_numbers)}"
        with self._deployment() as before:
            document_id = before.upload(BEFORE, organization=organization).document_id
            before.quick(document_id)
        with self._deployment() as rowline:
            rowline.upload(AFTER, document_id, organization=organization)
            yield Story(self, rowline, organization, document_id)

    @contextmanager
    def _deployment(self) -> Iterator[Deployment]:
        services = Services(self.settings())
        services.__dict__.update(self._impatient(services.settings))
        try:
            yield Deployment(services, self.dagster)
        finally:
            services.close()

    def _impatient(self, settings: Settings) -> dict[str, Any]:
        """The same bodies as `Services` makes, with time-outs that a test can wait for."""
        assert settings.openai_api_key
        assert settings.pinecone_api_key
        return {
            "embedder": OpenAIEmbedder(
                settings.openai_api_key.get_secret_value(),
                settings.openai_base_url,
                dimension=DIMENSION,
                in_flight=settings.batches_in_flight,
                request_inputs=settings.embed_request_inputs,
                timeout=TIMEOUT,
                sleep=lambda _: None,
            ),
            "vectors": PineconeVectorStore(
                settings.pinecone_api_key.get_secret_value(),
                settings.pinecone_index,
                settings.pinecone_controller_host,
                timeout=TIMEOUT,
                sleep=lambda _: None,
            ),
            "objects": S3ObjectStore(
                str(settings.object_store), settings.s3_endpoint_url, Limits(read_seconds=TIMEOUT, attempts=2)
            ),
        }

    def trouble(self, cell: Cell) -> Callable[[], bool]:
        """Give a service its trouble; the answer says whether it has come."""
        fault = Fault(
            cell.kind,
            operation=cell.point,
            always=cell.always,
            headers={"retry-after": "0"},
            seconds=TIMEOUT / 4 if cell.kind == "slow" else 0.0,
        )
        server = {"OpenAI": self.openai, "Pinecone": self.pinecone, "S3": self.s3}[cell.service]
        server.faults.append(fault)
        before = self._asked(cell)
        return (lambda: self._asked(cell) > before) if cell.always else (lambda: fault not in server.faults)

    def _asked(self, cell: Cell) -> int:
        """Requests of the kind that the cell's fault hits."""
        if cell.service == "OpenAI":
            return self.openai.stats.requests
        seen = self.pinecone.counters.requests if cell.service == "Pinecone" else self.s3.stats.operations
        return seen[cell.point]

    def calm(self) -> None:
        for server in (self.openai, self.pinecone, self.s3):
            server.faults.clear()


@dataclass
class Story:
    """One document of one organization, on its way from its first version to its second."""

    scene: Scene
    rowline: Deployment
    organization: str
    document_id: str

    def process(self) -> tuple[Any, dg.ExecuteInProcessResult]:
        run = self.rowline.run(self.document_id)
        return self.rowline.services.ledger.documents.latest(self.document_id), run

    def retry(self) -> Any:
        """As a person does it: `retry` where the version failed, else the run once more."""
        documents = self.rowline.services.ledger.documents
        if documents.latest(self.document_id).status == "failed":
            documents.retry(self.document_id)
        return self.rowline.quick(self.document_id)

    def rows_found(self) -> set[str]:
        """The items that a search finds now."""
        hits = self.rowline.found("item", organization=self.organization, k=50)
        return {text.split("\n")[0].removeprefix("item: ") for text in hits}

    def held(self) -> set[str]:
        """Ids in the organization's namespace, as the stand-in holds them."""
        self.scene.pinecone.index.settle()
        return {id_ for (namespace, id_) in self.scene.pinecone.index.held() if namespace == f"org_{self.organization}"}

    def promised(self) -> set[str]:
        return {id_ for _, namespace, id_ in self.rowline.promised() if namespace == f"org_{self.organization}"}
