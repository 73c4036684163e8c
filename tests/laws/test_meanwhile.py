"""What one does while another is at work: an upload, a retry or a removal in the middle of something longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from domain.errors import Conflict, TransientError
from operations.documents.removal import remove_document
from operations.documents.rollback import roll_back
from operations.documents.vector_sync import sync_vectors
from tests.laws.deployment import STEPS, Deployment, items
from tests.laws.doubles import FailsAt, Watched, watched_ledger

WAITING = "SELECT 1 AS waits FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def at_first(call: str, do: Callable[[], Any]) -> Callable[[str, tuple[Any, ...]], None]:
    """For `Watched`: do something ahead of the first call of this name."""
    left = [do]

    def before(name: str, _: tuple[Any, ...]) -> None:
        if name == call and left:
            left.pop()()

    return before


def statuses(rowline: Deployment, document: str) -> list[tuple[int, str]]:
    rows = rowline.sql("SELECT version, status FROM versions WHERE document_id = %(d)s ORDER BY version", d=document)
    return [(row["version"], row["status"]) for row in rows]


@pytest.mark.parametrize("moment", ["wait", "switch"])
def test_an_upload_that_is_accepted_during_a_rollback_is_processed_after_it(rowline: Deployment, moment: str):
    """Which of the two a person wanted last is told by the numbers: the upload is the newer version."""
    services = rowline.services
    document = rowline.index(items("anvil")).document_id
    rowline.index(items("bellows"), document)
    ledger = watched_ledger(services.ledger, at_first(moment, lambda: rowline.upload(items("chisel"), document)))
    roll_back(ledger, services.vectors, document, 1)
    assert statuses(rowline, document) == [(1, "completed"), (2, "rolled_back"), (3, "pending")]
    assert [version.version for version in services.ledger.documents.pending()] == [3]
    assert rowline.process(document).live_version == 3
    assert rowline.stored().keys() == rowline.promised()


def test_a_retry_during_a_rollback_is_not_lost(rowline: Deployment):
    services = rowline.services
    document = rowline.index(items("anvil")).document_id
    rowline.index(items("bellows"), document)
    rowline.upload(b"", document)
    assert rowline.process(document).status == "failed"
    ledger = watched_ledger(services.ledger, at_first("switch", lambda: services.ledger.documents.retry(document)))
    roll_back(ledger, services.vectors, document, 1)
    assert statuses(rowline, document) == [(1, "completed"), (2, "rolled_back"), (3, "pending")]


def test_a_rollback_whose_target_another_one_changed_changes_nothing(rowline: Deployment):
    """A claim goes with its connection: who lost it may meet another rollback, and the later wish counts."""
    services = rowline.services
    document = rowline.index(items("anvil")).document_id
    rowline.index(items("bellows"), document)
    rowline.index(items("chisel"), document)
    set_target = services.ledger.live_versions.set_rollback_target
    ledger = watched_ledger(services.ledger, at_first("switch", lambda: set_target(document, 2)))
    with pytest.raises(Conflict, match=r"Version 1 of .* is no longer the target of the rollback"):
        roll_back(ledger, services.vectors, document, 1)
    assert services.ledger.documents.latest(document).live_version == 3
    assert roll_back(services.ledger, services.vectors, document, 2).version == 2
    assert [text.split("\n")[0] for text in rowline.found("item")] == ["item: bellows"]
    assert rowline.stored().keys() == rowline.promised()


def until(holds: Callable[[], Any]) -> None:
    while not holds():
        pass


def test_vectors_that_sync_restores_go_with_a_document_that_is_being_removed(rowline: Deployment):
    """Sync has seen who owns them, and is about to send them: a removal that comes now deletes them after that."""
    services = rowline.services
    document = rowline.index(items("anvil", "bellows")).document_id
    rowline.sql("DELETE FROM vectors")
    removal = threading.Thread(target=remove_document, args=(services.document_stores, document))

    def remove() -> None:
        removal.start()
        until(lambda: not removal.is_alive() or rowline.sql(WAITING))  # done, or waiting for us

    sync_vectors(services.ledger, Watched(services.vectors, at_first("upsert", remove)), repair=True)
    removal.join()
    assert rowline.stored() == {}


@pytest.mark.parametrize("comes", ["by an upload", "by going back"])
def test_a_row_that_comes_while_the_sweep_of_another_document_takes_it_away_is_there(rowline: Deployment, comes: str):
    """The sweep has seen that nobody needs the vector, and is about to delete it: who finds it there waits for that."""
    services = rowline.services
    swept = rowline.index(items("anvil", "bellows")).document_id
    if comes == "by an upload":
        ours = rowline.upload(items("anvil", "chisel")).document_id
        coming = threading.Thread(target=rowline.quick, args=(ours,))
    else:
        ours = rowline.index(items("anvil", "chisel")).document_id
        rowline.index(items("chisel"), ours)
        coming = threading.Thread(target=roll_back, args=(services.ledger, services.vectors, ours, 1))
    rowline.upload(items("bellows"), swept)

    def come() -> None:
        coming.start()
        until(lambda: not coming.is_alive() or rowline.sql(WAITING))  # done, or waiting for us

    rowline.quick(swept, vectors=Watched(services.vectors, at_first("delete", come)))
    coming.join()
    assert services.ledger.documents.latest(ours).status == "completed"
    assert rowline.stored().keys() == rowline.promised()


def test_a_vector_that_a_rollback_found_in_the_store_is_not_swept_by_another_document(rowline: Deployment):
    """It was the other document's, and the version that needs it now is not live yet."""
    services = rowline.services
    document = rowline.index(items("anvil", "bellows")).document_id
    rowline.index(items("bellows"), document)
    other = rowline.index(items("anvil", "chisel")).document_id
    ledger = watched_ledger(services.ledger, at_first("switch", lambda: rowline.index(items("chisel"), other)))
    assert roll_back(ledger, services.vectors, document, 1).vectors_restored == 0
    assert rowline.stored().keys() == rowline.promised()


