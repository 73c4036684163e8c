"""What Pinecone's REST API allows by hand: bodies of just under 2 MB, 8 at once, no digit more than float32 needs."""

import asyncio
from collections.abc import Iterator
from typing import Self

import aiohttp
import numpy as np
import orjson

KEY = "pinecone-stand-in"  # the stand-in's; nobody else is spoken to
NAMESPACE = "by_hand"
LARGEST_BODY = 2_000_000
AT_ONCE = 8
IDS_A_DELETE = 1000
HEADERS = {"Api-Key": KEY, "content-type": "application/json", "X-Pinecone-Api-Version": "2025-10"}


class Pinecone:
    """Upserts and deletes, nothing else: no retries, no metadata, no checks."""

    def __init__(self, index_host: str) -> None:
        self._host = index_host

    async def __aenter__(self) -> Self:
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._session = aiohttp.ClientSession(headers=HEADERS)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def upsert(self, keys: list[bytes], vectors: np.ndarray) -> None:
        await self._send("/vectors/upsert", bodies(keys, vectors))

    async def delete(self, keys: list[bytes]) -> None:
        parts = (keys[i : i + IDS_A_DELETE] for i in range(0, len(keys), IDS_A_DELETE))
        bodies = (orjson.dumps({"ids": [key.hex() for key in part], "namespace": NAMESPACE}) for part in parts)
        await self._send("/vectors/delete", bodies)

    async def _send(self, path: str, bodies: Iterator[bytes]) -> None:
        async def post(body: bytes) -> None:
            async with self._gate, self._session.post(f"{self._host}{path}", data=body) as response:
                response.raise_for_status()
                await response.read()

        await asyncio.gather(*[post(body) for body in bodies])


def bodies(keys: list[bytes], vectors: np.ndarray) -> Iterator[bytes]:
    """Request bodies under the limit; orjson writes a float32 with as few digits as tell it apart."""
    tail = orjson.dumps({"namespace": NAMESPACE})[1:]
    part: list[bytes] = []
    size = 0
    for key, vector in zip(keys, vectors, strict=True):
        item = orjson.dumps({"id": key.hex(), "values": vector}, option=orjson.OPT_SERIALIZE_NUMPY)
        if part and size + len(item) + 100 > LARGEST_BODY:
            yield b'{"vectors":[' + b",".join(part) + b"]," + tail
            part, size = [], 0
        part.append(item)
        size += len(item) + 1
    if part:
        yield b'{"vectors":[' + b",".join(part) + b"]," + tail
