"""Every asset check passes on sound data, and fails on data damaged for real, with the offending sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from resources.ledger.documents.documents import Version
from resources.objects.rows_parquet import write_rows
from tests.laws.deployment import Deployment, items, template
from tests.laws.doubles import Watched

CHECKS = {
    ("parsed_rows", "rows_found"),
    ("batches", "row_counts_add_up"),
    ("batches", "no_error_rows"),
    ("embeddings", "batches_complete"),
    ("embeddings", "embeddings_sound"),
    ("embeddings", "no_refused_texts"),
    ("namespace_vectors", "store_holds_vectors"),
    ("lineage", "version_live"),
    ("lineage", "vectors_explained"),
}
ORDER = ("parsed_rows", "batches", "embeddings", "namespace_vectors", "lineage")
Damage = Callable[[Deployment, Version], None]


def test_all_checks_pass_on_a_sound_document(rowline: Deployment):
    """One evaluation of each check in every run, all passed."""
    run = rowline.run(rowline.upload(items("anvil", "bellows")).document_id)
    told = {(e.asset_key.to_user_string(), e.check_name): e.passed for e in run.get_asset_check_evaluations()}
    assert told == dict.fromkeys(CHECKS, True)
    assert run.success


def empty_rows_file(rowline: Deployment, version: Version) -> None:
    with rowline.services.objects.writing(version.rows_file) as path:
        write_rows(path, [])


def statement(text: str) -> Damage:
    def damage(rowline: Deployment, _: Version) -> None:
        rowline.sql(text)

    return damage


LOSE_A_ROW = statement("DELETE FROM lineage WHERE row_position = 1")
LOSE_AN_EMBEDDING = statement("DELETE FROM embeddings WHERE text_hash = (SELECT min(text_hash) FROM embeddings)")
ZERO_A_VECTOR = statement(
    "UPDATE embeddings SET embedding = decode(repeat('00', 4 * 64), 'hex') "
    "WHERE text_hash = (SELECT min(text_hash) FROM embeddings)"
)
SHORTEN_A_VECTOR = statement(
    "UPDATE embeddings SET embedding = '\\x3f800000' WHERE text_hash = (SELECT min(text_hash) FROM embeddings)"
)
REOPEN_A_BATCH = statement("UPDATE batches SET status = 'failed' WHERE batch_number = 2")
LOSE_A_VECTOR = statement("DELETE FROM vectors WHERE vector_id = (SELECT min(vector_id::text)::uuid FROM vectors)")
UNEXPLAINED = "00000000-0000-4000-8000-000000000001"
ADD_A_VECTOR = statement(
    "INSERT INTO vectors SELECT model, namespace, '" + UNEXPLAINED + "', embedding, '{}' FROM vectors LIMIT 1"
)
UNFLIP = statement("UPDATE documents SET live_version = NULL")


@pytest.mark.parametrize(
    ("asset", "check", "damage", "facts", "blocks"),
    [
        ("parsed_rows", "rows_found", empty_rows_file, {"rows": 0}, True),
        ("batches", "row_counts_add_up", LOSE_A_ROW, {"kept": 4, "rows_in_file": 5, "rows_in_batches": 5}, True),
        ("embeddings", "batches_complete", REOPEN_A_BATCH, {"open": [2]}, True),
        ("embeddings", "embeddings_sound", LOSE_AN_EMBEDDING, {"missing": 1}, True),
        ("embeddings", "embeddings_sound", ZERO_A_VECTOR, {"not_finite": 1, "missing": 0}, True),
        ("embeddings", "embeddings_sound", SHORTEN_A_VECTOR, {"wrong_dimension": 1}, True),
        ("namespace_vectors", "store_holds_vectors", LOSE_A_VECTOR, {}, True),
        ("lineage", "version_live vectors_explained", UNFLIP, {}, False),
        ("lineage", "vectors_explained", ADD_A_VECTOR, {"unexplained": [UNEXPLAINED]}, False),
        ("lineage", "vectors_explained", LOSE_A_ROW, {}, False),
    ],
)
def test_a_check_fails_on_damage_and_a_blocking_one_stops_the_graph(
    rowline: Deployment, asset: str, check: str, damage: Damage, facts: dict[str, Any], blocks: bool
):
    """Damage done just before an asset's checks look is seen by that check; blocking: nothing is built on it."""
    version = rowline.upload(items(*"abcde"))
    run = rowline.run(version.document_id, ledger=damaged_before_checks(rowline, version, asset, damage))

    failed = {e.check_name: e for e in run.get_asset_check_evaluations() if not e.passed}
    assert list(failed) == check.split()
    told = {name: value.value for found in failed.values() for name, value in found.metadata.items()}
    assert {name: told[name] for name in facts} == facts
    assert {(e.severity, e.blocking) for e in failed.values()} == {(dg.AssetCheckSeverity.ERROR, blocks)}
    built = [asset_key.to_user_string() for asset_key in (e.asset_key for e in run.get_asset_materialization_events())]
    assert built == list(ORDER[: ORDER.index(asset) + 1])
    assert run.success is not blocks


