"""The calls to one namespace, each one request; answers are read here, and nothing unreadable passes for empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from domain.errors import TransientError
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
MAX_FETCH_IDS = 100  # they travel in the address
MAX_DELETE_IDS = 1_000  # the service's limit
MAX_TOP_K = 10_000  # the service's limit


class PartialUpsert(TransientError):
    """The service acknowledges fewer vectors than it was sent."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace of the index, by our name for it."""

    connection: Connection
    name: str

    def upsert(self, request: Sequence[Vector]) -> int | None:
        """Writes the vectors; returns the log position of the write, if told. Raises PartialUpsert."""
        tried, name = f"upserting into namespace {self.name}", to_pinecone_name(self.name)
        answer = self.connection.ask(tried, lambda index: index.upsert(vectors=list(request), namespace=name))
        if answer.upserted_count != len(request):
            raise PartialUpsert(
                f"Pinecone took {answer.upserted_count} of {len(request)} vectors while {tried}; try again later"
            )
        return answer.response_info.lsn_committed if answer.response_info else None

    def delete(self, ids: Sequence[str]) -> None:
        """Removes vectors; neither they nor the namespace need be there."""
        name = to_pinecone_name(self.name)
        self._unless_gone(
            f"deleting from namespace {self.name}", lambda index: index.delete(ids=list(ids), namespace=name)
        )

    def drop(self) -> None:
        """Removes the namespace; it need not be there."""
        name = to_pinecone_name(self.name)
        self._unless_gone(f"removing namespace {self.name}", lambda index: index.delete_namespace(name=name))

    def nearest(self, model: str, probe: list[float], top_k: int) -> list[Match]:
        """The nearest vectors of the model, best first."""
        answer = self._query(probe, top_k, {MODEL_FIELD: {"$eq": model}})
        return [Match(match.id, self.name, match.score) for match in answer.matches] if answer else []

    def shows(self, position: int, dimension: int) -> bool:
        """Whether queries have come as far as this position of the log."""
        answer = self._query([1.0] + [0.0] * (dimension - 1), 1, None)
        told = answer.response_info if answer else None
        if told is not None and told.lsn_reconciled is None:
            return True  # a service that says nothing of its log is believed to show what it has acknowledged
        return told is not None and told.is_reconciled(position)

    def fetch(self, model: str, ids: Sequence[str]) -> dict[str, list[float]]:
        """The numbers of those vectors that are held and of the model."""
        name = to_pinecone_name(self.name)
        answer = self._read("fetching from", lambda index: index.fetch(ids=list(ids), namespace=name))
        held = answer.vectors.items() if answer else ()
        return {
            vector_id: vector.values for vector_id, vector in held if (vector.metadata or {}).get(MODEL_FIELD) == model
        }

    def page(self, token: str | None) -> tuple[list[str], str | None]:
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
        """The answer, None where the namespace is not there. One that says neither which namespace it is of nor what
        it cost is not Pinecone's: the SDK would read any JSON as no matches (law 8)."""
        tried = f"{verb} namespace {self.name}"
        answer: Response | None = self._unless_gone(tried, request)
        if answer is not None and answer.usage is None and answer.namespace != to_pinecone_name(self.name):
            raise unreadable_response(tried)
        return answer

    def _unless_gone(self, tried: str, request: Callable[[Index], Any]) -> Any:
        try:
            return self.connection.ask(tried, request)
        except NamespaceNotFound:
            return None
