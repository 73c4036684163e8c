"""Uploads over HTTP: received in chunks, bounded, looked at, taken once."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.app import create_app
from operations.services import Services
from settings.settings import Settings
from tests.gateway.http.conftest import MakeKey
from tests.laws.deployment import Deployment, csv_bytes, items, template, xlsx_bytes

Upload = Callable[..., Any]


@pytest.fixture
def upload(client: TestClient, shown_by: MakeKey) -> Upload:
    """Sends a table as acme's uploader; fields of the form by name."""
    headers = shown_by("acme", "upload")

    def sent(body: bytes, filename: str = "items.csv", key: str | None = None, **fields: str) -> Any:
        more = {"Idempotency-Key": key} if key else {}
        return client.post("/documents", files={"file": (filename, body)}, data=fields, headers=headers | more)

    return sent


def documents(rowline: Deployment) -> int:
    return len(rowline.sql("SELECT * FROM documents"))


# -- what becomes of a file -----------------------------------------------------------------------------------------


def test_a_form_says_how_the_file_is_to_be_read(upload: Upload, rowline: Deployment, services: Services) -> None:
    rowline.employees("E1")
    services.ledger.organizations.put_template("acme", template(name="staff", employeeIdentifier="no"))
    body = xlsx_bytes({"일": [["no", "task"], ["E1", "welding"]]})
    first = upload(body, "주간.xlsx", template="staff", mode="employee_split").json()["documents"][0]
    version = rowline.process(first["documentId"])
    assert (version.mode, version.template.name, version.status) == ("employee_split", "staff", "completed")
    again = upload(csv_bytes(items("a")), documentId=first["documentId"]).json()["documents"][0]
    assert (again["documentId"], again["version"]) == (first["documentId"], 2)
    named = upload(csv_bytes(items("b")), sameName="true").json()["documents"][0]
    assert (named["documentId"], named["version"]) == (first["documentId"], 3)


def test_a_quotation_mark_in_a_name_is_one_again(client: TestClient, shown_by: MakeKey) -> None:
    """Browsers send it as %22, and folders with it where they know them."""
    body = part(b"file", b"item\na\n", "C:\\폴더\\한글 %22이름%22.csv".encode()) + b"--b--"
    headers = {**shown_by("acme", "upload"), "Content-Type": BOUNDARY}
    [made] = client.post("/documents", content=body, headers=headers).json()["documents"]
    assert made["filename"] == '한글 "이름".csv'


def test_the_same_file_again_is_known_and_no_second_version(upload: Upload, rowline: Deployment) -> None:
    first = upload(csv_bytes(items("a")))
    again = upload(csv_bytes(items("a")), documentId=first.json()["documents"][0]["documentId"])
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {"documents": [{**first.json()["documents"][0], "known": True}]}


def test_a_key_is_honoured_once(upload: Upload, client: TestClient, shown_by: MakeKey, rowline: Deployment) -> None:
    first = upload(csv_bytes(items("a")), key="k-1")
    again = upload(csv_bytes(items("a")), key="k-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {"documents": [{**first.json()["documents"][0], "known": True}]}
    assert again.headers["Location"] == first.headers["Location"]
    other = upload(csv_bytes(items("b")), key="k-1")
    assert (other.status_code, other.json()["detail"]) == (
        409,
        "The Idempotency-Key k-1 was another file's; use a new key for each file",
    )
    headers = shown_by("rival", "upload") | {"Idempotency-Key": "k-1"}
    theirs = client.post("/documents", files={"file": ("a.csv", csv_bytes(items("a")))}, headers=headers)
    assert theirs.status_code == 201  # another organization's keys are its own
    assert documents(rowline) == 2
    assert len(list(rowline.services.objects.keys("uploads/"))) == 2


# -- refusals -------------------------------------------------------------------------------------------------------


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name in names:
            package.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "sentence", "code"),
    [
        (b"%PDF-1.7\n", "this is a PDF document, not a workbook", "unsupported-format"),
        (b"", "the file is empty", "empty-file"),
        (archive("word/document.xml"), "this is a Word document, not a workbook", "unsupported-format"),
        (archive("readme.txt"), "this is a zip archive without a workbook in it", "unsupported-format"),
        (b"PK\x03\x04 and no more", "the file is damaged or was not sent completely", "damaged-file"),
        (b"\x01\x02\x03\x05" * 100, "this is neither a workbook nor a text table", "unsupported-format"),
    ],
)
def test_what_is_no_workbook_is_refused_at_the_door(
    upload: Upload, rowline: Deployment, body: bytes, sentence: str, code: str
) -> None:
    """By what it is, not by what it is called; nothing of it is kept."""
    answer = upload(body, "급여.xlsx")
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["detail"].startswith(f"급여.xlsx: {sentence}")
    assert answer.json()["code"] == code
    assert documents(rowline) == 0
    assert list(rowline.services.objects.keys("uploads/")) == []


