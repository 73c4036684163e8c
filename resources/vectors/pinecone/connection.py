"""The connection to one index: opened at the first call, checked before anything is paid, with bounded concurrency."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from domain.errors import ConfigurationError, VectorStoreUnavailable
from resources.vectors.pinecone.errors import translate_error, unreadable_response
from settings.values import is_loopback, usable_key

if TYPE_CHECKING:
    from pinecone import Index, Pinecone
    from pinecone.models.indexes.index import IndexModel

MAX_IN_FLIGHT = 8  # requests to one index over the whole process

Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class Shape:
    """What an index holds; None for what it does not report."""

    dimension: int | None
    metric: str | None
    vector_type: str | None


class Connection:
    """The official SDK for one index. It retries three times: on 408, 429, 5xx, broken connections and time-outs.

    So a call takes at most four times `timeout` and some ten seconds of back-off, or what the service asks for.
    """

    def __init__(
        self, api_key: str, index: str | None, controller_host: str | None, index_host: str | None, timeout: float
    ) -> None:
        self._api_key = usable_key("PINECONE_API_KEY", api_key)
        self._name = index or ""
        self._controller_host = validate_host("PINECONE_CONTROLLER_HOST", controller_host)
        self._index_host = validate_host("PINECONE_INDEX_HOST", index_host)
        self._timeout = timeout
        self._lock = threading.RLock()
        self._client: Pinecone | None = None
        self._described: IndexModel | None = None
        self._index: Index | None = None
        self.index = self._name or self._index_host
        """The index as the settings name it: its name, else its address."""
        self._slots = _shared_slots(self._index_host or f"{self._controller_host}/{index}")

    def request(self, tried: str, send: Callable[[Index], Response]) -> Response:
        """One request to the index; raises the SDK's errors as `translate_error` returns them."""
        from pinecone.errors import PineconeError

        try:
            index = self._get_index()
            with self._slots:
                return send(index)
        except PineconeError as error:
            failure = translate_error(error, tried, self._api_key)
        raise failure

    def check(self, model: str, dimension: int) -> None:
        """Raises ConfigurationError if the index cannot hold the model's vectors, TransientError while it is made."""
        shape, index = self.shape(), f"The Pinecone index {self._name or 'at PINECONE_INDEX_HOST'}"
        required = f"dense vectors, dimension {dimension} and metric cosine"
        if shape.vector_type not in ("dense", None):
            raise ConfigurationError(
                f"{index} is not for dense vectors; name one in PINECONE_INDEX that has {required}"
            )
        if shape.dimension != dimension:
            raise ConfigurationError(
                f"{index} holds vectors of {shape.dimension} numbers, but model {model} gives {dimension}; name one in "
                f"PINECONE_INDEX that has {required}, or another EMBEDDING_MODEL or EMBEDDING_DIMENSIONS"
            )
        if shape.metric not in ("cosine", None):
            raise ConfigurationError(
                f"{index} compares by {shape.metric}; name one in PINECONE_INDEX that has {required}"
            )

    def namespaces(self, token: str | None, limit: int) -> tuple[list[str], str | None]:
        """One page of the index's namespaces, as Pinecone calls them, and the token of the next page."""
        answer = self.request(
            "listing namespaces",
            lambda index: index.list_namespaces_paginated(limit=limit, pagination_token=token),
        )
        return [
            namespace.name for namespace in answer.namespaces
        ], answer.pagination.next if answer.pagination else None

    def shape(self) -> Shape:
        """The shape that the index reports."""
        if self._index_host:
            stats = self.request("reading the dimension of the index", lambda index: index.describe_index_stats())
            if stats.dimension is None and stats.vector_type is None:
                raise unreadable_response("reading the dimension of the index")  # any JSON would read as an empty index
            return Shape(stats.dimension, stats.metric, stats.vector_type)
        described = self._describe()
        if not described.status.ready:
            raise VectorStoreUnavailable(
                f"Pinecone is still making index {self._name} ({described.status.state}); wait for it"
            )
        field = described.schema.fields.get("_values")  # the field that the vectors API reads and writes
        dimension = getattr(field, "dimension", None)
        return Shape(dimension, getattr(field, "metric", None), "dense" if dimension else "other")

    def host(self) -> str:
        """The index's own host, without a scheme."""
        self._get_index()
        assert self._index is not None
        return self._index.host.partition("://")[2] or self._index.host

    def close(self) -> None:
        """Close the connections, if any were opened."""
        with self._lock:
            for opened in (self._index, self._client):
                if opened is not None:
                    opened.close()

    def _get_index(self) -> Index:
        with self._lock:
            if self._index is None:
                host = self._index_host or (self._described or self._describe()).host
                if host is None:
                    raise VectorStoreUnavailable(f"Pinecone is still making index {self._name}; wait for it")
                self._index = self._get_client().index(host=host)
            return self._index

    def _describe(self) -> IndexModel:
        """The description of the index in the control plane now."""
        from pinecone.errors import PineconeError

        try:
            self._described = self._get_client().indexes.describe(self._name)
        except PineconeError as error:
            failure = translate_error(error, f"looking up index {self._name}", self._api_key)
        else:
            return self._described
        raise failure

    def _get_client(self) -> Pinecone:
        """The client, made at the first request: importing the SDK takes a while."""
        from pinecone import Pinecone

        with self._lock:
            if self._client is None:
                self._client = Pinecone(self._api_key, host=self._controller_host, timeout=self._timeout)
            return self._client


_HOST = re.compile(r"localhost|[\w.-]+\.[\w.-]+|[0-9a-f:.]+:[0-9a-f:.]*")  # a name with a dot, or an address
_slots: dict[str, threading.BoundedSemaphore] = {}
_slots_lock = threading.Lock()


def _shared_slots(index: str) -> threading.BoundedSemaphore:
    """One limit per index for the whole process, however many stores speak to it."""
    with _slots_lock:
        return _slots.setdefault(index, threading.BoundedSemaphore(MAX_IN_FLIGHT))


def validate_host(setting: str, host: str | None) -> str | None:
    """The address, which may have no scheme; None if none is set.

    Raises ConfigurationError for an invalid one, and for plain http to another machine.
    """
    address = (host or "").strip().rstrip("/")
    if not address:
        return None
    try:
        url = urlsplit(address if "://" in address else f"https://{address}")
        name, port = url.hostname or "", url.port
    except ValueError:
        name, port = "", None
    if port == 0 or not _HOST.fullmatch(name) or url.scheme not in ("http", "https"):
        raise ConfigurationError(f"{setting} is no address of a host; it looks like https://api.example.com")
    if url.scheme == "http" and not is_loopback(name):
        raise ConfigurationError(
            f"{setting} begins with http://, which would show the key to the network; use https://"
        )
    return address