def test_a_file_that_comes_while_its_document_is_being_removed_goes_with_it(rowline: Deployment):
    """Accepted before the document was withdrawn: the file is known to the clean-up. After that it is refused."""
    services = rowline.services
    document = rowline.index(items("anvil")).document_id
    ledger = watched_ledger(services.ledger, at_first("withdraw", lambda: rowline.upload(items("bellows"), document)))
    remove_document(replace(services.document_stores, ledger=ledger), document)
    assert [*services.objects.keys("")] == []


def test_a_last_step_that_is_tried_again_leaves_a_newer_version_live(rowline: Deployment):
    """Its flip was done and its sweep was not; before the step is tried again, the next version's goes the same way."""
    services = rowline.services
    document = rowline.index(items("anvil")).document_id
    for name in ("bellows", "chisel"):
        rowline.upload(items(name), document)
        for step in STEPS[:-1]:
            rowline.step(step, document, f"run of {name}")
        ledger = watched_ledger(services.ledger, FailsAt(1, TransientError("the ledger is away")), "garbage")
        with pytest.raises(dg.Failure, match="the ledger is away"):
            rowline.step("lineage", document, f"run of {name}", ledger=ledger)
    rowline.step("lineage", document, "run of bellows")
    assert services.ledger.documents.latest(document).live_version == 3
    assert rowline.found("item", k=9) == ["item: chisel\ncolour: colour of chisel"]
    assert rowline.stored().keys() == rowline.promised()


