"""A stand-in for an OpenAI-compatible embeddings endpoint on 127.0.0.1: `python -m benchmarks.endpoint PORT`.

It answers after `--fixed-ms` plus `--per-input-ms` for each input with unit vectors that depend on the input only, and
counts. It checks nothing, because what it does is on the clock: the strict one is `tests/stand_ins`.
"""

import argparse
import asyncio
import base64
import hashlib
import time
from dataclasses import asdict, dataclass

import numpy as np
import orjson
from aiohttp import web

DIMENSION = 1536
LARGEST_BODY = 64 * 2**20


@dataclass(slots=True)
class Counts:
    """What was asked since the last reset."""

    requests: int = 0
    inputs: int = 0
    largest: int = 0
    at_once: int = 0
    under_way: int = 0


class Endpoint:
    def __init__(self, fixed_ms: float, per_input_ms: float) -> None:
        self._fixed = fixed_ms / 1000
        self._per_input = per_input_ms / 1000
        self._counts = Counts()
        self._numbers = np.random.Generator(np.random.PCG64(7)).standard_normal(1 << 20, dtype=np.float32)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY)
        app.add_routes(
            [
                web.post("/v1/embeddings", self.embeddings),
                web.get("/counts", self.counts),
                web.post("/reset", self.reset),
            ]
        )
        return app

    async def embeddings(self, request: web.Request) -> web.Response:
        started = time.perf_counter()
        counts = self._counts
        counts.under_way += 1
        counts.at_once = max(counts.at_once, counts.under_way)
        try:
            body = orjson.loads(await request.read())
            inputs = [body["input"]] if isinstance(body["input"], str) else body["input"]
            counts.requests += 1
            counts.inputs += len(inputs)
            counts.largest = max(counts.largest, len(inputs))
            answer = self._answer(inputs, body.get("dimensions") or DIMENSION)
            taken = time.perf_counter() - started
            await asyncio.sleep(max(0.0, self._fixed + self._per_input * len(inputs) - taken))
            return web.Response(body=answer, content_type="application/json")
        finally:
            counts.under_way -= 1

    async def counts(self, _: web.Request) -> web.Response:
        return web.json_response(asdict(self._counts))

    async def reset(self, _: web.Request) -> web.Response:
        self._counts = Counts()
        return web.json_response({})

    def _answer(self, inputs: list[str], dimension: int) -> bytes:
        data = [
            {"object": "embedding", "index": i, "embedding": base64.b64encode(self._vector(text, dimension)).decode()}
            for i, text in enumerate(inputs)
        ]
        tokens = sum(len(text) // 3 + 1 for text in inputs)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return orjson.dumps({"object": "list", "data": data, "model": "stand-in", "usage": usage})

    def _vector(self, text: str, dimension: int) -> bytes:
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        span = len(self._numbers) - dimension
        first, second = (int.from_bytes(half, "little") % span for half in (digest[:4], digest[4:]))
        vector = self._numbers[first : first + dimension] + self._numbers[second : second + dimension]
        return (vector / np.float32(np.sqrt(np.dot(vector, vector)))).tobytes()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("port", type=int)
    options.add_argument("--fixed-ms", type=float, default=20)
    options.add_argument("--per-input-ms", type=float, default=0.05)
    chosen = options.parse_args()
    endpoint = Endpoint(chosen.fixed_ms, chosen.per_input_ms)
    web.run_app(endpoint.app(), host="127.0.0.1", port=chosen.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
