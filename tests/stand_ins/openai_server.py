"""A strict stand-in for the OpenAI embeddings API, on 127.0.0.1 only. The official SDK talks to it unpatched.

Limits, error bodies and headers follow what was seen on the wire (contracts.md section 4). Vectors are of unit
length and depend on the text and the dimension alone.

    with OpenAIServer() as server:                     # in a test: a thread of its own
        server.faults.append(Fault("rate_limit", headers={"retry-after-ms": "1"}))

    python -m tests.stand_ins.openai_server 5090 --fixed-ms 20 --per-input-ms 0.05      # on its own

Over HTTP: POST /v1/embeddings · GET /stats · POST /reset · POST /faults `[{"kind": "server_error"}]`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
import orjson
from aiohttp import web

KEY = "sk-stand-in-0123456789abcdef"
REFUSED_MARK = "REFUSE-ME"  # an input that holds this is refused, as the service refuses what it cannot read
MODELS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
_NOISE = np.random.Generator(np.random.PCG64(7)).standard_normal(1 << 20, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with the next request. Kinds: see `_FAULTS` and `_SPOILERS`."""

    kind: str
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0  # how long "slow" takes
    message: str = ""  # in place of the usual one


@dataclass(slots=True)
class Stats:
    """What the server has seen. `inputs` and `tokens` count what was answered, so what would be billed."""

    requests: int = 0
    answered: int = 0
    inputs: int = 0
    tokens: int = 0
    largest: int = 0
    now: int = 0
    at_once: int = 0


class Refusal(Exception):
    """An error answer in OpenAI's shape."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        kind = {401: "invalid_request_error", 429: "requests", 500: "server_error"}.get(status, "invalid_request_error")
        if code == "insufficient_quota":
            kind = "insufficient_quota"
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}

    def response(self, headers: dict[str, str] | None = None) -> web.Response:
        return web.Response(
            status=self.status, body=orjson.dumps(self.body), headers=headers, content_type="application/json"
        )


_FAULTS = {
    "invalid_key": (
        401,
        "Incorrect API key provided: {key}. You can find your API key at the site.",
        "invalid_api_key",
    ),
    "forbidden": (403, "Country, region, or territory not supported", "unsupported_country_region_territory"),
    "rate_limit": (429, "Rate limit reached for text-embedding-3-small: Limit 3000, Used 3000.", "rate_limit_exceeded"),
    "insufficient_quota": (429, "You exceeded your current quota, please check your plan.", "insufficient_quota"),
    "server_error": (500, "The server had an error while processing your request.", None),
    "unavailable": (503, "The engine is currently overloaded, please try again later.", None),
}


def vector(text: str, dimension: int) -> np.ndarray:
    """A unit vector from the hash of the text: two windows of one table of noise, added."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    span = len(_NOISE) - dimension
    first, second = (int.from_bytes(half, "little") % span for half in (digest[:4], digest[4:]))
    found = _NOISE[first : first + dimension] + _NOISE[second : second + dimension]
    return found / np.float32(np.sqrt(np.dot(found, found)))


def count_tokens(text: str) -> int:
    return len(text) // 3 + 1


def check(body: dict[str, Any]) -> tuple[list[str], int]:
    """The inputs and the dimension of a request, or the refusal it deserves."""
    native = MODELS.get(body.get("model", ""))
    if native is None:
        raise Refusal(404, f"The model `{body.get('model')}` does not exist.", "model_not_found")
    dimension = body.get("dimensions", native)
    if "dimensions" in body and body["model"] == "text-embedding-ada-002":
        raise Refusal(400, "This model does not support specifying dimensions.", param="dimensions")
    if not isinstance(dimension, int) or not 1 <= dimension <= native:
        raise Refusal(400, f"Invalid value for 'dimensions': must be at most {native}.", param="dimensions")
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, "'$.input' is invalid. Please check the API reference.", param=None)
    check_inputs(texts)
    return texts, dimension


def check_inputs(texts: list[str]) -> None:
    if len(texts) > 2048:
        raise Refusal(400, "Invalid 'input': array too long. Expected at most 2048.", "array_above_max_length", "input")
    if any(text == "" for text in texts):
        raise Refusal(400, "'$.input' is invalid: an input must not be an empty string.", param=None)
    if any(REFUSED_MARK in text for text in texts):
        raise Refusal(400, "'$.input' is invalid. Please check the API reference.", param=None)
    sizes = [count_tokens(text) for text in texts]
    if max(sizes) > 8192:
        message = f"This model's maximum context length is 8192 tokens, however you requested {max(sizes)} tokens."
        raise Refusal(400, message, "context_length_exceeded")
    if sum(sizes) > 300_000:
        message = f"Requested {sum(sizes)} tokens, max 300000 tokens per request"
        raise Refusal(400, message, "max_tokens_per_request")


def encoded(text: str, dimension: int, as_base64: bool) -> Any:
    found = vector(text, dimension)
    return base64.b64encode(found.tobytes()).decode() if as_base64 else found


