"""A strict stand-in for Pinecone, on 127.0.0.1 only: control plane and data plane of one index, REST as of 2026-04.

The official SDK talks to it unpatched. Limits, error bodies and headers: contracts.md 3.2 and `pinecone_index`.

    with PineconeServer(dimension=3, lag=math.inf) as server:      # in a test: a thread of its own
        server.faults.append(Fault("rate_limit", "upsert"))
        server.index.settle()

    python -m tests.stand_ins.pinecone_server 5080 --dimension 1536 --fixed-ms 20      # on its own

Operations, as faults and counters name them: describe, upsert, query, fetch, delete, list, namespaces,
delete_namespace, stats. Over HTTP besides: GET /stats · POST /reset.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson
from aiohttp import web

from tests.stand_ins.faults import NONE, Fault, next_fault
from tests.stand_ins.pinecone_index import PAGE, Index, Refusal
from tests.stand_ins.serving import Served

KEY = "pcsk_stand_in_0123456789abcdef"
NAME = "rowline"
BODY_BYTES = 2_000_000
READS = frozenset({"query", "fetch", "list", "namespaces", "stats"})
WRITES = frozenset({"upsert", "delete", "delete_namespace"})

Answer = Callable[[web.Request, bytes], dict[str, Any]]


@dataclass(slots=True)
class Counters:
    """What the server has seen; `vectors` and `deleted` count what was taken, `at_once` the most requests together."""

    requests: Counter[str] = field(default_factory=Counter)
    bytes_in: Counter[str] = field(default_factory=Counter)
    bytes_out: Counter[str] = field(default_factory=Counter)
    vectors: int = 0
    deleted: int = 0
    largest_body: int = 0
    now: int = 0
    at_once: int = 0


class Plain(Exception):
    """An error answer that is not in the data plane's shape."""

    def __init__(self, status: int, body: bytes, content_type: str) -> None:
        super().__init__(status)
        self.status, self.body, self.content_type = status, body, content_type


def control_error(status: int, code: str, message: str) -> Plain:
    body = orjson.dumps({"error": {"code": code, "message": message}, "status": status})
    return Plain(status, body, "application/json")


def fail(fault: Fault, operation: str) -> None:
    """Raises what the service answers when it is in this trouble; returns for the kinds that are no answers."""
    said = fault.message
    match fault.kind:
        case "rate_limit":
            raise Refusal(429, said or "Too many requests: the write rate limit of this namespace is reached", 8)
        case "server_error":
            raise Refusal(500, said or "Internal error", 13)
        case "unavailable":
            raise Plain(503, b"upstream connect error or disconnect/reset before headers", "text/plain")
        case "wrong_key":
            raise Plain(401, (said or "Invalid API Key").encode(), "text/plain")
        case "missing":
            if operation == "describe":
                raise control_error(404, "NOT_FOUND", f"Resource {NAME} not found")
            raise Plain(404, b"", "text/plain")
        case "quota_full":
            raise Refusal(403, said or "Request failed. You've reached the max number of namespaces (100).", 7)
        case "refused":
            raise Refusal(400, said or "Invalid request")


