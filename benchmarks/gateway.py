"""How soon events are acknowledged, and how many a second: `rowline gateway` against the least that can do it.

Real server processes and one embedded PostgreSQL with fsync; clients that each wait for their answer before they send
again. `python -m benchmarks.gateway` prints Markdown.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.surroundings import PROJECT, environment, free_port, home, measured, wait_until

CLIENTS, MANY, SENDS_OF_MANY, ROUNDS = 50, 500, 10, 3
START_SECONDS = 120
EVENT = {"name": "benchmark/sent", "data": {"documentId": "doc", "note": "가나다 " * 20}, "ts": 1_795_230_413_644}
KEY = "benchmark-event-key-0123456789abcdef0123456789"


def measure(events: int, say: Any) -> list[dict[str, Any]]:
    """Each server in turn, three times: so that what the machine does meanwhile meets both."""
    results: list[dict[str, Any]] = []
    with home() as folder:
        settings = environment(
            folder,
            EMBEDDING_PROVIDER="local",
            GATEWAY_PORT=str(free_port()),
            INNGEST_EVENT_KEY=KEY,
            LOG_LEVEL="warning",
        )
        settings["EVENT_REQUESTS_PER_MINUTE"] = "100000000"
        servers = {
            "Rowline": ([sys.executable, "-m", "gateway.cli.main", "gateway"], int(settings["GATEWAY_PORT"])),
            "limit": ([sys.executable, "-m", "benchmarks.limit_gateway", str(limit := free_port()), ""], limit),
        }
        with served(*servers["Rowline"], settings, folder):  # makes the database, and keeps it up
            servers["limit"][0][-1] = database_of(folder)
            with served(*servers["limit"], settings, folder):
                for number in range(ROUNDS):
                    for name, (_, port) in servers.items():
                        say(f"gateway: {name}, round {number + 1}")
                        job = {"port": port, "events": events}
                        results.append({"server": name, **measured("benchmarks.gateway", job, folder, settings)})
    return results


@contextmanager
def served(command: Sequence[str], port: int, settings: Mapping[str, str], folder: Path) -> Iterator[None]:
    """A server inside the block."""
    with (folder / "servers.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env={**settings, "PYTHONPATH": str(PROJECT)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: asyncio.run(answers(port)), START_SECONDS, command[2])
            yield
        finally:
            process.terminate()
            process.wait()


async def answers(port: int) -> bool:
    return bool(await crowd(port, request([EVENT]), sends=1))


def database_of(folder: Path) -> str:
    return f"postgresql://postgres@/postgres?host={folder / 'postgres'}"


# -- the clients, in a process of their own ---------------------------------------------------------------------------


async def clients(port: int, events: int) -> dict[str, Any]:
    """One event a send from many clients, then many events a send from one."""
    single = request([EVENT])
    await crowd(port, single, CLIENTS * 4)  # warm
    started = time.perf_counter()
    seconds = await crowd(port, single, events)
    spent = time.perf_counter() - started
    many = await crowd(port, request([EVENT] * MANY), SENDS_OF_MANY, clients=1)
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "rate": events / spent, "many": median(many)}


async def crowd(port: int, body: bytes, sends: int, clients: int = CLIENTS) -> list[float]:
    """Seconds of each send; every client has one connection, and an answer before its next send."""
    left = iter(range(sends))
    seconds: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            started = time.perf_counter()
            writer.write(body)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            answer = await reader.readexactly(length)
            seconds.append(time.perf_counter() - started)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
        writer.close()

    await asyncio.gather(*[one() for _ in range(clients)])
    return seconds


def request(events: Sequence[Mapping[str, Any]]) -> bytes:
    body = json.dumps(events).encode()
    head = (
        f"POST /e/{KEY} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def table(results: Sequence[Mapping[str, Any]], events: int) -> str:
    """Medians over the rounds, and Rowline's ratio to the limit of the same round."""
    rows = {name: [one for one in results if one["server"] == name] for name in ("Rowline", "limit")}
    lines = [f"| {events:,} events, {CLIENTS} clients | Rowline | limit | ratio |", "|---|---|---|---|"]
    for title, key, scale, unit in (
        ("acknowledged, p50", "p50", 1000, "ms"),
        ("acknowledged, p99", "p99", 1000, "ms"),
        ("events a second, one a send", "rate", 1, ""),
        (f"{MANY} events in one send", "many", 1000, "ms"),
    ):
        ours, least = ([one[key] * scale for one in rows[name]] for name in ("Rowline", "limit"))
        ratio = median(a / b for a, b in zip(ours, least, strict=True))
        lines.append(f"| {title} | {median(ours):,.1f} {unit} | {median(least):,.1f} {unit} | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        job = json.loads(sys.argv[1])
        print(json.dumps(asyncio.run(clients(job["port"], job["events"]))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=3_000)
    events = parser.parse_args().events
    load = os.getloadavg()[0]
    results = measure(events, lambda line: print(line, file=sys.stderr))
    print(table(results, events))
    print(f"\nLoad before and after: {load:.1f}, {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores.")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
