"""What a measured process stands on: a home of its own, a free port, the stand-in endpoint, a quiet environment."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
OURS = (
    "ROWLINE",
    "DATABASE",
    "EMBED",
    "OPENAI",
    "VECTOR",
    "PINECONE",
    "OBJECT",
    "S3",
    "BATCH",
    "DAGSTER",
    "INNGEST",
    "AWS",
    "RUN_LAUNCHER",
    "MAX_CONCURRENT_RUNS",
)
READY_SECONDS = 30


class Counter:
    """The endpoint's own counts, over HTTP."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def reset(self) -> None:
        _fetch(f"{self._endpoint}/reset", b"")

    def read(self) -> dict[str, int]:
        """requests, inputs, largest, at_once."""
        counts: dict[str, int] = _fetch(f"{self._endpoint}/counts")
        del counts["under_way"]
        return counts


class PineconeCounter:
    """What the stand-in for Pinecone has seen, over HTTP; counts nothing where there is none."""

    def __init__(self, index_host: str | None) -> None:
        self._host = index_host
        self._before: dict[str, int] = {}

    def reset(self) -> None:
        self._before = self._totals()

    def read(self) -> dict[str, dict[str, int]]:
        """store: upserts, deletes, vectors, deleted, bytes (sent to it) and the largest body since `reset`."""
        now = self._totals()
        return {"store": {name: now[name] - self._before.get(name, 0) for name in now}} if now else {}

    def _totals(self) -> dict[str, int]:
        if self._host is None:
            return {}
        results = _fetch(f"{self._host}/stats")
        return {
            "upserts": results["requests"].get("upsert", 0),
            "deletes": results["requests"].get("delete", 0),
            "requests": sum(results["requests"].values()),
            "vectors": results["vectors"],
            "deleted": results["deleted"],
            "bytes": sum(results["bytes_in"].values()),
        }


@contextmanager
def pinecone(dimension: int, latency_ms: float) -> Iterator[str]:
    """The address of a strict stand-in for Pinecone that ends with this block."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    options = ["--dimension", str(dimension), "--fixed-ms", str(latency_ms)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.stand_ins.pinecone_server", str(port), *options],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: bool(_fetch(f"{address}/stats")), READY_SECONDS, "the stand-in for Pinecone")
        yield address
    finally:
        process.terminate()
        process.wait()


@contextmanager
def home() -> Iterator[Path]:
    """A folder that is gone afterwards; its path is short, because the database's socket lies in it."""
    folder = Path(tempfile.mkdtemp(prefix="rl-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the stand-in endpoint takes, in milliseconds."""

    fixed: float = 20
    per_input: float = 0.05


@contextmanager
def endpoint(latency: Latency) -> Iterator[str]:
    """The address of a stand-in endpoint that ends with this block."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "benchmarks.endpoint", str(port)]
    options = ["--fixed-ms", str(latency.fixed), "--per-input-ms", str(latency.per_input)]
    process = subprocess.Popen([*command, *options], cwd=PROJECT)
    try:
        wait_until(lambda: bool(_fetch(f"{address}/counts")), READY_SECONDS, "the stand-in endpoint")
        yield address
    finally:
        process.terminate()
        process.wait()


def wait_until(holds: Any, seconds: float, what: str, every: float = 0.05) -> None:
    """Poll until `holds()` is true; connection errors count as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except (OSError, ValueError, urllib.error.URLError):
            pass
        time.sleep(every)
    raise TimeoutError(f"{what} was not ready after {seconds:.0f} s")


def reachable(address: str) -> bool:
    """Whether something answers there; raises where nobody listens yet."""
    with urllib.request.urlopen(address, timeout=5) as answer:
        return bool(answer.status < 400)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, endpoint_address: str | None = None, **more: str) -> dict[str, str]:
    """This process's environment without any setting of ours, then those of the measured process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    settings = {"ROWLINE_HOME": str(folder), "PYTHONPATH": str(PROJECT)}
    if endpoint_address:
        settings |= {
            "EMBEDDING_PROVIDER": "openai",
            "OPENAI_API_KEY": "benchmark",
            "OPENAI_BASE_URL": f"{endpoint_address}/v1",
        }
    return kept | settings | more


def measured(module: str, job: Mapping[str, Any], folder: Path, settings: Mapping[str, str]) -> Any:
    """Run a module as a process of its own; the JSON of its last line. Its log is kept in the home."""
    with (folder / "log").open("ab") as log:
        ended = subprocess.run(
            [sys.executable, "-m", module, json.dumps(job)],
            env=dict(settings),
            cwd=folder,  # no .env of the project's is read
            stdout=subprocess.PIPE,
            stderr=log,
            check=False,
        )
    if ended.returncode:
        tail = (folder / "log").read_text("utf-8", "replace")[-3000:]
        raise RuntimeError(f"{module} ended with {ended.returncode}:\n{tail}")
    return json.loads(ended.stdout.splitlines()[-1])


def _fetch(address: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(address, body, timeout=5) as answer:
        return json.loads(answer.read())
