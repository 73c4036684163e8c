"""A gateway on a port of its own over one test's deployment, and a browser that looks at it."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from starlette.testclient import TestClient

from domain.access.api_keys import mint_key
from gateway.app import create_app
from tests.gateway.http.conftest import client, key_of

if TYPE_CHECKING:
    from operations.services import Services
    from resources.ledger.documents.documents import Version
    from tests.laws.deployment import Deployment

__all__ = ("client", "key_of")  # fixtures of next door
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OURS = {**HTML, "Sec-Fetch-Site": "same-origin"}
Questions = Callable[[str], int]
REFUSED = re.compile("responded with a status of 4[0-9][0-9]")  # what a test provokes, and then looks at
NO_CHROMIUM = "These tests need a browser: `make browser` installs one, or says what to do"


@pytest.fixture
def person(client: TestClient, key_of: Callable[..., str]) -> TestClient:
    """A browser that signed in to acme."""
    return signed_in(client, key_of("acme", "admin"))


def signed_in(client: TestClient, key: str) -> TestClient:
    client.headers.update(OURS)
    client.base_url = "http://localhost"  # type: ignore[assignment]
    answer = client.post("/sign-in", data={"key": key}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    return client


@pytest.fixture
def questions(person: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch) -> Questions:
    """How many transactions a page takes: `questions("/")`."""
    real, asked = services.database.transaction, []

    def counted(*given: Any, **named: Any) -> Any:
        asked.append(given)
        return real(*given, **named)

    def of_page(path: str) -> int:
        asked.clear()
        assert person.get(path).status_code == 200
        return len(asked)

    monkeypatch.setattr(services.database, "transaction", counted)
    return of_page


@pytest.fixture
def site(services: Services) -> Iterator[str]:
    """The address of the gateway, served by uvicorn in a thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(services), log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless. Without one, the tests fail and say what to install.

    Of a module, not of the session: while it is open, an event loop runs in this thread, which Dagster cannot bear.
    """
    path = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    assert path, NO_CHROMIUM
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Visit:
    """A person's browser. `complaints` are what it wrote to its console: broken scripts, refusals of the policy."""

    context: BrowserContext
    page: Page
    site: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.site + path)

    def note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not REFUSED.search(message.text):
            self.complaints.append(message.text)


Visitor = Callable[..., Visit]
Processed = Callable[[str], "Version"]


@pytest.fixture
def visitor(browser: Browser, site: str, services: Services) -> Iterator[Visitor]:
    """Opens a browser: `visitor("ko-KR")`, signed in to acme unless `organization` is None. Ends with no complaint."""
    visits: list[Visit] = []

    def visited(language: str = "en-US", organization: str | None = "acme", **more: object) -> Visit:
        # a small window that stands still: most of these tests' time goes into painting
        more = {"viewport": {"width": 800, "height": 600}, "reduced_motion": "reduce", **more}
        context = browser.new_context(locale=language, timezone_id="Asia/Seoul", base_url=site, **more)  # type: ignore[arg-type]
        context.set_default_timeout(10_000)
        visit = Visit(context, context.new_page(), site)
        visit.page.on("console", visit.note)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visits.append(visit)
        if organization:
            new = mint_key(services.settings.environment)
            services.ledger.api_keys.put(new, organization, "test", frozenset(("admin",)))
            context.request.post("/sign-in", form={"key": new.text}, headers={"Sec-Fetch-Site": "same-origin"})
        return visit

    yield visited
    for visit in visits:
        visit.context.close()
    assert [visit.complaints for visit in visits] == [[] for _ in visits]


@pytest.fixture
def processed(rowline: Deployment) -> Iterator[Processed]:
    """Runs a document's graph, in a thread: the browser's event loop sits in this one, and Dagster wants its own."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda document_id: thread.submit(rowline.process, document_id).result()