def _all(number: float) -> Callable[[list[dict[str, Any]]], None]:
    """Puts one number in every place of the first vector."""

    def spoil(data: list[dict[str, Any]]) -> None:
        length = len(base64.b64decode(data[0]["embedding"])) // 4
        data[0]["embedding"] = base64.b64encode(np.full(length, number, dtype="<f4").tobytes()).decode()

    return spoil


def _short_vector(data: list[dict[str, Any]]) -> None:
    data[0]["embedding"] = data[0]["embedding"][:16]


def _same_index(data: list[dict[str, Any]]) -> None:
    for item in data:
        item["index"] = 0


# What a broken answer with status 200 can look like: each spoils the list of embeddings in place.
_SPOILERS = {
    "wrong_count": lambda data: data.pop(),
    "out_of_order": lambda data: data.reverse(),
    "same_index": _same_index,
    "nan": _all(np.nan),
    "infinite": _all(np.inf),
    "zero": _all(0.0),
    "short_vector": _short_vector,
}


class OpenAIServer:
    """The server, its counters and its queue of faults. A context manager: runs in a thread of its own."""

    def __init__(self, port: int = 0, fixed_ms: float = 0.0, per_input_ms: float = 0.0, key: str | None = KEY) -> None:
        self.port, self.fixed_ms, self.per_input_ms, self.key = port, fixed_ms, per_input_ms, key
        self.faults: deque[Fault] = deque()
        self.headers_seen: deque[dict[str, str]] = deque(maxlen=100)
        self.bodies_seen: deque[dict[str, Any]] = deque(maxlen=100)
        self._stats = Stats()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="openai-stand-in", daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def stats(self) -> Stats:
        return replace(self._stats)

    def reset(self) -> None:
        self._stats = Stats()
        self.faults.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the stand-in did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self.serve())

    async def serve(self, announce: bool = False) -> None:
        """Serves until told to stop; announces its address on stdout once it listens."""
        self._stopped = asyncio.Event()
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        if announce:
            print(self.base_url, flush=True)  # noqa: T201 – who started the process waits for this line
        try:
            await self._stopped.wait()
        finally:
            await runner.cleanup()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/embeddings", self._embeddings)
        app.router.add_get("/stats", self._show_stats)
        app.router.add_post("/reset", self._reset)
        app.router.add_post("/faults", self._queue_faults)
        return app

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        started = asyncio.get_running_loop().time()
        stats = self._stats
        stats.requests += 1
        stats.now += 1
        stats.at_once = max(stats.at_once, stats.now)
        try:
            return await self._answer(request, started)
        except Refusal as refusal:
            return refusal.response()
        finally:
            stats.now -= 1

    async def _answer(self, request: web.Request, started: float) -> web.StreamResponse:
        raw = await request.read()
        fault = self.faults.popleft() if self.faults else Fault("none")
        if early := await self._fail_early(request, fault):
            return early
        self._authorize(request)
        body = orjson.loads(raw)
        self.headers_seen.append(dict(request.headers))
        self.bodies_seen.append(body)
        texts, dimension = check(body)
        answer = self._embed(texts, dimension, body, fault)
        busy = (self.fixed_ms + self.per_input_ms * len(texts)) / 1000
        await asyncio.sleep(max(0.0, busy - (asyncio.get_running_loop().time() - started)))
        if fault.kind == "truncated":
            return await _cut_short(request, answer)
        return web.Response(body=answer, content_type="application/json")

    def _authorize(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not given:
            raise Refusal(401, "You didn't provide an API key.")
        if self.key is not None and given != self.key:
            raise Refusal(401, f"Incorrect API key provided: {given}.", "invalid_api_key")

    async def _fail_early(self, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """The faults that come before any work; `None` where the request goes on."""
        if fault.kind in _FAULTS:
            status, message, code = _FAULTS[fault.kind]
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            return Refusal(status, (fault.message or message).replace("{key}", given), code).response(fault.headers)
        if fault.kind == "refused":
            return Refusal(400, fault.message).response(fault.headers)
        if fault.kind == "garbage":
            return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
        if fault.kind == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault.kind == "slow":
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), fault.seconds)
        return None

    def _embed(self, texts: list[str], dimension: int, body: dict[str, Any], fault: Fault) -> bytes:
        as_base64 = body.get("encoding_format") == "base64" and fault.kind != "floats"
        data = [
            {"object": "embedding", "index": index, "embedding": encoded(text, dimension, as_base64)}
            for index, text in enumerate(texts)
        ]
        tokens = sum(map(count_tokens, texts))
        stats = self._stats
        stats.answered += 1
        stats.inputs += len(texts)
        stats.tokens += tokens
        stats.largest = max(stats.largest, len(texts))
        if fault.kind in _SPOILERS:
            _SPOILERS[fault.kind](data)
        answer = {"object": "list", "data": data, "model": body["model"]}
        if fault.kind != "no_usage":
            answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)

    async def _show_stats(self, _: web.Request) -> web.Response:
        return web.json_response(asdict(self._stats))

    async def _reset(self, _: web.Request) -> web.Response:
        self.reset()
        return web.json_response({})

    async def _queue_faults(self, request: web.Request) -> web.Response:
        self.faults.extend(Fault(**fault) for fault in await request.json())
        return web.json_response({"queued": len(self.faults)})


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
