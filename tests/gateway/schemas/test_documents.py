"""JSON of documents is the agreed one, key by key, and the same over HTTP and on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.schemas.documents import Batches, Document, Documents, DocumentStatus, Upload, Uploads, Versions

IDENTITY = {"documentId": "doc_1", "version": 2, "filename": "급여.xlsx", "status": "processing"}
ERROR = {"sheet": "급여", "rowNumber": 7, "message": "no number"}
RESULT = {
    "totalRows": 240,
    "processedRows": 230,
    "skippedRows": 0,
    "errorRows": 1,
    "unchangedRows": 3,
    "duplicateRows": 9,
    "vectorsCreated": 218,
    "vectorsDeleted": 4,
    "namespacesUpdated": ["acme"],
    "embeddedInputs": 218,
    "tokens": 1744,
    "costUsd": None,
    "processingTimeMs": 812,
    "errors": [ERROR],
}


@dataclass(frozen=True)
class Version:
    document_id: str = "doc_1"
    version: int = 2
    filename: str = "급여.xlsx"
    status: str = "processing"
    error: str | None = None
    result: Mapping[str, Any] | None = None
    waiting_reason: str | None = None
    live_version: int | None = None
    organization_id: str = "acme"
    mode: str = "company_wide"
    template_json: Mapping[str, Any] = field(default_factory=lambda: {"name": "premiums"})
    byte_size: int = 4096
    uploaded_at: datetime = datetime(2026, 11, 21, 9, 0, 0, 120_000, tzinfo=UTC)


def batch(number: int, status: str, rows: int, error_rows: int = 0) -> dict[str, Any]:
    """A batch as the ledger lists it."""
    return {
        "batchNumber": number,
        "totalBatches": 3,
        "startRow": 2,
        "endRow": 101,
        "status": status,
        "processedRows": rows,
        "vectorsCreated": rows,
        "errors": [ERROR],
        "errorRows": error_rows,
        "rows": rows,
        "tokens": 7,
        "embeddedInputs": 3,
    }


BATCHES = [batch(1, "completed", 100), batch(2, "processing", 100), batch(3, "failed", 40)]


def status_json(version: Version, batches: list[dict[str, Any]]) -> dict[str, Any]:
    return DocumentStatus.from_version(version, batches).to_json()


def test_an_upload_has_id_version_file_and_status() -> None:
    assert Upload.from_version(Version()).to_json() == IDENTITY
    assert Uploads.from_versions([Version()]).to_json() == {"documents": [IDENTITY]}


def test_an_upload_of_known_bytes_says_so() -> None:
    assert Upload.from_version(Version(), already_known=True).to_json() == {**IDENTITY, "known": True}


def test_a_document_in_a_list() -> None:
    """Compared as text: the order of keys is part of what people read."""
    whole = {
        **IDENTITY,
        "organizationId": "acme",
        "liveVersion": None,
        "mode": "company_wide",
        "template": "premiums",
        "byteSize": 4096,
        "uploadedAt": "2026-11-21T09:00:00.120000Z",
    }
    assert json.dumps(Document.from_version(Version()).to_json()) == json.dumps(whole)
    assert Versions.from_versions([Version()]).to_json() == {"versions": [whole]}
    assert Documents.from_versions([Version()], "next").to_json() == {"nextCursor": "next", "documents": [whole]}
    assert Documents.from_versions([], None).to_json() == {"nextCursor": None, "documents": []}


def test_errors_of_a_document_in_a_list() -> None:
    shown = Document.from_version(Version(error="no key", result=RESULT, live_version=1)).to_json()
    assert (shown["errorRows"], shown["error"], shown["liveVersion"]) == (1, {"message": "no key"}, 1)


def test_times_are_utc_whatever_the_session_says() -> None:
    seoul = datetime(2026, 11, 21, 18, tzinfo=timezone(timedelta(hours=9)))
    assert Document.from_version(Version(uploaded_at=seoul)).to_json()["uploadedAt"] == "2026-11-21T09:00:00Z"


def test_progress_counts_complete_batches_and_their_rows() -> None:
    assert status_json(Version(), BATCHES)["progress"] == {
        "batchesDone": 1,
        "batchesTotal": 3,
        "rowsDone": 100,
        "rowsTotal": 240,
    }


def test_error_rows_are_counted_while_the_version_is_processed() -> None:
    batches = [batch(1, "completed", 100, 2), batch(2, "processing", 100, 40), BATCHES[2]]
    assert status_json(Version(), batches)["progress"]["errorRows"] == 42


def test_a_version_that_waits_says_for_what() -> None:
    assert status_json(Version(waiting_reason="OpenAI"), [])["progress"]["waitsFor"] == "OpenAI"


def test_batches_have_the_agreed_fields_only() -> None:
    agreed = "batchNumber totalBatches startRow endRow status processedRows vectorsCreated errors"
    for batches in (
        status_json(Version(), BATCHES)["batches"],
        Batches.from_records(BATCHES, None).to_json()["batches"],
    ):
        assert [" ".join(each) for each in batches] == [agreed] * 3
        assert [each["status"] for each in batches] == ["completed", "processing", "failed"]
        assert batches[0]["errors"] == [ERROR]


def test_a_version_without_a_plan_has_no_progress_yet() -> None:
    shown = status_json(Version(status="pending"), [])
    assert shown["progress"] == {"batchesDone": 0, "batchesTotal": 0, "rowsDone": 0, "rowsTotal": 0}
    assert (shown["batches"], shown["result"], shown["error"]) == ([], None, None)


def test_a_failure_is_a_message() -> None:
    assert status_json(Version(status="failed", error="no key"), [])["error"] == {"message": "no key"}


def test_a_result_has_the_agreed_fields_in_the_agreed_order() -> None:
    """What else the ledger stores in a result stays there."""
    shown = status_json(Version(status="completed", result=RESULT | {"internal": "x"}), [])["result"]
    assert json.dumps(shown) == json.dumps(RESULT)


def test_a_result_without_a_count_is_a_fault() -> None:
    with pytest.raises(ValidationError, match="tokens"):
        status_json(Version(result={name: value for name, value in RESULT.items() if name != "tokens"}), [])


def test_the_status_is_json() -> None:
    shown = status_json(Version(result=RESULT), BATCHES)
    assert json.loads(json.dumps(shown)) == shown
    assert list(shown) == ["documentId", "version", "filename", "status", "progress", "batches", "result", "error"]


def test_a_failed_version_names_the_one_that_searches_show() -> None:
    assert status_json(Version(version=3, status="failed", live_version=2), [])["liveVersion"] == 2
    assert "liveVersion" not in status_json(Version(version=2, live_version=2), [])