def test_an_archive_with_a_long_list_of_members_costs_the_door_nothing(upload: Upload) -> None:
    """Its list is read where memory has a limit: in the reader's process."""
    body = archive(*(f"{number:06d}" * 10 for number in range(10_000)))
    assert len(body) > 2**20
    assert upload(body, "many.xlsx").status_code == 201


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mode": "by_chance"}, "body.mode"),
        ({"documentId": "\0"}, "body.documentId"),
        ({"economy": "perhaps"}, "body.economy"),
        ({"colour": "red"}, "body.colour"),
        ({"documentId": "doc_0", "sameName": "true"}, "body.sameName"),
    ],
)
def test_wrong_fields_of_a_form_are_named(
    upload: Upload, rowline: Deployment, fields: dict[str, str], field: str
) -> None:
    answer = upload(b"item\na\n", **fields)
    assert (answer.status_code, [wrong["field"] for wrong in answer.json()["errors"]]) == (422, [field])
    assert documents(rowline) == 0


def test_what_cannot_be_is_refused_in_a_sentence(upload: Upload) -> None:
    def shown(**fields: str) -> tuple[int, str]:
        answer = upload(b"item\na\n", **fields)
        return answer.status_code, answer.json()["detail"]

    assert shown(documentId="doc_0") == (404, "There is no document doc_0")
    assert shown(template="none") == (
        422,
        "Organization acme has no template none; who runs Rowline puts one with `rowline template put`",
    )
    assert shown(mode="employee_split")[0] == 422
    assert shown(economy="true")[0] == 422


BOUNDARY = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'


def part(name: bytes, body: bytes, filename: bytes | None = None) -> bytes:
    return PART % (name, b'; filename="%s"' % filename if filename is not None else b"", body)