class PineconeServer(Served):
    """The server, its one index, its counters and its queue of faults. A context manager: runs in a thread."""

    def __init__(
        self,
        port: int = 0,
        *,
        dimension: int = 1536,
        metric: str = "cosine",
        lag: float = 0,
        fixed_ms: float = 0.0,
        body_bytes: int = BODY_BYTES,
        key: str | None = KEY,
    ) -> None:
        super().__init__(port, "pinecone-stand-in")
        self.fixed_ms, self.body_bytes, self.key, self.ready = fixed_ms, body_bytes, key, True
        self.faults: deque[Fault] = deque()
        self.vector_field: dict[str, Any] = {"type": "dense_vector", "dimension": dimension, "metric": metric}
        self.fields = {"_values": self.vector_field}
        self._made = (dimension, metric, lag)
        self.reset()

    def reset(self) -> None:
        """An empty index, counters at zero, no faults."""
        self.index = Index(*self._made)
        self.counters = Counters()
        self.faults.clear()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        routes: list[tuple[str, str, str, Answer]] = [
            ("GET", "/indexes/{name}", "describe", self._describe),
            ("POST", "/vectors/upsert", "upsert", self._upsert),
            ("POST", "/query", "query", lambda _, raw: self.index.query(orjson.loads(raw))),
            ("GET", "/vectors/fetch", "fetch", self._fetch),
            ("POST", "/vectors/delete", "delete", self._delete),
            ("GET", "/vectors/list", "list", self._list),
            ("GET", "/namespaces", "namespaces", self._namespaces),
            ("DELETE", "/namespaces/{name:.+}", "delete_namespace", self._drop),
            ("POST", "/describe_index_stats", "stats", lambda *_: self.index.stats()),
        ]
        for method, path, operation, answer in routes:
            app.router.add_route(method, path, self._handler(operation, answer))
        app.router.add_get("/stats", self._show)
        app.router.add_post("/reset", self._reset)
        return app

    # -- one request ------------------------------------------------------------------------------------------

    def _handler(self, operation: str, answer: Answer) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            counters = self.counters
            counters.requests[operation] += 1
            counters.now += 1
            counters.at_once = max(counters.at_once, counters.now)
            try:
                return await self._respond(request, operation, answer)
            except Refusal as refusal:
                return web.Response(status=refusal.status, body=refusal.body, content_type="application/json")
            except Plain as plain:
                return web.Response(status=plain.status, body=plain.body, content_type=plain.content_type)
            finally:
                counters.now -= 1

        return handle

    async def _respond(self, request: web.Request, operation: str, answer: Answer) -> web.StreamResponse:
        raw = await request.read()
        counters = self.counters
        counters.bytes_in[operation] += len(raw)
        counters.largest_body = max(counters.largest_body, len(raw))
        fault = next_fault(self.faults, operation)
        if fault is not NONE and (early := await self._fail_early(request, fault, operation)):
            return early
        if self.key is not None and request.headers.get("Api-Key") != self.key:
            fail(Fault("wrong_key"), operation)
        if not request.headers.get("X-Pinecone-Api-Version"):
            raise Refusal(400, "X-Pinecone-Api-Version is missing")
        if len(raw) > self.body_bytes:
            raise Refusal(413, f"Request size {len(raw)} exceeds the maximum supported size of 2MB", 11)
        body = orjson.dumps(answer(request, raw))
        counters.bytes_out[operation] += len(body)
        headers = self._positions(operation)
        if self.fixed_ms:
            await asyncio.sleep(self.fixed_ms / 1000)
        return await self._spoiled(request, fault, body, headers)

    def _positions(self, operation: str) -> dict[str, str]:
        """Log positions: where a write landed, up to where a read has seen. A read ages what is on its way."""
        if operation in WRITES:
            return {"x-pinecone-request-lsn": str(self.index.lsn)}
        if operation not in READS:
            return {}
        seen = self.index.lsn_seen
        self.index.has_been_read()
        return {"x-pinecone-max-indexed-lsn": str(seen)} if operation == "query" else {}

    async def _fail_early(self, request: web.Request, fault: Fault, operation: str) -> web.StreamResponse | None:
        """The faults that come before any work; `None` where the request goes on."""
        if fault.kind == "reset_before":
            return _cut(request)
        if fault.kind == "timeout":
            await self._stopped.wait()
            return web.Response()
        if fault.kind == "slow":
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), fault.seconds)
        try:
            fail(fault, operation)
        except Refusal as refusal:
            return web.Response(
                status=refusal.status, body=refusal.body, headers=fault.headers, content_type="application/json"
            )
        return None

    async def _spoiled(
        self, request: web.Request, fault: Fault, body: bytes, headers: dict[str, str]
    ) -> web.StreamResponse:
        """The answer, or what the fault leaves of it after the work is done."""
        if fault.kind == "reset_after":
            return _cut(request)
        if fault.kind == "truncated":
            headers |= {"content-length": str(len(body) + 1)}
            response = web.StreamResponse(headers=headers | {"content-type": "application/json"})
            await response.prepare(request)
            await response.write(body)
            assert request.transport is not None
            request.transport.close()
            return response
        if fault.kind == "garbage":
            return web.Response(text=fault.message or "<html>Welcome to the hotel</html>", content_type="text/html")
        if fault.kind == "partial":  # fewer taken than sent, as the answer has it
            body = orjson.dumps({"upsertedCount": orjson.loads(body)["upsertedCount"] - 1})
        return web.Response(body=body, headers=headers, content_type="application/json")

    # -- operations -------------------------------------------------------------------------------------------

    def _describe(self, request: web.Request, _: bytes) -> dict[str, Any]:
        if (name := request.match_info["name"]) != NAME:
            raise control_error(404, "NOT_FOUND", f"Resource {name} not found")
        return {
            "name": NAME,
            "host": self.address,
            "schema": {"fields": self.fields},
            "deployment": {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"},
            "deletion_protection": "disabled",
            "status": {"ready": self.ready, "state": "Ready" if self.ready else "Initializing"},
        }

    def _upsert(self, _: web.Request, raw: bytes) -> dict[str, Any]:
        answer = self.index.upsert(orjson.loads(raw))
        self.counters.vectors += answer["upsertedCount"]
        return answer

    def _delete(self, _: web.Request, raw: bytes) -> dict[str, Any]:
        body = orjson.loads(raw)
        answer = self.index.delete(body)
        self.counters.deleted += len(body.get("ids", ()))
        return answer

    def _drop(self, request: web.Request, _: bytes) -> dict[str, Any]:
        return self.index.drop(unquote(request.match_info["name"]))

    def _fetch(self, request: web.Request, _: bytes) -> dict[str, Any]:
        return self.index.fetch(request.query.getall("ids", []), request.query.get("namespace", "__default__"))

    def _list(self, request: web.Request, _: bytes) -> dict[str, Any]:
        return self.index.page(request.query.get("namespace", "__default__"), *_paging(request))

    def _namespaces(self, request: web.Request, _: bytes) -> dict[str, Any]:
        return self.index.namespaces(*_paging(request))

    async def _show(self, _: web.Request) -> web.Response:
        counters = self.counters
        return web.json_response({name: getattr(counters, name) for name in counters.__slots__})

    async def _reset(self, _: web.Request) -> web.Response:
        self.reset()
        return web.json_response({})


def _paging(request: web.Request) -> tuple[str, int, str]:
    query = request.query
    return query.get("prefix", ""), int(query.get("limit", PAGE)), query.get("paginationToken", "")


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def main() -> None:
    parser = argparse.ArgumentParser(description="Stand-in for Pinecone: one index named " + NAME)
    parser.add_argument("port", type=int)
    parser.add_argument("--dimension", type=int, default=1536)
    parser.add_argument("--metric", default="cosine")
    parser.add_argument("--lag", type=float, default=0, help="reads until a write is seen")
    parser.add_argument("--fixed-ms", type=float, default=0.0, help="what every request takes at least")
    parser.add_argument("--key", default=None, help="the only key to be let in; any key if unset")
    given = parser.parse_args()
    server = PineconeServer(
        given.port,
        dimension=given.dimension,
        metric=given.metric,
        lag=given.lag,
        fixed_ms=given.fixed_ms,
        key=given.key,
    )
    with suppress(KeyboardInterrupt):
        asyncio.run(server.serve(announce=True))


if __name__ == "__main__":
    main()
