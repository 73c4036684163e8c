"""A strict stand-in for the OpenAI API (embeddings, files, batches), on 127.0.0.1 only. The official SDK talks to it.

    with OpenAIServer() as server:                     # in a test: a thread of its own
        server.faults.append(Fault("rate_limit", headers={"retry-after-ms": "1"}))
        server.faults.append(Fault("reset_after", "batches.create"))

    python -m tests.stand_ins.openai_server 5090 --fixed-ms 20 --per-input-ms 0.05      # on its own

Over HTTP: POST /v1/embeddings · POST /v1/files · GET /v1/files/{id}/content · POST, GET /v1/batches ·
GET /v1/batches/{id} · POST /v1/batches/{id}/cancel · and for tests in other processes GET /stats · POST /reset ·
POST /faults `[{"kind": "server_error"}]` · POST /complete.

Operations, as faults name them: embeddings, files.create, files.content, batches.create, batches.list,
batches.retrieve, batches.cancel. Kinds: the common ones (`faults`), and those of `_FAULTS` and `SPOILERS`.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
from aiohttp import web

from tests.stand_ins.faults import Fault, next_fault
from tests.stand_ins.openai_batches import Batches
from tests.stand_ins.openai_embeddings import SPOILERS, Refusal, check, embedding_list
from tests.stand_ins.serving import Served

KEY = "sk-stand-in-0123456789abcdef"


@dataclass(slots=True)
class Stats:
    """What the server has seen. `inputs` and `tokens` count what was answered or lost on its way, so what is billed."""

    requests: int = 0
    answered: int = 0
    inputs: int = 0
    tokens: int = 0
    largest: int = 0
    now: int = 0
    at_once: int = 0


_FAULTS = {
    "wrong_key": (
        401,
        "Incorrect API key provided: {key}. You can find your API key at the site.",
        "invalid_api_key",
    ),
    "forbidden": (403, "Country, region, or territory not supported", "unsupported_country_region_territory"),
    "missing": (404, "The model `text-embedding-3-small` does not exist.", "model_not_found"),
    "rate_limit": (429, "Rate limit reached for text-embedding-3-small: Limit 3000, Used 3000.", "rate_limit_exceeded"),
    "quota_full": (429, "You exceeded your current quota, please check your plan.", "insufficient_quota"),
    "server_error": (500, "The server had an error while processing your request.", None),
    "unavailable": (503, "The engine is currently overloaded, please try again later.", None),
    "gateway_timeout": (504, "upstream request timeout", None),
    "too_many_tokens": (400, "Requested 310000 tokens, max 300000 tokens per request", "max_tokens_per_request"),
    "refused": (400, "", None),
}

Work = Callable[[web.Request, Fault], Awaitable[bytes]]


class OpenAIServer(Served):
    """The server, its counters and its queue of faults. A context manager: runs in a thread of its own."""

    def __init__(self, port: int = 0, fixed_ms: float = 0.0, per_input_ms: float = 0.0, key: str | None = KEY) -> None:
        super().__init__(port, "openai-stand-in")
        self.fixed_ms, self.per_input_ms, self.key = fixed_ms, per_input_ms, key
        self.faults: deque[Fault] = deque()
        self.headers_seen: deque[dict[str, str]] = deque(maxlen=100)
        self.bodies_seen: deque[dict[str, Any]] = deque(maxlen=100)
        self.batches = Batches()
        self._stats = Stats()

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    @property
    def stats(self) -> Stats:
        return replace(self._stats)

    def reset(self) -> None:
        self._stats = Stats()
        self.faults.clear()
        self.batches.reset()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=256 << 20)
        add = app.router.add_route
        add("POST", "/v1/embeddings", self._faulty("embeddings", self._embeddings))
        add("GET", "/v1/files", self._faulty("files.list", self._files))
        add("DELETE", "/v1/files/{id}", self._faulty("files.delete", self._delete))
        add("POST", "/v1/files", self._faulty("files.create", self._upload))
        add("GET", "/v1/files/{id}/content", self._faulty("files.content", self._content))
        add("POST", "/v1/batches", self._faulty("batches.create", self._create))
        add("GET", "/v1/batches", self._faulty("batches.list", self._list))
        add("GET", "/v1/batches/{id}", self._faulty("batches.retrieve", self._retrieve))
        add("POST", "/v1/batches/{id}/cancel", self._faulty("batches.cancel", self._cancel))
        add("GET", "/stats", self._show_stats)
        add("POST", "/reset", self._reset)
        add("POST", "/faults", self._queue_faults)
        add("POST", "/complete", self._complete)
        return app

    # -- every request: counted, and perhaps spoiled ----------------------------------------------------------

    def _faulty(self, operation: str, work: Work) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            stats = self._stats
            counted = operation == "embeddings"
            stats.requests += counted
            stats.now += counted
            stats.at_once = max(stats.at_once, stats.now)
            try:
                return await self._answer(request, next_fault(self.faults, operation), work)
            except Refusal as refusal:
                return refusal.response()
            finally:
                stats.now -= counted

        return handler

    async def _answer(self, request: web.Request, fault: Fault, work: Work) -> web.StreamResponse:
        await (request.post() if request.content_type.startswith("multipart/") else request.read())
        if fault.kind == "reset_before":
            return _cut(request)
        if fault.kind == "garbage":
            return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
        if fault.kind in _FAULTS:
            status, message, code = _FAULTS[fault.kind]
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            return Refusal(status, (fault.message or message).replace("{key}", given), code).response(fault.headers)
        self._authorize(request)
        answer = await work(request, fault)
        if fault.kind == "reset_after":
            return _cut(request)
        if fault.kind in ("slow", "timeout"):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), 30 if fault.kind == "timeout" else fault.seconds)
        if fault.kind == "truncated":
            return await _cut_short(request, answer)
        return web.Response(body=answer, content_type="application/json")

    def _authorize(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not given:
            raise Refusal(401, "You didn't provide an API key.")
        if self.key is not None and given != self.key:
            raise Refusal(401, f"Incorrect API key provided: {given}.", "invalid_api_key")

    # -- embeddings -------------------------------------------------------------------------------------------

    async def _embeddings(self, request: web.Request, fault: Fault) -> bytes:
        started = asyncio.get_running_loop().time()
        body = orjson.loads(await request.read())
        self.headers_seen.append(dict(request.headers))
        self.bodies_seen.append(body)
        texts, dimension = check(body)
        answer = embedding_list(texts, dimension, body, as_floats=fault.kind == "floats")
        stats = self._stats
        stats.answered += 1
        stats.inputs += len(texts)
        stats.tokens += answer["usage"]["prompt_tokens"]
        stats.largest = max(stats.largest, len(texts))
        if fault.kind in SPOILERS:
            SPOILERS[fault.kind](answer["data"])
        if fault.kind == "no_usage":
            del answer["usage"]
        document = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        busy = (self.fixed_ms + self.per_input_ms * len(texts)) / 1000
        await asyncio.sleep(max(0.0, busy - (asyncio.get_running_loop().time() - started)))
        return document

    # -- files and batches ------------------------------------------------------------------------------------

    async def _upload(self, request: web.Request, _: Fault) -> bytes:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        return orjson.dumps(self.batches.upload(str(form.get("purpose")), file.filename, file.file.read()))

    async def _content(self, request: web.Request, _: Fault) -> bytes:
        return self.batches.content(request.match_info["id"])

    async def _files(self, request: web.Request, _: Fault) -> bytes:
        asked = request.query
        if asked.get("order", "desc") != "desc":
            raise Refusal(400, "The stand-in lists the newest first only.", param="order")
        page = self.batches.file_page(asked.get("purpose"), asked.get("after"), int(asked.get("limit", "10000")))
        return orjson.dumps(page)

    async def _delete(self, request: web.Request, _: Fault) -> bytes:
        return orjson.dumps(self.batches.delete(request.match_info["id"]))

    async def _create(self, request: web.Request, _: Fault) -> bytes:
        return orjson.dumps(self.batches.create(orjson.loads(await request.read())))

    async def _list(self, request: web.Request, _: Fault) -> bytes:
        return orjson.dumps(self.batches.page(request.query.get("after"), int(request.query.get("limit", "20"))))

    async def _retrieve(self, request: web.Request, _: Fault) -> bytes:
        return orjson.dumps(self.batches.retrieve(request.match_info["id"]))

    async def _cancel(self, request: web.Request, _: Fault) -> bytes:
        return orjson.dumps(self.batches.cancel(request.match_info["id"]))

    # -- for tests in other processes -------------------------------------------------------------------------

    async def _show_stats(self, _: web.Request) -> web.Response:
        return web.json_response(asdict(self._stats))

    async def _reset(self, _: web.Request) -> web.Response:
        self.reset()
        return web.json_response({})

    async def _queue_faults(self, request: web.Request) -> web.Response:
        self.faults.extend(Fault(**fault) for fault in await request.json())
        return web.json_response({"queued": len(self.faults)})

    async def _complete(self, _: web.Request) -> web.Response:
        return web.json_response({"ended": self.batches.complete()})


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _cut_short(request: web.Request, answer: bytes) -> web.StreamResponse:
    """Promises the whole body, sends half of it, and hangs up."""
    response = web.StreamResponse(headers={"content-type": "application/json", "content-length": str(len(answer))})
    await response.prepare(request)
    await response.write(answer[: len(answer) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


@contextmanager
def openai_server(**settings: Any) -> Iterator[OpenAIServer]:
    """A running stand-in, for fixtures."""
    with OpenAIServer(**settings) as server:
        yield server


def main() -> None:
    parser = argparse.ArgumentParser(description="Stand-in for the OpenAI embeddings API")
    parser.add_argument("port", type=int)
    parser.add_argument("--fixed-ms", type=float, default=0.0)
    parser.add_argument("--per-input-ms", type=float, default=0.0)
    parser.add_argument("--key", default=None, help="the only key to be let in; any key if unset")
    given = parser.parse_args()
    server = OpenAIServer(given.port, given.fixed_ms, given.per_input_ms, given.key)
    with suppress(KeyboardInterrupt):
        asyncio.run(server.serve(announce=True))


if __name__ == "__main__":
    main()
