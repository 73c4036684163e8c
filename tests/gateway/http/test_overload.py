"""Many at once: requests wait for each other, and none fails, though the ledger has fewer connections than callers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import uvicorn

from gateway.app import create_app
from gateway.http import openapi
from operations.services import Services
from tests.gateway.http.acting import indexed
from tests.gateway.http.conftest import MakeKey
from tests.laws.deployment import Deployment, items

CALLERS, EACH = 100, 4


@pytest.fixture
def address(services: Services) -> Iterator[str]:
    """A real server over the test's deployment."""
    server = uvicorn.Server(uvicorn.Config(create_app(services), port=0, log_level="critical", lifespan="off"))
    ready = threading.Event()
    startup = server.startup

    async def started(sockets: list[object] | None = None) -> None:
        await startup(sockets)  # type: ignore[arg-type]
        ready.set()

    server.startup = started  # type: ignore[assignment]
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ready.wait(30)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


@pytest.mark.slow
def test_a_hundred_callers_at_once_are_all_answered(address: str, rowline: Deployment, shown_by: MakeKey) -> None:
    document = indexed(rowline, items("anvil", "bellows")).document_id
    assert rowline.services.settings.database_pool_size * 5 <= CALLERS
    paths = (
        "/documents",
        f"/documents/{document}",
        f"/api/documents/{document}/status",
        "/search?q=anvil",
        f"/documents/{document}/versions/1/file",
    )
    headers = shown_by("acme", "upload", "search")
    together = threading.Barrier(CALLERS)

    def called(number: int) -> list[int]:
        with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
            together.wait(60)
            answer = [client.get(paths[(number + turn) % len(paths)]).status_code for turn in range(EACH)]
            sent = client.post("/documents", files={"file": (f"{number}.csv", f"item\n{number}\n".encode())})
            return [*answer, sent.status_code]

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = Counter(status for answer in pool.map(called, range(CALLERS)) for status in answer)
    assert answers == {200: CALLERS * EACH, 201: CALLERS}


def test_the_description_is_made_once_also_for_many_first_requests(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every route asks it for its parameters; made by several threads at once, one of them failed now and then."""
    app, made, together = create_app(services), [], threading.Barrier(8)
    true = openapi.get_openapi
    monkeypatch.setattr(openapi, "get_openapi", lambda **more: (made.append(1), true(**more))[1])

    def asked(_: int) -> dict[str, object]:
        together.wait(30)
        return app.openapi()

    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(asked, range(8))
    assert len(made) == 1
    assert all(other is first for other in others)