FILE = part(b"file", b"item\na\n", b"a.csv")


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", FILE + b"--b--", 400),  # no boundary
        (BOUNDARY, b"", 422),
        (BOUNDARY, b"not a form", 400),
        (BOUNDARY, FILE[:-2], 422),  # cut off
        (BOUNDARY, FILE + FILE + b"--b--", 400),
        (BOUNDARY, part(b"file", b"item\na\n") + b"--b--", 422),  # a text
        (BOUNDARY, part(b"other", b"item\na\n", b"a.csv") + b"--b--", 422),
        (BOUNDARY, FILE + part(b"mode", b"company_wide") * 2 + b"--b--", 422),
        (BOUNDARY, FILE + part(b"template", b"x" * 5000) + b"--b--", 400),
        (BOUNDARY, FILE + b"".join(part(b"f%d" % number, b"") for number in range(9)) + b"--b--", 400),
        (BOUNDARY, b"--b\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n\r\n--b--", 400),
        (BOUNDARY, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", 400),  # no name
        (BOUNDARY, FILE.replace(b"file", b"\xff\xfe") + b"--b--", 422),
        (BOUNDARY, part(b"file", b"item\na\n", b"") + b"--b--", 201),  # a file without a name is a file
        (BOUNDARY, part(b"file", b"item\na\n", b"..\\..\\a\xff\x00.csv") + b"--b--", 201),
        (BOUNDARY, FILE + b"--b--", 201),
    ],
)
def test_forms_of_every_shape_are_answered(
    client: TestClient, shown_by: MakeKey, rowline: Deployment, content_type: str, body: bytes, status: int
) -> None:
    headers = shown_by("acme", "upload") | {"Content-Type": content_type}
    answer = client.post("/documents", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert documents(rowline) == (status == 201)


# -- how much -------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(settings: Settings, services: Services) -> Iterator[TestClient]:
    """A gateway that takes files of 1 MB."""
    limited = Services(settings.model_copy(update={"max_upload_bytes": 10**6}))
    limited.__dict__["embedder"] = services.embedder
    with TestClient(create_app(limited), raise_server_exceptions=False) as opened:
        yield opened
    limited.close()


def test_a_file_may_have_so_many_bytes_and_no_more(small: TestClient, shown_by: MakeKey, rowline: Deployment) -> None:
    headers = shown_by("acme", "upload")

    def sent(size: int) -> int:
        body = b"item\n" + b"a" * (size - 5)
        return int(small.post("/documents", files={"file": ("a.csv", body)}, headers=headers).status_code)

    assert (sent(10**6), sent(10**6 + 1)) == (201, 413)
    assert documents(rowline) == 1
    assert len(list(rowline.services.objects.keys("uploads/"))) == 1


class Endless:
    """A body that never ends by itself, and counts what was taken of it; who takes far too much is stopped."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nitem\n'
        while self.taken < 2**25:
            self.taken += 2**16
            yield b"a" * 2**16
        raise AssertionError("the body is read without an end")


async def asked(app: Any, headers: dict[str, str], body: Iterator[bytes], last: bytes = b"") -> list[dict[str, Any]]:
    """What the app answers to a body that is handed to it a chunk at a time, up to `last`, as a server does."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        chunk = next(body)
        return {"type": "http.request", "body": chunk, "more_body": chunk != last}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/documents",
        "raw_path": b"/documents",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "app": app,
    }
    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("key", [True, False])
def test_nothing_is_read_beyond_the_limit_nor_of_a_stranger(small: TestClient, shown_by: MakeKey, key: bool) -> None:
    """A body without an end and without a length; a stranger's is not begun."""
    import anyio

    headers = (shown_by("acme", "upload") if key else {}) | {"Content-Type": BOUNDARY, "Host": "testserver"}
    body = Endless()
    answer = anyio.run(asked, small.app, headers, iter(body))
    assert answer[0]["status"] == (413 if key else 401)
    assert body.taken <= (10**6 + 3 * 2**16 if key else 0)
    if key:
        assert (b"connection", b"close") in answer[0]["headers"]


def test_an_announced_length_is_refused_unread(small: TestClient, shown_by: MakeKey) -> None:
    import anyio

    more = {"Content-Type": BOUNDARY, "Host": "testserver", "Content-Length": "2000000"}
    body = Endless()
    answer = anyio.run(asked, small.app, shown_by("acme", "upload") | more, iter(body))
    assert (answer[0]["status"], body.taken) == (413, 0)


@pytest.mark.slow
def test_a_large_file_is_never_in_memory(services: Services, shown_by: MakeKey) -> None:
    """128 MB are received, hashed and kept in a few chunks' memory."""
    import tracemalloc

    import anyio

    headers = shown_by("acme", "upload") | {"Content-Type": BOUNDARY, "Host": "testserver"}
    end = b"\r\n--b--"

    def body() -> Iterator[bytes]:
        yield next(iter(Endless()))
        for _ in range(2048):
            yield b"a" * 2**16
        yield end

    app = create_app(services)
    tracemalloc.start()
    try:
        answer = anyio.run(asked, app, headers, body(), end)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer[0]["status"] == 201
    assert peak < 16 * 2**20
