"""Law 5 for many documents in one run: killed anywhere, what is finished is finished, and the rest is done alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.documents.stalled_runs import Observation
from operations.services import Services
from pipelines.local_runs import instance
from sensors.documents.stalled_runs import inspect_runs
from settings.settings import load_settings
from tests.laws.deployment import csv_bytes
from tests.laws.test_kill import (
    KILLED,
    PROMISED,
    Driver,
    Scenes,
    ask,
    count,
    differences,
    driver,
    points,
    scenes,
    state,
)

__all__ = ["driver", "scenes"]  # fixtures
DOCUMENTS, ROWS = 4, 9


def uploaded(driver: Driver, scenes: Scenes, scene: dict[str, str]) -> list[str]:
    files = []
    for number in range(DOCUMENTS):
        rows = [[f"part {row} of machine {number}", f"{row % 4}"] for row in range(ROWS)]
        files.append(scenes.home / f"machine {number}.csv")
        files[-1].write_bytes(csv_bytes([["task", "hours"], *rows]))
    told = driver.done(scene, "upload", *map(str, files), "--org", "acme")
    return [f"{one['documentId']}:1:1" for one in told["documents"]]


def found_dead(scene: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `stuck_runs` makes of it in half a minute; the documents that wait for a run of their own."""
    for name, value in scene.items():
        monkeypatch.setenv(name, value)
    services = Services(load_settings())
    try:
        seen: dict[str, Observation] = {}
        ended = 0
        with instance(services.settings) as dagster:
            for now in (0.0, 16.0, 32.0):
                seen, number = inspect_runs(dagster, services.ledger, seen, now, print)
                ended += number
        assert ended == 1
        return [version.document_id for version in services.ledger.documents.pending() if version.attempt == 2]
    finally:
        services.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.long)])
def test_a_group_killed_anywhere_loses_no_document_and_pays_nothing_twice(
    driver: Driver,
    scenes: Scenes,
    with_dagster: str,
    monkeypatch: pytest.MonkeyPatch,
    tell: Callable[[str, str], None],
    kills: int,
):
    scene = scenes.environment(scenes.copy(with_dagster), scenes.home / "scene")
    runs = uploaded(driver, scenes, scene)
    calm = scenes.again(scene)
    scenes.openai.reset()
    code, moments, output = driver.run(calm, "group", *runs)
    assert code == 0, output
    inputs, quiet = scenes.openai.stats.inputs, state(calm["DATABASE_URL"])
    assert inputs == DOCUMENTS * ROWS
    assert checks_of(calm) == DOCUMENTS * 9, "each of nine verdicts, under each document's partition"

    going_live = [len(moments) * share // 100 for share in (92, 95)]
    for point in [*points(moments, kills), *going_live]:
        here = scenes.again(scene)
        scenes.openai.reset()
        code, reached, output = driver.run(here, "group", *runs, at=point)
        assert code == KILLED, output
        finished = {row["document_id"] for row in quiet["versions"]} & {
            row["document_id"] for row in state(here["DATABASE_URL"])["versions"] if row["status"] == "completed"
        }
        kept = count(here, "embeddings")
        scenes.openai.reset()
        alone = found_dead(here, monkeypatch) if ask(here["DATABASE_URL"], "SELECT 1 FROM runs") else []
        assert set(alone) == ({run.split(":")[0] for run in runs} - finished if alone else set())
        for run in runs:
            if run.split(":")[0] not in finished:
                driver.done(here, "process", run.split(":")[0])
        assert scenes.openai.stats.inputs == inputs - kept, "finished batches were paid for again"
        assert differences(quiet, state(here["DATABASE_URL"])) == [], f"point {point}, {reached[-1]}"
        assert count(here, "vectors") == ask(here["DATABASE_URL"], PROMISED)[0]["promised"]
        scenes.drop(here)
        tell(
            "a group killed at point            moment          finished  alone  kept",
            f"{point:4d} of {len(moments)}  {reached[-1]:31s} {len(finished):4d} {len(alone):6d} {kept:6d}",
        )


def checks_of(scene: dict[str, Any]) -> int:
    rows = ask(
        scene["DATABASE_URL"],
        "SELECT count(DISTINCT (asset_key, check_name, partition)) AS n FROM asset_check_executions "
        "WHERE execution_status = 'SUCCEEDED' AND partition LIKE 'doc_%%' AND evaluation_event_storage_id IN "
        "(SELECT id FROM event_logs WHERE dagster_event_type = 'ASSET_CHECK_EVALUATION')",
    )
    return int(rows[0]["n"])
