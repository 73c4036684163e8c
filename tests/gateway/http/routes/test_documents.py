"""Documents over HTTP: what the command does, for apps. The organization is always the key's."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest
from starlette.testclient import TestClient

from operations.services import Services
from tests.gateway.http.acting import indexed
from tests.gateway.http.conftest import MakeKey
from tests.laws.deployment import Deployment, csv_bytes, items, template, xlsx_bytes

STAFF = {"name": "staff", "employeeIdentifier": "no"}


@pytest.fixture
def ask(client: TestClient, shown_by: MakeKey) -> Callable[..., Any]:
    """Asks as acme's uploader; others by `org=`."""
    headers = {org: shown_by(org, "upload") for org in ("acme", "rival")}

    def asked(address: str, method: str = "GET", org: str = "acme", **more: Any) -> Any:
        more["headers"] = headers[org] | more.pop("headers", {})
        return client.request(method, address, **more)

    return asked


# -- one document ---------------------------------------------------------------------------------------------------


def test_a_document_is_followed_from_pending_to_its_result(ask: Callable[..., Any], rowline: Deployment) -> None:
    sent = ask("/documents", "POST", files={"file": ("품목.csv", csv_bytes(items(*"abcdef")))})
    assert sent.status_code == 201
    (output,) = sent.json()["documents"]
    assert (output["version"], output["filename"], output["status"]) == (1, "품목.csv", "pending")
    at, status = sent.headers["Location"], f"/api/documents/{output['documentId']}/status"
    assert at == f"/documents/{output['documentId']}"
    assert ask(status).json() == {
        **output,
        "progress": {"batchesDone": 0, "batchesTotal": 0, "rowsDone": 0, "rowsTotal": 0},
        "batches": [],
        "result": None,
        "error": None,
    }
    early = ask(f"{at}/result")
    assert (early.status_code, early.json()["detail"][-28:]) == (409, "is pending and has no result")
    rowline.quick(output["documentId"])
    done = ask(status).json()
    assert done["progress"] == {"batchesDone": 2, "batchesTotal": 2, "rowsDone": 6, "rowsTotal": 6}
    assert ask(f"{at}/batches").json() == {"batches": done["batches"], "nextCursor": None}
    assert ask(f"{at}/result").json() == done["result"]
    assert (done["result"]["totalRows"], done["result"]["vectorsCreated"]) == (6, 6)
    shown = ask(at).json()
    assert (shown["status"], shown["liveVersion"], shown["template"]) == ("completed", 1, "default")
    assert ask(f"{at}/versions").json() == {"versions": [shown]}


