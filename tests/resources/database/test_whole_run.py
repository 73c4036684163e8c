"""A whole run beside a link that breaks and a server in trouble: at each commit, and at each point by each fault.

The end state is right, a retry works, and what was stored is not paid for twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import dagster as dg
import pytest

from operations.services import Services
from resources.database.connections import Database
from settings.settings import Settings
from tests.conftest import drop_database
from tests.faults.table import fault_line
from tests.grids import kinds
from tests.laws.deployment import STEPS, Deployment, items
from tests.laws.doubles import WordEmbedder
from tests.stand_ins.faults import Fault
from tests.stand_ins.postgres_proxy import PostgresProxy

pytestmark = pytest.mark.slow
BEFORE = items(*(f"thing{n}" for n in range(12)))
AFTER = items(*(f"thing{n}" for n in range(6, 18)))
NEW_INPUTS = 6
INPUTS_IN_FLIGHT = 2 * 8  # of the settings below: what a crash may cost
POINTS = {
    "sign in": "connect",
    "begin": "UPDATE versions v SET run_id",
    "plan": "COPY staged",
    "embeddings": 'COPY "embeddings"',
    "vectors": 'COPY "vectors"',
    "go live": "UPDATE documents SET live_version",
    "sweep": "UPDATE versions v SET indexed_in_store = NULL",
}
EVERY_RUN = ("embeddings",)  # the others end alike: make test-long
STAYING = ("begin", "plan", "embeddings", "vectors", "go live")  # at these a document cannot do without
ONCE = (
    *("reset_before", "reset_after", "timeout", "slow", "truncated", "garbage"),
    *("unavailable", "quota_full", "disk_full", "read_only"),
)
ALWAYS = {"reset_before": "did not answer", "disk_full": "The disk of the database", "read_only": "is read-only"}


@dataclass(frozen=True)
class Story:
    """A database to copy, in which a document's first version is live and its second one waits."""

    template: str
    home: Path
    document: str


@dataclass(frozen=True)
class Scene:
    """A copy of it behind a proxy, and a process just started."""

    proxy: PostgresProxy
    rowline: Deployment
    document: str

    def run(self) -> int:
        """All steps, each tried again as Dagster's policy does; returns how many tries failed."""
        run_id, failed = str(uuid4()), 0
        for asset in STEPS:
            for _ in range(3):
                try:
                    self.rowline.step(asset, self.document, run_id)
                    break
                except dg.Failure as failure:
                    if not failure.allow_retries:
                        raise
                    failed += 1
        return failed

    def paid(self) -> list[str]:
        embedder = self.rowline.services.embedder
        assert isinstance(embedder, WordEmbedder)
        return list(embedder.asked)

    def found(self) -> set[str]:
        return {text.split("\n")[0].removeprefix("item: thing") for text in self.rowline.found("thing", k=50)}

    def assert_right(self) -> None:
        version = self.rowline.services.ledger.documents.latest(self.document)
        assert (version.status, version.error, version.live_version) == ("completed", None, 2)
        assert set(self.rowline.stored()) == self.rowline.promised()
        assert self.found() == set(map(str, range(6, 18)))


Opened = Callable[[], AbstractContextManager[Scene]]


@contextmanager
def deployment(url: str, home: Path, dagster: dg.DagsterInstance) -> Iterator[Deployment]:
    settings = Settings(database_url=url, rowline_home=home, batch_rows=4, embed_request_inputs=8, batches_in_flight=2)
    services = Services(settings)
    services.__dict__["embedder"] = WordEmbedder()
    services.__dict__["database"] = Database(url, pool_seconds=5, answer_seconds=2)
    try:
        yield Deployment(services, dagster)
    finally:
        services.close()


@pytest.fixture(scope="module")
def story(copy_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Story:
    url, home = copy_database(), tmp_path_factory.mktemp("home")
    with dg.DagsterInstance.ephemeral() as dagster, deployment(url, home, dagster) as rowline:
        document = rowline.index(BEFORE).document_id
        rowline.upload(AFTER, document)
    return Story(urlsplit(url).path[1:], home, document)


@pytest.fixture
def opened(
    story: Story,
    copy_database: Callable[..., str],
    server_url: str,
    clean_environment: Path,
    dagster_instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> Opened:
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)

    @contextmanager
    def scene() -> Iterator[Scene]:
        url = copy_database(story.template)
        with (
            PostgresProxy(url) as proxy,
            deployment(proxy.url(query="?connect_timeout=2"), story.home, dagster_instance) as rowline,
        ):
            yield Scene(proxy, rowline, story.document)
        drop_database(server_url, url)

    return scene


@pytest.mark.parametrize("kind", kinds(["reset_before", "reset_after"]))
def test_a_link_that_breaks_at_any_commit_costs_a_retry_and_nothing_else(
    kind: str, opened: Opened, fault_table: Callable[[str], None]
):
    with opened() as scene:
        assert scene.run() == 0
        assert len(scene.paid()) == NEW_INPUTS
        commits = scene.proxy.commits
    hit = 0
    for number in range(1, commits + 1):
        with opened() as scene:
            scene.proxy.fault_at_commit = number, Fault(kind)
            hit += scene.run()
            scene.proxy.reset()  # the last one may not have come: two workers' pages may share a moment
            paid = scene.paid()
            assert len(paid) <= NEW_INPUTS + INPUTS_IN_FLIGHT
            if kind == "reset_after":  # what was kept is not paid twice
                assert len(paid) == len(set(paid))
            scene.assert_right()
    fault_table(fault_line("PostgreSQL", f"{commits} commits", kind, False, "completed", "–"))
    assert hit >= commits * 0.9


@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=[] if point in EVERY_RUN else [pytest.mark.long]) for point in POINTS]
)
def test_a_fault_that_passes_costs_a_retry_and_nothing_else(
    point: str, opened: Opened, fault_table: Callable[[str], None]
):
    for kind in ONCE:
        with opened() as scene:
            scene.proxy.faults.append(Fault(kind, POINTS[point], seconds=0.1))
            failed = scene.run()
            assert not scene.proxy.faults, f"{kind} never came"
            assert failed == (0 if kind == "slow" else 1)
            scene.assert_right()
            fault_table(fault_line("PostgreSQL", point, kind, False, "completed", "–"))


@pytest.mark.parametrize(("point", "kind"), list(product(STAYING, ALWAYS)))
def test_a_fault_that_stays_fails_the_document_with_its_reason_and_a_retry_works(
    point: str, kind: str, opened: Opened, fault_table: Callable[[str], None]
):
    with opened() as scene:
        documents = scene.rowline.services.ledger.documents
        scene.proxy.faults.append(Fault(kind, POINTS[point], always=True))
        assert not scene.rowline.run(scene.document).success
        scene.proxy.reset()
        version = documents.latest(scene.document)
        assert scene.found() == set(map(str, range(12)))  # the first version stays live
        if version.status == "failed":
            assert ALWAYS[kind] in str(version.error)
            assert "(tried 3 times)" in str(version.error)
            documents.retry(scene.document)
        assert scene.run() == 0
        scene.assert_right()
        fault_table(fault_line("PostgreSQL", point, kind, True, version.status, "completed", version.error))
