"""The least that can acknowledge an event: HTTP by hand, one INSERT, one commit, one answer. No keys, no checks.

`python -m benchmarks.limit_gateway PORT DATABASE_URL`
"""

import asyncio
import json
import sys
from uuid import uuid4

import psycopg_pool
import uvloop

CONNECTIONS = 16  # as many as the gateway's two processes have


async def serve(port: int, url: str) -> None:
    async with psycopg_pool.AsyncConnectionPool(url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        async with pool.connection() as connection:
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS limit_events (event_id text PRIMARY KEY, content text)"
            )

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                    events = json.loads(await reader.readexactly(length))
                    ids = [uuid4().hex for _ in events]
                    async with pool.connection() as connection, connection.cursor() as cursor:
                        await cursor.execute(
                            "INSERT INTO limit_events SELECT * FROM unnest(%b::text[], %b::text[])",
                            (ids, [json.dumps(event) for event in events]),
                        )
                    body = json.dumps({"ids": ids, "status": 200}).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            except asyncio.IncompleteReadError:
                writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", port, limit=2**24, backlog=2048) as server:
            await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
