"""What the parts allow: the same work by hand, with nothing around it.

calamine → 256 texts a request, 8 at once → base64 → numpy → COPY BINARY, each answer committed with its ledger row.
One table is ledger and store in one; with Pinecone, the vectors go there instead (`limit_pinecone.py`). There are no
versions, batches, tenants, checks, retries or sandbox: what Rowline takes beyond this is their price.
"""

import asyncio
import base64
import hashlib
import json
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import numpy as np
import orjson
import psycopg
import python_calamine

from benchmarks.endpoint import DIMENSION
from benchmarks.limit_pinecone import Pinecone
from benchmarks.surroundings import Counter, PineconeCounter

REQUEST_INPUTS = 256
AT_ONCE = 8
COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_TAIL = struct.pack(">h", -1)
NULL = struct.pack(">i", -1)
TABLE = f"""
CREATE EXTENSION IF NOT EXISTS vector;
DROP TABLE IF EXISTS by_hand;
CREATE TABLE by_hand (hash bytea PRIMARY KEY, row_keys text, body text, embedding vector({DIMENSION}));
"""

Wanted = dict[bytes, tuple[str, list[str]]]


class OtherStore(AbstractAsyncContextManager[Any], Protocol):
    """Where the vectors go, if not into the table."""

    async def upsert(self, keys: list[bytes], vectors: np.ndarray) -> None: ...
    async def delete(self, keys: list[bytes]) -> None: ...


class ByHand:
    """One file, kept indexed in one table."""

    def __init__(self, database: str, endpoint: str, store: OtherStore | None = None) -> None:
        self._database = database
        self._store = store
        self._address = f"{endpoint}/v1/embeddings"
        self._known_file = ""

    async def index(self, path: Path) -> None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest == self._known_file:
            return
        wanted = wanted_rows(path)
        async with (
            self._store or nullcontext(),
            await psycopg.AsyncConnection.connect(self._database) as connection,
        ):
            new = await self._diff(connection, wanted)
            await self._embed(connection, wanted, new)
        self._known_file = digest

    async def _diff(self, connection: psycopg.AsyncConnection[Any], wanted: Wanted) -> list[bytes]:
        """Delete what is gone, move what has moved; returns what has to be embedded."""
        found = await (await connection.execute("SELECT hash, row_keys FROM by_hand")).fetchall()
        held = {row[0]: row[1] for row in found}
        gone = [key for key in held if key not in wanted]
        moved = [
            (",".join(wanted[key][1]), key) for key in held if key in wanted and held[key] != ",".join(wanted[key][1])
        ]
        if gone and self._store:
            await self._store.delete(gone)
        if gone:
            await connection.execute("DELETE FROM by_hand WHERE hash = ANY(%s)", (gone,))
        if moved:
            async with connection.cursor() as cursor:
                await cursor.executemany("UPDATE by_hand SET row_keys = %s WHERE hash = %s", moved)
        return [key for key in wanted if key not in held]

    async def _embed(self, connection: psycopg.AsyncConnection[Any], wanted: Wanted, new: list[bytes]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        answered: asyncio.Queue[tuple[list[bytes], np.ndarray]] = asyncio.Queue(4)
        parts = [new[i : i + REQUEST_INPUTS] for i in range(0, len(new), REQUEST_INPUTS)]
        async with aiohttp.ClientSession() as session:

            async def ask(part: list[bytes]) -> None:
                async with gate:
                    texts = [wanted[key][0] for key in part]
                    body = orjson.dumps({"model": "stand-in", "input": texts, "encoding_format": "base64"})
                    kind = {"content-type": "application/json"}
                    async with session.post(self._address, data=body, headers=kind) as response:
                        response.raise_for_status()
                        data = orjson.loads(await response.read())["data"]
                    flat = b"".join([base64.b64decode(item["embedding"]) for item in data])
                    await answered.put((part, np.frombuffer(flat, "<f4").reshape(len(part), -1)))

            asked = [asyncio.create_task(ask(part)) for part in parts]
            stored = []
            for _ in asked:
                part, vectors = await answered.get()
                if self._store:
                    stored.append(asyncio.create_task(self._store.upsert(part, vectors)))
                await keep(connection, wanted, part, None if self._store else vectors)
            await asyncio.gather(*stored)


def wanted_rows(path: Path) -> Wanted:
    """Text hash → the text and the keys of its rows."""
    header, *rows = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    wanted: Wanted = {}
    seen: dict[str, int] = {}
    for row in rows:
        key = str(row[0])
        seen[key] = seen.get(key, -1) + 1
        text = "\n".join(f"{name}: {whole(cell)}" for name, cell in zip(header, row, strict=True))
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        wanted.setdefault(digest, (text, []))[1].append(f"{key}#{seen[key]}")
    return wanted


def whole(cell: Any) -> Any:
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


async def keep(
    connection: psycopg.AsyncConnection[Any], wanted: Wanted, part: list[bytes], vectors: np.ndarray | None
) -> None:
    """One answer, committed."""
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY by_hand FROM STDIN (FORMAT BINARY)") as copy,
    ):
        await copy.write(b"".join((COPY_HEAD, *copy_fields(wanted, part, vectors), COPY_TAIL)))
    await connection.commit()


def copy_fields(wanted: Wanted, part: list[bytes], vectors: np.ndarray | None) -> Iterator[bytes]:
    numbers = [NULL] * len(part) if vectors is None else [*vector_values(vectors)]
    for key, vector in zip(part, numbers, strict=True):
        text, row_keys = wanted[key]
        yield struct.pack(">h", 4)
        for value in (key, ",".join(row_keys).encode(), text.encode()):
            yield struct.pack(">i", len(value))
            yield value
        yield vector


def vector_values(vectors: np.ndarray) -> Iterator[bytes]:
    length = vectors.shape[1]
    head = struct.pack(">ihh", 4 + 4 * length, length, 0)
    for vector in vectors.astype(">f4"):
        yield head + vector.tobytes()


def main() -> None:
    """Reads {database, endpoint, files, pinecone} as an argument, writes the seconds and counts of each phase."""
    job = json.loads(sys.argv[1])
    counter, at_store = Counter(job["endpoint"]), PineconeCounter(job.get("pinecone"))
    with psycopg.connect(job["database"], autocommit=True) as connection:
        connection.execute(TABLE)
    store = Pinecone(job["pinecone"]) if job.get("pinecone") else None
    by_hand = ByHand(job["database"], job["endpoint"], store)
    results = {}
    for phase, path in job["files"].items():
        counter.reset()
        at_store.reset()
        started = time.perf_counter()
        asyncio.run(by_hand.index(Path(path)))
        results[phase] = {"seconds": time.perf_counter() - started, **counter.read(), **at_store.read()}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