def test_polling_is_answered_in_full_only_when_something_has_changed(
    ask: Callable[..., Any], rowline: Deployment
) -> None:
    document = rowline.upload(items(*"abcde")).document_id
    status = f"/api/documents/{document}/status"
    first = ask(status)
    mark = first.headers["ETag"]
    again = ask(status, headers={"If-None-Match": f'"other", {mark}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", mark)
    rowline.quick(document)
    after = ask(status, headers={"If-None-Match": mark})
    assert (after.status_code, after.json()["status"]) == (200, "completed")
    assert after.headers["ETag"] != mark
    rowline.upload(items("x"), document)
    newer = ask(status, headers={"If-None-Match": after.headers["ETag"]})
    assert (newer.status_code, newer.json()["version"]) == (200, 2)


def test_every_word_of_the_status_has_a_mark_of_its_own(ask: Callable[..., Any], rowline: Deployment) -> None:
    """A mark that forgets a field would let a poller wait for ever."""
    version = rowline.upload(items(*"abcde"))
    rowline.quick(version.document_id)
    status, seen = f"/api/documents/{version.document_id}/status", set()
    changes = (
        "UPDATE versions SET waiting_reason = 'x'",
        "UPDATE versions SET error = 'x'",
        "UPDATE versions SET result = result || '{\"tokens\": 5}'",
        "UPDATE batches SET processed_rows = 1 WHERE batch_number = 2",
        "UPDATE batches SET errors = '[]' WHERE batch_number = 1",
        "UPDATE documents SET live_version = NULL",
    )
    for change in changes:
        seen.add(ask(status).headers["ETag"])
        rowline.sql(change)
    seen.add(ask(status).headers["ETag"])
    assert len(seen) == len(changes) + 1


def test_a_failed_document_says_why_and_is_tried_again(ask: Callable[..., Any], rowline: Deployment) -> None:
    document = rowline.upload(items("anvil")).document_id
    rowline.services.ledger.documents.fail(document, None, "The key was refused; set OPENAI_API_KEY")
    failed = ask(f"/api/documents/{document}/status").json()
    assert failed["status"] == "failed"
    assert failed["error"]["message"] in ask(f"/documents/{document}/result").json()["detail"]
    assert ask(f"/documents/{document}").json()["error"] == failed["error"]
    again = ask(f"/documents/{document}/retry", "POST")
    assert (again.status_code, again.json()["documents"][0]["status"]) == (202, "pending")
    refused = ask(f"/documents/{document}/retry", "POST")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        f"Document {document} is pending; only a failed one can be tried again",
    )
    assert rowline.quick(document).status == "completed"


# -- files ----------------------------------------------------------------------------------------------------------


def test_each_version_gives_its_file_back_under_its_name(ask: Callable[..., Any], rowline: Deployment) -> None:
    first, name = csv_bytes(items("anvil")), '급여 "2026".csv'
    document = rowline.upload(first, filename=name).document_id
    rowline.upload(csv_bytes(items("bellows")), document, filename="b.csv")
    answer = ask(f"/documents/{document}/versions/1/file")
    assert (answer.status_code, answer.content) == (200, first)
    assert answer.headers["Content-Length"] == str(len(first))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == (
        f"attachment; filename=\"__ _2026_.csv\"; filename*=UTF-8''{quote(name)}"
    )
    assert ask(f"/documents/{document}/versions/2/file").content == csv_bytes(items("bellows"))
    missing = ask(f"/documents/{document}/versions/3/file")
    assert (missing.status_code, missing.json()["detail"]) == (404, f"Document {document} has no version 3")


def test_a_file_is_served_while_its_document_goes(
    ask: Callable[..., Any], rowline: Deployment, services: Services
) -> None:
    """What is open stays readable, whatever becomes of its path."""
    version = rowline.upload(csv_bytes(items(*map(str, range(40_000)))))
    with services.objects.local(version.upload.object_key) as path:
        whole = path.read_bytes()
    assert len(whole) > 2**19  # more than one chunk
    assert ask(f"/documents/{version.document_id}/versions/1/file").content == whole


def test_wrong_rows_come_back_in_a_workbook(ask: Callable[..., Any], rowline: Deployment) -> None:
    rowline.employees("E1")
    table = [["no", "task"], ["E1", "welding"], ["E9", "painting"]]
    version = indexed(
        rowline, xlsx_bytes({"일": table}), filename="주간.xlsx", template=template(**STAFF), mode="employee_split"
    )
    shown = ask(f"/documents/{version.document_id}").json()
    assert (shown["errorRows"], shown["mode"], shown["template"]) == (1, "employee_split", "staff")
    answer = ask(f"/documents/{version.document_id}/errors.xlsx")
    assert answer.status_code == 200
    assert quote("주간 errors.xlsx") in answer.headers["Content-Disposition"]
    sheet = openpyxl.load_workbook(BytesIO(answer.content)).worksheets[0]
    assert [cell.value for cell in sheet[3]][:2] == ["E9", "painting"]
    assert "E9" in str([cell.value for cell in sheet[3]][2:])
    good = indexed(rowline, items("anvil"))
    none = ask(f"/documents/{good.document_id}/errors.xlsx")
    assert (none.status_code, none.json()["detail"]) == (404, "No row of items.csv (version 1) has an error")
    waiting = rowline.upload(items("bellows"))
    assert ask(f"/documents/{waiting.document_id}/errors.xlsx").status_code == 409


# -- lists ----------------------------------------------------------------------------------------------------------


def pages(ask: Callable[..., Any], address: str, noun: str, **params: Any) -> list[list[dict[str, Any]]]:
    """All pages of a list."""
    found, cursor = [], None
    while True:
        page = ask(address, params=params | ({"cursor": cursor} if cursor else {})).json()
        found.append(page[noun])
        cursor = page["nextCursor"]
        if cursor is None:
            return found


def test_pages_hold_every_document_once_whatever_comes_in_meanwhile(
    ask: Callable[..., Any], rowline: Deployment
) -> None:
    ids = [rowline.upload(items(str(number))).document_id for number in range(5)]
    rowline.upload(items("theirs"), organization="rival")
    first = ask("/documents", params={"limit": 2}).json()
    assert [one["documentId"] for one in first["documents"]] == [ids[4], ids[3]]
    newest = rowline.upload(items("later")).document_id
    second = ask("/documents", params={"limit": 2, "cursor": first["nextCursor"]}).json()
    assert [one["documentId"] for one in second["documents"]] == [ids[2], ids[1]]
    output = [[one["documentId"] for one in page] for page in pages(ask, "/documents", "documents", limit=3)]
    assert output == [[newest, ids[4], ids[3]], [ids[2], ids[1], ids[0]]]
    assert len(ask("/documents", org="rival").json()["documents"]) == 1


def test_a_list_is_filtered_by_status_and_by_name_however_it_is_written(
    ask: Callable[..., Any], rowline: Deployment
) -> None:
    salary = indexed(rowline, items("a"), filename="급여 100%_2026.CSV").document_id
    other = rowline.upload(items("b"), filename="b.csv").document_id

    def found(**params: Any) -> list[str]:
        return [one["documentId"] for one in ask("/documents", params=params).json()["documents"]]

    assert found(status="completed") == [salary]
    assert found(status="pending") == [other]
    assert found(filename="csv") == [other, salary]
    assert found(filename=unicodedata.normalize("NFD", "급여")) == [salary]  # as a Mac writes it
    assert found(filename="100%_") == [salary]  # no wildcards
    assert found(filename="B.c", status="failed") == []


def test_batches_come_in_pages(ask: Callable[..., Any], rowline: Deployment) -> None:
    version = indexed(rowline, items(*map(str, range(18))))
    output = pages(ask, f"/documents/{version.document_id}/batches", "batches", limit=2)
    assert [[batch["batchNumber"] for batch in page] for page in output] == [[1, 2], [3, 4], [5]]


# -- refusals -------------------------------------------------------------------------------------------------------


WRONG = [
    ("/documents?limit=201", "query.limit"),
    ("/documents?limit=0", "query.limit"),
    ("/documents?limit=many", "query.limit"),
    ("/documents?status=gone", "query.status"),
    ("/documents?filename=", "query.filename"),
    ("/documents?filename=%00", "query.filename"),
    ("/documents?cursor=x", "query.cursor"),
    ("/documents?cursor=%00", "query.cursor"),
    ("/documents?cursor=ZG9jdW1lbnRzIGRvY18w", "query.cursor"),  # of this list, and no position in it
    ("/documents/{}/batches?cursor=ZG9jdW1lbnRzIGRvY18w", "query.cursor"),  # of another list
    ("/documents/%00", "path.documentId"),
    (f"/documents/{'x' * 256}", "path.documentId"),
    ("/documents/{}/versions/0/file", "path.number"),
    ("/documents/{}/versions/2147483648/file", "path.number"),
    ("/documents/{}/result?version=1.5", "query.version"),
]


def test_wrong_parameters_are_named(ask: Callable[..., Any], rowline: Deployment) -> None:
    document = rowline.upload(items("anvil")).document_id
    for address, field in WRONG:
        answer = ask(address.format(document))
        assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json"), address
        assert [wrong["field"] for wrong in answer.json()["errors"]] == [field]


THEIRS = [
    ("GET", "/documents/{}"),
    ("GET", "/api/documents/{}/status"),
    ("GET", "/documents/{}/batches"),
    ("GET", "/documents/{}/result"),
    ("GET", "/documents/{}/versions"),
    ("GET", "/documents/{}/versions/1/file"),
    ("GET", "/documents/{}/errors.xlsx"),
    ("POST", "/documents/{}/retry"),
    ("POST", "/documents/{}/rollback"),
    ("DELETE", "/documents/{}"),
    ("DELETE", "/documents/{}?dryRun=true"),
]


def test_what_is_another_organizations_is_not_there(ask: Callable[..., Any], rowline: Deployment) -> None:
    """Answered in the words that an unknown id gets: nobody learns that it exists."""
    document = indexed(rowline, items("anvil")).document_id
    before = rowline.sql("SELECT * FROM versions JOIN documents USING (document_id)")
    for method, address in THEIRS:
        body = {"json": {"targetVersion": 1}} if "rollback" in address else {}
        theirs = ask(address.format(document), method, "rival", **body)
        unknown = ask(address.format("doc_0"), method, "rival", **body)
        assert (theirs.status_code, unknown.status_code) == (404, 404)
        assert theirs.json()["detail"] == unknown.json()["detail"].replace("doc_0", document)
    assert rowline.sql("SELECT * FROM versions JOIN documents USING (document_id)") == before


def test_a_document_is_found_by_the_name_that_its_app_gave_it(ask: Callable[..., Any], rowline: Deployment) -> None:
    document = rowline.upload(items("anvil")).document_id
    rowline.sql("UPDATE documents SET external_id = '계약-7'")
    assert ask("/documents/계약-7").json()["documentId"] == document
    assert ask("/documents/계약-7", org="rival").status_code == 404
    sent = ask("/documents", "POST", files={"file": ("b.csv", b"item\nb\n")}, data={"documentId": "계약-7"})
    assert (sent.status_code, sent.json()["documents"][0]["version"]) == (201, 2)
