"""The calls to one namespace, one request each; an unreadable response is an error, never an empty result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from domain.errors import VectorStoreUnavailable
from resources.vectors.pinecone.connection import Connection
from resources.vectors.pinecone.errors import NamespaceNotFound, unreadable_response
from resources.vectors.pinecone.names import to_pinecone_name
from resources.vectors.pinecone.requests import MODEL_FIELD
from resources.vectors.protocol import Match

if TYPE_CHECKING:
    from pinecone import Index, Vector
    from pinecone.models.vectors.responses import FetchResponse, ListResponse, QueryResponse

    Response = TypeVar("Response", QueryResponse, FetchResponse, ListResponse)

LIST_PAGE_SIZE = 100  # of one page; the service's limit
MAX_FETCH_IDS = 100  # they are part of the URL
MAX_DELETE_IDS = 1_000  # the service's limit
MAX_TOP_K = 10_000  # the service's limit


class PartialUpsert(VectorStoreUnavailable):
    """The service acknowledges fewer vectors than were sent."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace of the index, by our name for it."""

    connection: Connection
    name: str

    def upsert(self, request: Sequence[Vector]) -> int | None:
        """Writes the vectors; returns the log position of the write, if reported. Raises PartialUpsert."""
        tried, name = f"upserting into namespace {self.name}", to_pinecone_name(self.name)
        answer = self.connection.request(tried, lambda index: index.upsert(vectors=list(request), namespace=name))
        if answer.upserted_count != len(request):
            raise PartialUpsert(
                f"Pinecone took {answer.upserted_count} of {len(request)} vectors while {tried}; try again later"
            )
        return answer.response_info.lsn_committed if answer.response_info else None

    def delete(self, ids: Sequence[str]) -> None:
        """Removes vectors; neither they nor the namespace need exist."""
        name = to_pinecone_name(self.name)
        self._if_present(
            f"deleting from namespace {self.name}", lambda index: index.delete(ids=list(ids), namespace=name)
        )

    def drop(self) -> None:
        """Removes the namespace; it need not exist."""
        name = to_pinecone_name(self.name)
        self._if_present(f"removing namespace {self.name}", lambda index: index.delete_namespace(name=name))

    def query(self, model: str, probe: list[float], top_k: int) -> list[Match]:
        """The nearest vectors of the model, best first."""
        answer = self._query(probe, top_k, {MODEL_FIELD: {"$eq": model}})
        return [Match(match.id, self.name, match.score) for match in answer.matches] if answer else []

    def is_visible(self, position: int, dimension: int) -> bool:
        """Whether queries have reached this position of the log."""
        answer = self._query([1.0] + [0.0] * (dimension - 1), 1, None)
        info = answer.response_info if answer else None
        if info is not None and info.lsn_reconciled is None:
            return True  # a service that reports no log position is taken to show what it has acknowledged
        return info is not None and info.is_reconciled(position)

    def fetch(self, model: str, ids: Sequence[str]) -> dict[str, list[float]]:
        """The values of those vectors that exist and belong to the model."""
        name = to_pinecone_name(self.name)
        answer = self._read("fetching from", lambda index: index.fetch(ids=list(ids), namespace=name))
        stored = answer.vectors.items() if answer else ()
        return {
            vector_id: vector.values
            for vector_id, vector in stored
            if (vector.metadata or {}).get(MODEL_FIELD) == model
        }

    def list_page(self, token: str | None) -> tuple[list[str], str | None]:
        """The ids of one page, and the token of the next page, if there is one."""
        name = to_pinecone_name(self.name)
        answer = self._read(
            "listing", lambda index: index.list_paginated(namespace=name, limit=LIST_PAGE_SIZE, pagination_token=token)
        )
        if answer is None:
            return [], None
        ids = [item.id for item in answer.vectors if item.id]
        return ids, answer.pagination.next if answer.pagination else None

    def _query(self, probe: list[float], top_k: int, only: dict[str, Any] | None) -> QueryResponse | None:
        name = to_pinecone_name(self.name)
        return self._read(
            "searching", lambda index: index.query(vector=probe, top_k=top_k, namespace=name, filter=only)
        )

    def _read(self, verb: str, request: Callable[[Index], Response]) -> Response | None:
        """The response, None if the namespace does not exist. One with neither its namespace nor its usage is not
        Pinecone's: the SDK would read any JSON as no matches."""
        tried = f"{verb} namespace {self.name}"
        answer: Response | None = self._if_present(tried, request)
        if answer is not None and answer.usage is None and answer.namespace != to_pinecone_name(self.name):
            raise unreadable_response(tried)
        return answer

    def _if_present(self, tried: str, request: Callable[[Index], Any]) -> Any:
        try:
            return self.connection.request(tried, request)
        except NamespaceNotFound:
            return None
