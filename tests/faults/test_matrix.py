"""The fault matrix. After each cell the document is where it should be, a retry ends it, laws 1, 4 and 5 hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from tests.faults.cells import Cell, cells
from tests.faults.scene import AFTER, BEFORE, NEW, Scene
from tests.faults.table import fault_line
from tests.stand_ins import openai_server, pinecone_server, s3_server

SECRETS = (openai_server.KEY, pinecone_server.KEY, s3_server.KEY, s3_server.SECRET)

LONG = {True: [pytest.mark.long], False: []}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scene(copy_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home: Path = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as patch, Scene.opened(copy_database("migrated"), home) as scene:
        for name, value in scene.s3.environment.items():
            patch.setenv(name, value)
        patch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)
        patch.setattr("pinecone._internal.http_client._retry_sleep", lambda _: None)
        patch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
        yield scene


@pytest.mark.parametrize("cell", [pytest.param(cell, id=str(cell), marks=LONG[cell.is_long]) for cell in cells()])
def test_a_fault_ends_in_the_right_state_and_a_retry_puts_all_of_it_right(
    scene: Scene, fault_table: Callable[[str], None], cell: Cell
):
    with scene.story() as story:
        paid_before = scene.openai.stats.inputs
        has_come = scene.trouble(cell)
        version, run = story.process()
        assert has_come()
        scene.calm()

        told = f"{version.error or ''} {reason_of(run)}"
        assert not [secret for secret in SECRETS if secret in told]
        assert version.status == cell.ends, version.error
        assert run.success == cell.run_succeeds
        live = AFTER if cell.ends == "completed" else BEFORE
        assert story.rows_found() == {row[0] for row in live[1:]}, "a search sees one version, whole (law 2)"
        if cell.ends == "failed":
            assert version.error
            assert version.error[0].isupper(), "a sentence, not a traceback"

        again = story.retry()
        assert (again.status, again.live_version, again.error) == ("completed", 2, None)
        assert story.rows_found() == {row[0] for row in AFTER[1:]}
        assert story.held() == story.promised(), "law 1"
        assert len(story.promised()) == len(AFTER) - 1
        searches = 2  # questions are embedded too
        paid = scene.openai.stats.inputs - paid_before - searches
        assert NEW <= paid <= cell.paid_at_most(NEW, scene.settings().embed_request_inputs), "laws 4 and 5"
        fault_table(line(cell, version.status, version.error or reason_of(run), run.success, paid))


def reason_of(run: dg.ExecuteInProcessResult) -> str:
    """What Dagster shows of a run that failed."""
    failures = [event.step_failure_data.error for event in run.all_events if event.is_step_failure]
    messages = (failure.message for failure in failures if failure)
    return " ".join(" ".join(messages).removeprefix("dagster._core.definitions.events.Failure: ").split())


def line(cell: Cell, status: str, error: str | None, run_succeeded: bool, paid: int) -> str:
    end = status if status == "failed" or run_succeeded else f"{status}, run failed"
    more = f", {paid - NEW} paid again" if paid > NEW else ""
    return fault_line(cell.service, cell.point, cell.kind, cell.always, end, f"completed{more}", error)
