"""kill -9 over an erasure: wherever it dies, doing it again ends it, and another organization is untouched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.laws.deployment import csv_bytes
from tests.laws.test_kill import (
    KILLED,
    Driver,
    Scenes,
    ask,
    differences,
    driver,
    found,
    points,
    prepared,
    scenes,
    state,
)

__all__ = ["driver", "scenes"]  # fixtures
COUNTS = ("vectorsDeleted", "embeddingsDeleted", "objectsDeleted", "inboxFilesDeleted", "employeesDeleted")
FEW, GONE = 4, "There is no organization acme"
THEIRS = "task number"  # the other organization has no such row


def left_of(scene: dict[str, str], document: str) -> list[str]:
    """Tables that hold a row's text, of the ledger or of Dagster, and files of the organization.

    Runs of erasures stay, and with them which documents a receipt named.
    """
    held = []
    with psycopg.connect(scene["DATABASE_URL"]) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            asked = sql.SQL("SELECT 1 FROM {} t WHERE t::text LIKE %s LIMIT 1").format(sql.Identifier(table))
            if connection.execute(asked, [f"%{THEIRS}%"]).fetchone():
                held.append(table)
        partitions = connection.execute("SELECT 1 FROM dynamic_partitions WHERE partition = %s", [document]).fetchall()
    files = [str(path) for path in Path(scene["ROWLINE_HOME"]).rglob("*") if path.is_file()]
    return held + ["a partition"] * len(partitions) + [name for name in files if "/acme/" in name or document in name]


def two_organizations(driver: Driver, scenes: Scenes, with_dagster: str) -> tuple[dict[str, str], str]:
    scene, document = prepared(driver, scenes, with_dagster)
    driver.done(scene, "process", document)
    follow = ["--document", document, "--template", "staff", "--mode", "employee_split"]
    driver.done(scene, "upload", str(scenes.home / "next.csv"), "--org", "acme", *follow)
    driver.done(scene, "process", document)
    rivals = scenes.home / "rivals.csv"
    rivals.write_bytes(csv_bytes([["chore", "hours"], *[[f"chore {n}", f"{n % 8}"] for n in range(30)]]))
    other = driver.done(scene, "upload", str(rivals), "--org", "rival")["documents"][0]["documentId"]
    driver.done(scene, "process", other)
    kept = Path(scene["ROWLINE_HOME"]) / "inbox" / "acme" / ".taken" / document / "1" / "week.csv"
    kept.parent.mkdir(parents=True)
    kept.write_bytes((scenes.home / "week.csv").read_bytes())
    return scene, document


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("wanted", [FEW, pytest.param(10**6, marks=pytest.mark.long)], ids=["few", "all"])
def test_an_erasure_killed_anywhere_is_ended_by_the_next_one(
    driver: Driver, scenes: Scenes, with_dagster: str, tell: Callable[[str, str], None], wanted: int
):
    scene, document = two_organizations(driver, scenes, with_dagster)
    erase = ["erase", "--org", "acme"]
    calm = scenes.again(scene)
    whole = driver.done(calm, *erase)
    assert whole["documents"] == [document]
    assert {"lineage", "event_logs"} <= {*left_of(scene, document)}
    assert left_of(calm, document) == []
    _, moments, _ = driver.run(scenes.again(scene), *erase)
    expected, rivals = state(calm["DATABASE_URL"]), found_of(driver, calm, "rival")
    assert len(rivals) == 30
    scenes.drop(calm)
    for point in points(moments, wanted) if wanted < len(moments) else range(1, len(moments) + 1):
        here = scenes.again(scene)
        assert driver.run(here, *erase, at=point)[0] == KILLED
        assert found_of(driver, here, "rival") == rivals
        assert found(driver, here) in (set(), found(driver, scene))
        code, _, told = driver.run(here, *erase, "--json")
        if code == 0:  # the receipt is whole, of what the first one had not come to
            receipt = json.loads(told.splitlines()[-1])
            assert receipt.keys() == whole.keys()
            assert (receipt["dryRun"], receipt["arrivedMeanwhile"]) == (False, [])
            assert all(receipt[count] <= whole[count] for count in COUNTS)
        else:
            assert GONE in told
        assert differences(expected, state(here["DATABASE_URL"])) == [], f"point {point}, {moments[point - 1]}"
        assert left_of(here, document) == [], f"point {point}, {moments[point - 1]}"
        assert ask(here["DATABASE_URL"], "SELECT 1 FROM documents WHERE organization_id = 'acme'") == []
        again, _, told_again = driver.run(here, *erase)
        assert (again, GONE in told_again) == (2, True)
        tell(
            "killed at point            moment          again",
            f"{point:4d} of {len(moments)}  {moments[point - 1]:31s} ok",
        )
        scenes.drop(here)


def found_of(driver: Driver, scene: dict[str, str], organization: str) -> set[tuple[int, int]]:
    hits = driver.done(scene, "search", "chore", "--org", organization, "-k", "200")["hits"]
    return {(source["version"], source["rowNumber"]) for hit in hits for source in hit["sources"]}
