"""Law 3: every row of a file ends as kept, unchanged, duplicate or error, and the four counts add up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.schemas.documents import DocumentStatus
from resources.ledger.documents.documents import Version
from tests.laws.deployment import Deployment, items, template
from tests.laws.doubles import Watched

# few words, so that rows repeat; some are refused by the model, some are blank, some name nobody's employee
WORDS = st.sampled_from(["anvil", "bellows", "chisel", "REFUSED", "못", "1,5", '"'])
NUMBERS = st.sampled_from(["E1", "E2", "E9", ""])
ROWS = st.lists(st.tuples(NUMBERS, WORDS, st.sampled_from(["", "x"])), min_size=1, max_size=14)


def assert_adds_up(rowline: Deployment, version: Version, rows: int) -> None:
    told = version.result
    assert told["totalRows"] == rows
    assert told["processedRows"] + told["duplicateRows"] + told["errorRows"] == rows
    assert told["vectorsCreated"] + told["unchangedRows"] == told["processedRows"]
    assert told["skippedRows"] == told["duplicateRows"]
    assert len(told["errors"]) == told["errorRows"]
    lineage = rowline.lineage(version)
    assert [row["row_position"] for row in lineage] == list(range(rows))
    for row in lineage:
        assert (row["error"] is None) == (row["vector_id"] is not None) == (row["outcome"] != "error")
    assert_batches_agree(rowline, version)


def assert_batches_agree(rowline: Deployment, version: Version) -> None:
    """The batch records, which a person watches, add up to the result."""
    batches, told = rowline.batches(version), version.result
    assert sum(batch["rows"] for batch in batches) == told["totalRows"]
    assert sum(batch["processedRows"] for batch in batches) == told["processedRows"]
    assert sum(batch["vectorsCreated"] for batch in batches) == told["vectorsCreated"]
    assert sum(batch["embeddedInputs"] for batch in batches) == told["embeddedInputs"]
    assert sum(batch["tokens"] for batch in batches) == told["tokens"]
    assert [e for batch in batches for e in batch["errors"]] == told["errors"]


@pytest.fixture
def emptied(rowline: Deployment) -> Callable[[], Deployment]:
    """The deployment with an empty ledger and store, for one example after another."""

    def empty() -> Deployment:
        rowline.sql("TRUNCATE documents, embeddings, vectors CASCADE")
        return rowline

    return empty


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=st.lists(ROWS, min_size=1, max_size=3), skip=st.booleans())
def test_the_counts_of_any_table_and_its_versions_add_up(
    emptied: Callable[[], Deployment], versions: list[list[tuple[str, str, str]]], skip: bool
):
    """Random tables with unknown employees, refused texts and repeated rows; and the store is what they promise."""
    rowline = emptied()
    rowline.employees("E1", "E2")
    chosen = template(employeeIdentifier="no", keyColumns=["item"], skipDuplicates=skip, headerRow=1)
    document = None
    for rows in versions:
        table = [["no", "item", "note"], *rows]
        document = rowline.upload(table, document, template=chosen, mode="employee_split").document_id
        version = rowline.quick(document)
        assert version.status == "completed"
        # the reader leaves out rows without any cell
        assert_adds_up(rowline, version, sum(any(cells) for cells in rows))
        assert set(rowline.stored()) == rowline.promised()


def test_a_refused_text_is_told_by_every_batch_that_holds_it(rowline: Deployment):
    """Batches end in any order: one that ended before its text was refused must be told of it too."""
    other_saved = threading.Event()
    embedder, ledger = rowline.services.embedder, rowline.services.ledger

    def before_embedding(texts: object) -> None:
        if "REFUSED" in str(texts):
            assert other_saved.wait(10)

    embedder.before = before_embedding  # type: ignore[attr-defined]

    class Embeddings(Watched):
        def save_response(self, *answer: Any, last: bool = True) -> None:
            ledger.embeddings.save_response(*answer, last=last)
            other_saved.set()

    words = template(embeddingTemplate="{{item}}", metadataFields=["colour"])
    # rows 2-5 and 6-9 are two batches and two requests; the refused text stands in both
    table = [["item", "colour"], *[[name, "red"] for name in ("REFUSED", "b", "c", "d")]]
    table += [[name, "blue"] for name in ("REFUSED", "f", "g", "h")]
    uploaded = rowline.upload(table, template=words)
    version = rowline.quick(
        uploaded.document_id,
        ledger=replace(ledger, embeddings=Embeddings(ledger.embeddings, lambda *_: None)),
        settings=rowline.services.settings.model_copy(update={"embed_request_inputs": 4}),
    )
    assert rowline.outcomes(version)[0] == (2, "error")
    assert rowline.outcomes(version)[4] == (6, "error")
    assert_adds_up(rowline, version, 8)


def test_a_version_with_error_rows_says_so_in_its_status(rowline: Deployment):
    """`completed` with errors is visible: in the result, with row number and reason, the first hundred of them."""
    rowline.employees("E1")
    table = [["no", "task"], ["E1", "welding"], *[[f"X{n}", "digging"] for n in range(120)]]
    uploaded = rowline.upload(table, template=template(employeeIdentifier="no"), mode="employee_split")
    version = rowline.quick(uploaded.document_id)
    assert (version.status, version.result["errorRows"]) == ("completed", 120)
    assert len(version.result["errors"]) == 100
    assert version.result["errors"][0] == {
        "sheet": "csv",
        "rowNumber": 3,
        "message": "employee X0 (column no) is not in the employee list",
    }


def test_status_stays_small_however_many_rows_are_wrong(rowline: Deployment):
    """The first hundred of the document, whichever batches they are in; each batch counts its own."""
    rowline.employees("E1")
    table = [["no", "task"], *[[f"X{n}" if n % 3 else "E1", f"digging {n}"] for n in range(300)]]
    version = rowline.quick(
        rowline.upload(table, template=template(employeeIdentifier="no"), mode="employee_split").document_id
    )
    batches = rowline.batches(version)
    told = [error for batch in batches for error in batch["errors"]]
    assert told == version.result["errors"]
    assert [error["rowNumber"] for error in told] == [n + 2 for n in range(300) if n % 3][:100]
    assert sum(batch["errorRows"] for batch in batches) == version.result["errorRows"] == 200
    assert DocumentStatus.from_version(version, batches).progress.error_rows == 200


def test_a_completed_version_stays_as_it_is_and_its_file_uploaded_again_knows_the_new_employees(rowline: Deployment):
    """Status, batches and lineage of a version never tell different stories; error rows get their second chance."""
    rowline.employees("E1")
    staff = template(employeeIdentifier="no")
    table = [["no", "task"], ["E1", "welding"], ["E2", "digging"]]
    first = rowline.index(table, template=staff, mode="employee_split")
    assert first.result["errorRows"] == 1

    rowline.employees("E2")
    again = rowline.process(first.document_id)
    assert rowline.outcomes(again) == [(2, "kept"), (3, "error")]
    assert_adds_up(rowline, again, 2)
    second = rowline.index(table, first.document_id, template=staff, mode="employee_split")
    assert rowline.outcomes(second) == [(2, "unchanged"), (3, "kept")]
    assert (second.version, second.result["errorRows"], second.result["embeddedInputs"]) == (2, 0, 1)
    assert_adds_up(rowline, second, 2)
    assert set(rowline.stored()) == rowline.promised()


def test_vectors_deleted_counts_what_left_the_store(rowline: Deployment):
    """A version that failed before its vectors were stored has none to delete."""
    from domain.errors import PermanentError

    embedder = rowline.services.embedder
    first = rowline.index(items("anvil", "bellows"))
    embedder.fail_at, embedder.failure = embedder.calls + 1, PermanentError("no credit")  # type: ignore[attr-defined]
    assert rowline.process(rowline.upload(items("chisel", "drill"), first.document_id).document_id).status == "failed"
    before = set(rowline.stored())
    third = rowline.index(items("anvil", "easel"), first.document_id)
    assert third.result["vectorsDeleted"] == len(before - set(rowline.stored())) == 1
