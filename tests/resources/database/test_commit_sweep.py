"""A link that breaks at any commit of a whole run: before it was applied, or after, its answer lost (laws 1, 4, 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import dagster as dg
import pytest

from resources.database.connections import Database
from resources.services import Services
from resources.settings import Settings
from tests.laws.deployment import STEPS, Deployment, items
from tests.laws.doubles import WordEmbedder
from tests.stand_ins.faults import Fault
from tests.stand_ins.postgres_proxy import PostgresProxy

pytestmark = pytest.mark.slow
BEFORE = items(*(f"thing{n}" for n in range(12)))
AFTER = items(*(f"thing{n}" for n in range(6, 18)))
NEW_INPUTS = 6
INPUTS_IN_FLIGHT = 2 * 8  # of the settings below: what a crash may cost


@contextmanager
def deployment(url: str, home: Path, dagster: dg.DagsterInstance) -> Iterator[Deployment]:
    """A process just started: pools and caches of its own."""
    settings = Settings(database_url=url, rowline_home=home, batch_rows=4, embed_request_inputs=8, batches_in_flight=2)
    services = Services(settings)
    services.__dict__["embedder"] = WordEmbedder()
    services.__dict__["database"] = Database(url, pool_seconds=5, answer_seconds=5)
    try:
        yield Deployment(services, dagster)
    finally:
        services.close()


def run_with_retries(rowline: Deployment, document: str) -> int:
    """All steps, each tried again as Dagster's policy does; returns how many tries failed."""
    run_id, failed = str(uuid4()), 0
    for asset in STEPS:
        for _ in range(3):
            try:
                rowline.step(asset, document, run_id)
                break
            except dg.Failure as failure:
                if not failure.allow_retries:
                    raise
                failed += 1
    return failed


def assert_right(rowline: Deployment, document: str) -> None:
    version = rowline.services.ledger.documents.newest(document)
    assert (version.status, version.error, version.live_version) == ("completed", None, 2)
    assert set(rowline.stored()) == rowline.promised()
    assert len(rowline.stored()) == 12
    assert {text.split("\n")[0] for text in rowline.found("thing", k=50)} == {f"item: thing{n}" for n in range(6, 18)}


@dataclass(frozen=True)
class Story:
    """A database to copy, in which a document's first version is live and its second one waits."""

    template: str
    home: Path
    document: str


@pytest.fixture(scope="module")
def story(copy_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Story:
    url, home = copy_database(), tmp_path_factory.mktemp("home")
    with dg.DagsterInstance.ephemeral() as dagster, deployment(url, home, dagster) as rowline:
        document = rowline.upload(BEFORE).document_id
        rowline.quick(document)
        rowline.upload(AFTER, document)
    return Story(urlsplit(url).path[1:], home, document)


@pytest.fixture
def second_run(
    story: Story, copy_database: Callable[..., str], clean_environment: Path, dagster_instance: dg.DagsterInstance
) -> Callable[[tuple[int, Fault] | None], tuple[int, int, list[str]]]:
    """Runs the second version with a fault at one commit: the tries that failed, the commits, the texts paid for."""

    def run(fault: tuple[int, Fault] | None) -> tuple[int, int, list[str]]:
        with (
            PostgresProxy(copy_database(story.template)) as proxy,
            deployment(proxy.url(), story.home, dagster_instance) as rowline,
        ):
            proxy.fault_at_commit = fault
            failed, commits = run_with_retries(rowline, story.document), proxy.commits
            embedder = rowline.services.embedder
            assert isinstance(embedder, WordEmbedder)
            paid = list(embedder.asked)
            proxy.reset()  # the last one may not have come: pages of two workers may share a moment
            assert_right(rowline, story.document)
            return failed, commits, paid

    return run


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_link_that_breaks_at_any_commit_costs_a_retry_and_nothing_else(
    kind: str,
    second_run: Callable[[tuple[int, Fault] | None], tuple[int, int, list[str]]],
    capsys: pytest.CaptureFixture[str],
):
    failed, commits, paid = second_run(None)
    assert (failed, len(paid)) == (0, NEW_INPUTS)
    hit = 0
    for number in range(1, commits + 1):
        failed, _, paid = second_run((number, Fault(kind)))
        hit += failed
        assert len(paid) <= NEW_INPUTS + INPUTS_IN_FLIGHT
        if kind == "reset_after":  # what was kept is not paid twice
            assert len(paid) == len(set(paid))
    with capsys.disabled():
        print(f"\nPostgreSQL  {kind:12}  at each of {commits} commits: {hit} tries failed, every end state right")  # noqa: T201
    assert hit >= commits * 0.9