def test_the_lost_vector_and_the_unexplained_one_are_named_by_their_checks(rowline: Deployment):
    """The sample of a failed check is what one looks for next: here the id itself."""
    version = rowline.upload(items("anvil"))
    ledger = damaged_before_checks(rowline, version, "namespace_vectors", LOSE_A_VECTOR)
    run = rowline.run(version.document_id, ledger=ledger)
    (failed,) = [e for e in run.get_asset_check_evaluations() if not e.passed]
    (row,) = rowline.lineage(version)
    assert failed.metadata["missing"].value == [str(row["vector_id"])]
    assert failed.description == "0 of 1 vectors are in the store"


def test_error_rows_are_a_warning_that_names_them_and_blocks_nothing(rowline: Deployment):
    """`no_error_rows` tells, it does not stop: the other rows go on (law 3)."""
    rowline.employees("E1")
    version = rowline.upload(
        [["no", "task"], ["E1", "welding"], ["E7", "digging"]],
        template=template(employeeIdentifier="no"),
        mode="employee_split",
    )
    run = rowline.run(version.document_id)
    (failed,) = [e for e in run.get_asset_check_evaluations() if not e.passed]
    assert (failed.check_name, failed.severity, failed.blocking) == (
        "no_error_rows",
        dg.AssetCheckSeverity.WARN,
        False,
    )
    assert failed.metadata["errors"].value == [
        {"sheet": "csv", "rowNumber": 3, "message": "employee E7 (column no) is not in the employee list"}
    ]
    assert run.success


def test_a_text_that_the_embedder_refused_is_a_warning_too(rowline: Deployment):
    """It is known only after the plan was checked; the document is completed, and says that a row is missing."""
    run = rowline.run(rowline.upload(items("anvil", "REFUSED")).document_id)
    (failed,) = [e for e in run.get_asset_check_evaluations() if not e.passed]
    assert (failed.check_name, failed.severity, failed.blocking) == (
        "no_refused_texts",
        dg.AssetCheckSeverity.WARN,
        False,
    )
    assert [row["rowNumber"] for row in failed.metadata["errors"].value] == [3]
    assert run.success


def damaged_before_checks(rowline: Deployment, version: Version, asset: str, damage: Damage) -> Any:
    """The ledger; just before the checks of `asset` look at it, the damage is done."""
    looks: list[str] = []

    def before(name: str, _: tuple[Any, ...]) -> None:
        if name == "current_for_run":  # the first thing that the checks of every asset ask
            looks.append(name)
            if len(looks) == ORDER.index(asset) + 1:
                damage(rowline, version)

    ledger = rowline.services.ledger
    return replace(ledger, documents=Watched(ledger.documents, before))
