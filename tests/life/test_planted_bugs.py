"""The net catches this fish: each fault that home-made pipelines have, planted, makes the machine fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import dagster as dg
import pytest

from domain.documents import rows
from operations.documents import processing, rollback
from resources.ledger.documents import garbage_collection
from resources.ledger.documents import live_version as flips
from resources.ledger.documents.documents import Documents, Version
from tests.life.running import live
from tests.life.world import World

Plant = Callable[[pytest.MonkeyPatch, World], None]
ENOUGH = 60  # sequences in which each is found; most need two, and it ends at once


@pytest.fixture
def store() -> str:
    return "pgvector"


def vector_ids_restart_in_each_batch(patch: pytest.MonkeyPatch, _: World) -> None:
    """Ids are places in a batch, so that batches overwrite each other."""
    real = rows.document_rows

    def planted(*args: Any) -> Iterator[list[rows.Row]]:
        batch_rows = args[4]
        for part in real(*args):
            yield [
                row._replace(vector_id=uuid5(NAMESPACE_OID, f"{row.namespace}{row.position % batch_rows}"))
                if row.vector_id
                else row
                for row in part
            ]

    patch.setattr(processing, "document_rows", planted)


def counters_are_lost_on_replay(patch: pytest.MonkeyPatch, world: World) -> None:
    """What was paid for is counted in the run, and a run that is done again begins at nought."""
    real = Documents.start

    def planted(self: Documents, document_id: str, run_id: str) -> Version:
        version = real(self, document_id, run_id)
        world.rowline.sql(
            "UPDATE batches SET embedded_inputs = 0, tokens = 0 WHERE document_id = %(d)s AND version = %(v)s",
            d=document_id,
            v=version.version,
        )
        return version

    patch.setattr(Documents, "start", planted)


def the_end_is_told_before_the_last_batch(patch: pytest.MonkeyPatch, _: World) -> None:
    """Two batches finish at once, and one of them takes the version for complete while another is not embedded."""
    real = processing.request_groups
    patch.setattr(processing, "request_groups", lambda *args: [group[:-1] or group for group in real(*args)])
    patch.setattr(flips, "READY", "SELECT true AS ready")


def error_rows_are_completed_without_a_word(patch: pytest.MonkeyPatch, _: World) -> None:
    """Partial failure is recorded as plain `completed`."""
    patch.setattr(flips, "RESULT", flips.RESULT.replace("outcome = 'error'", "false"))
    patch.setattr(flips, "ERRORS", flips.ERRORS.replace("outcome = 'error'", "false"))


def rollback_restores_nothing(patch: pytest.MonkeyPatch, _: World) -> None:
    """Rollback deletes, and restores nothing."""
    patch.setattr(rollback, "upsert_missing", lambda *_: 0)


def a_shared_row_goes_with_its_first_owner(patch: pytest.MonkeyPatch, _: World) -> None:
    """A duplicate that was skipped disappears for everyone when its first owner is cleaned up."""
    patch.setattr(
        garbage_collection,
        "SUPERSEDED",
        garbage_collection.SUPERSEDED.partition(" WHERE NOT EXISTS (\n       SELECT 1\n")[0],
    )


def equal_rows_are_looked_up_by_their_text(patch: pytest.MonkeyPatch, _: World) -> None:
    """`indexOf`: each copy of a row is taken for the first."""
    real = rows.document_rows

    def planted(*args: Any) -> Iterator[list[rows.Row]]:
        first: dict[bytes, int] = {}
        for part in real(*args):
            yield [row._replace(row_number=first.setdefault(row.content_hash, row.row_number)) for row in part]

    patch.setattr(processing, "document_rows", planted)


BUGS: dict[Plant, str] = {
    vector_ids_restart_in_each_batch: "result",
    counters_are_lost_on_replay: "what was paid for is not what the batches say",
    the_end_is_told_before_the_last_batch: "batches|are no longer kept",
    error_rows_are_completed_without_a_word: "counts",
    rollback_restores_nothing: "a promised vector is not in the store",
    a_shared_row_goes_with_its_first_owner: "a promised vector is not in the store",
    equal_rows_are_looked_up_by_their_text: "rows",
}

LONG: dict[Plant, list[pytest.MarkDecorator]] = {a_shared_row_goes_with_its_first_owner: [pytest.mark.long]}  # 20 s


@pytest.mark.slow
@pytest.mark.parametrize(
    "plant", [pytest.param(plant, marks=LONG.get(plant, [])) for plant in BUGS], ids=lambda plant: plant.__name__
)
def test_the_machine_finds(plant: Plant, world: World, monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch, world)
    with pytest.raises((AssertionError, dg.Failure), match=BUGS[plant]):
        live(world, ENOUGH)