@pytest.mark.parametrize(("then", "state"), [("stays failed", "failed"), ("is queued again", "pending")])
def test_a_version_that_was_cancelled_while_its_last_step_began_is_not_made_live(
    rowline: Deployment, then: str, state: str
):
    """Whoever cancelled it was told so: searches must not show it after that."""
    documents = rowline.services.ledger.documents
    document = rowline.index(items("anvil")).document_id
    rowline.upload(items("bellows"), document)
    for step in STEPS[:-1]:
        rowline.step(step, document, "run")

    def cancel() -> None:
        documents.fail(document, 2, "Cancelled on request")
        if then == "is queued again":
            documents.retry(document)

    ledger = watched_ledger(rowline.services.ledger, at_first("make_live", cancel))
    with pytest.raises(dg.Failure, match=f"Version 2 of {document} is {state} by now and is not made live"):
        rowline.step("lineage", document, "run", ledger=ledger)
    newest = documents.latest(document)
    assert (newest.live_version, newest.status) == (1, state)
    assert [text.split("\n")[0] for text in rowline.found("item")] == ["item: anvil"]


HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NULL; END $$;
CREATE TRIGGER hold AFTER INSERT ON batches FOR EACH STATEMENT EXECUTE FUNCTION hold();
"""


def test_an_embedding_that_a_plan_counts_on_is_not_forgotten_before_the_plan_says_so(rowline: Deployment):
    """The plan has found the text embedded and is not committed; the one document that has it so far goes."""
    services = rowline.services
    last = rowline.index(items("anvil")).document_id
    ours = rowline.upload(items("anvil")).document_id
    rowline.step("parsed_rows", ours, "run")
    rowline.sql(HOLD)
    planning = threading.Thread(target=rowline.step, args=("batches", ours, "run"))
    removal = threading.Thread(target=remove_document, args=(services.document_stores, last))
    with services.database.transaction() as held:
        held.execute("SELECT pg_advisory_xact_lock(77)")
        planning.start()
        until(lambda: rowline.sql(WAITING))
        removal.start()
        until(lambda: not removal.is_alive() or len(rowline.sql(WAITING)) == 2)  # done, or waiting for the plan
    planning.join()
    removal.join()
    for step in STEPS[2:]:
        rowline.step(step, ours, "run")
    assert services.ledger.documents.latest(ours).status == "completed"
    assert rowline.stored().keys() == rowline.promised()


def test_a_document_is_not_taken_away_under_the_run_that_is_about_to_make_it_live(rowline: Deployment):
    """`DELETE` looked before the run began. The removal that was asked for waits for the run."""
    removals = rowline.services.ledger.removals
    document = rowline.upload(items("anvil")).document_id
    for step in STEPS[:-1]:
        rowline.step(step, document, "run")
    assert not removals.withdraw_at_rest(document)
    rowline.step("lineage", document, "run")
    assert not rowline.services.ledger.documents.latest(document).removed, "it would be live and on its way out at once"
    assert len(rowline.found("anvil")) == 1
    assert removals.withdraw_at_rest(document)
    assert rowline.found("anvil") == []


DEEDS: dict[str, Callable[[Deployment, str], Any]] = {
    "going live": lambda rowline, document: rowline.step("lineage", document, "run of three"),
    "going back": lambda rowline, document: roll_back(rowline.services.ledger, rowline.services.vectors, document, 1),
    "removal": lambda rowline, document: remove_document(rowline.services.document_stores, document),
    "removal at rest": lambda rowline, document: rowline.services.ledger.removals.withdraw_at_rest(document),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_whatever_changes_what_is_live_waits_for_a_search_that_was_disturbed_too_often(rowline: Deployment, deed: str):
    document = rowline.index(items("anvil")).document_id
    rowline.index(items("bellows"), document)
    if deed == "going live":
        rowline.upload(items("chisel"), document)
        for step in STEPS[:-1]:
            rowline.step(step, document, "run of three")
    changing = threading.Thread(target=DEEDS[deed], args=(rowline, document))
    with rowline.services.ledger.live_versions.block_flips("acme"):
        changing.start()
        until(lambda: not changing.is_alive() or rowline.sql(WAITING))
        assert rowline.services.ledger.documents.latest(document).live_version == 2
    changing.join()
    assert not rowline.sql("SELECT 1 FROM documents WHERE live_version = 2")
