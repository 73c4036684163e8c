"""Status as it is told: the same shape for a person, an app and a test (B10, B15)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.documents.statuses import BATCH_FIELDS, RESULT_FIELDS, status_json, unexplained_end, upload_json


@dataclass(frozen=True)
class Version:
    document_id: str = "doc_1"
    version: int = 2
    filename: str = "급여.xlsx"
    status: str = "processing"
    error: str | None = None
    result: Mapping[str, Any] | None = None
    waits_for: str | None = None
    live_version: int | None = None


def batch(number: int, status: str, rows: int) -> dict[str, Any]:
    told: dict[str, Any] = dict.fromkeys(BATCH_FIELDS, number)
    return told | {"status": status, "rows": rows, "tokens": 7, "embeddedInputs": 3, "errorRows": 0}


BATCHES = [batch(1, "completed", 100), batch(2, "processing", 100), batch(3, "failed", 40)]


def test_an_upload_is_told_by_id_version_file_and_status() -> None:
    assert upload_json(Version(status="pending")) == {
        "documentId": "doc_1",
        "version": 2,
        "filename": "급여.xlsx",
        "status": "pending",
    }


def test_progress_counts_complete_batches_and_their_rows() -> None:
    assert status_json(Version(), BATCHES)["progress"] == {
        "batchesDone": 1,
        "batchesTotal": 3,
        "rowsDone": 100,
        "rowsTotal": 240,
    }


def test_error_rows_are_counted_while_the_version_is_still_worked_on() -> None:
    told = status_json(Version(), [{**BATCHES[0], "errorRows": 2}, {**BATCHES[1], "errorRows": 40}, BATCHES[2]])
    assert told["progress"]["errorRows"] == 42


def test_batches_are_told_with_the_agreed_fields_only() -> None:
    told = status_json(Version(), BATCHES)["batches"]
    agreed = "batchNumber totalBatches startRow endRow status processedRows vectorsCreated errors"
    assert [" ".join(each) for each in told] == [agreed] * 3
    assert [each["status"] for each in told] == ["completed", "processing", "failed"]


def test_a_version_without_a_plan_has_no_progress_yet() -> None:
    told = status_json(Version(status="pending"), [])
    assert told["progress"] == {"batchesDone": 0, "batchesTotal": 0, "rowsDone": 0, "rowsTotal": 0}
    assert (told["batches"], told["result"], told["error"]) == ([], None, None)


def test_a_failure_is_a_message() -> None:
    assert status_json(Version(status="failed", error="no key"), [])["error"] == {"message": "no key"}


def test_a_result_is_told_with_the_agreed_fields_in_the_agreed_order() -> None:
    """B10, and what was asked for beside it; what else the ledger keeps in a result stays there."""
    kept = {name: number for number, name in enumerate(sorted(RESULT_FIELDS))} | {"internal": "x"}
    told = status_json(Version(status="completed", result=kept), [])["result"]
    assert list(told) == list(RESULT_FIELDS)
    assert told == {name: kept[name] for name in RESULT_FIELDS}
    promised = "totalRows processedRows skippedRows errorRows vectorsCreated namespacesUpdated processingTimeMs errors"
    added = "unchangedRows duplicateRows vectorsDeleted embeddedInputs tokens"
    assert {*promised.split(), *added.split()} <= set(RESULT_FIELDS)


def test_the_status_is_json() -> None:
    told = status_json(Version(result=dict.fromkeys(RESULT_FIELDS, 1)), BATCHES)
    assert json.loads(json.dumps(told)) == told
    assert list(told) == ["documentId", "version", "filename", "status", "progress", "batches", "result", "error"]


def test_an_end_without_a_reason_says_where_to_look_and_what_to_do() -> None:
    run = "0a1b2c3d-4e5f-6789"
    assert unexplained_end("failed", ["batches", "embeddings"], run) == (
        "The run failed in batches, embeddings; run 0a1b2c3d in Dagster has the details. "
        "Finished batches are kept: retry."
    )
    assert unexplained_end("was stopped", [], run).startswith("The run was stopped; run 0a1b2c3d in Dagster")


def test_an_upload_of_what_is_known_says_so() -> None:
    assert upload_json(Version(), already_known=True)["known"] is True


def test_a_failed_version_tells_which_one_is_searched_all_the_same() -> None:
    assert status_json(Version(version=3, status="failed", live_version=2), [])["liveVersion"] == 2
