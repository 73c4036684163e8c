"""Pages as a browser asks for them, without its scripts: who gets one, in which language, and what is refused."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from gateway.pages.localization import preferred
from gateway.pages.sign_in import own_page
from tests.gateway.pages.conftest import HTML, OURS, Questions, signed_in
from tests.laws.deployment import items

if TYPE_CHECKING:
    from tests.laws.deployment import Deployment

KeyOf = Callable[..., str]


def test_a_stranger_is_asked_to_sign_in_and_comes_back(client: TestClient) -> None:
    answer = client.get("/search?q=a%26b", headers=HTML, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/search%3Fq%3Da%2526b"
    assert 'value="/search?q=a%26b"' in client.get(answer.headers["location"], headers=HTML).text


def test_an_app_is_told_by_a_document(client: TestClient) -> None:
    answer = client.get("/search?q=x")
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


def test_a_wrong_key_is_said_beside_its_field(client: TestClient) -> None:
    answer = client.post("/sign-in", data={"key": "rl_wrong"}, headers={**OURS, "Accept-Language": "ko"})
    assert answer.status_code == 401
    assert "알 수 없거나 폐기된 키입니다" in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_who_signs_out_is_a_stranger_again(person: TestClient) -> None:
    assert person.get("/").status_code == 200
    person.post("/sign-out")
    assert person.get("/", follow_redirects=False).status_code == 303


def test_another_site_can_neither_sign_anybody_in_nor_do_anything(person: TestClient, rowline: "Deployment") -> None:
    document = rowline.upload([["a"], ["b"]]).document_id
    rowline.services.ledger.documents.fail(document, 1, "broken")
    for path in ("/sign-in", "/sign-out", "/language", f"/d/{document}/retry"):
        answer = person.post(path, data={"key": "x", "language": "ko"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403, path
    assert rowline.services.ledger.documents.latest(document).status == "failed"


def test_what_is_not_there_is_a_page_for_people_and_a_document_for_apps(person: TestClient) -> None:
    page = person.get("/d/doc_nowhere", headers={"Accept-Language": "ko-KR"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "찾을 수 없습니다" in page.text
    assert "There is no document doc_nowhere" in page.text
    assert person.get("/d/doc_nowhere", headers={"Accept": "application/json"}).json()["status"] == 404
    assert person.get("/nothing/here").headers["content-type"] == "text/html; charset=utf-8"


def test_an_unexpected_failure_is_a_page_without_details(person: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.pages.documents.templates_of", lambda *_: 1 / 0)
    answer = person.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "ZeroDivision" not in answer.text


def test_documents_of_others_are_not_there(person: TestClient, rowline: "Deployment") -> None:
    theirs = rowline.upload([["a"], ["b"]], organization="other", filename="secret.csv").document_id
    assert "secret" not in person.get("/").text
    for path in (f"/d/{theirs}", f"/d/{theirs}/delete", f"/d/{theirs}/rollback/1"):
        assert person.get(path).status_code == 404, path
    for path in (f"/d/{theirs}/retry", f"/d/{theirs}/delete", f"/d/{theirs}/rollback/1"):
        assert person.post(path).status_code == 404, path


def test_a_key_of_one_employee_searches_and_sees_no_documents(
    client: TestClient, key_of: KeyOf, rowline: "Deployment"
) -> None:
    rowline.employees("E1")
    person = signed_in(client, key_of("acme", "search", employee="E1"))
    page = person.get("/search")
    assert page.status_code == 200
    assert 'href="/events"' not in page.text
    refused = person.get("/events")
    assert refused.status_code == 403
    assert 'action="/sign-out"' in refused.text, "no dead end"


@pytest.mark.parametrize(("role", "start"), [("search", "/search"), ("events", "/events"), ("upload", "/")])
def test_everybody_begins_where_their_key_opens(client: TestClient, key_of: KeyOf, role: str, start: str) -> None:
    assert signed_in(client, key_of("acme", role)).get("/").url.path == start


def test_the_language_is_the_browsers_until_one_is_chosen(person: TestClient) -> None:
    assert '<html lang="ko">' in person.get("/", headers={"Accept-Language": "fr, ko-KR;q=0.9, en;q=0.8"}).text
    assert '<html lang="en">' in person.get("/", headers={"Accept-Language": "fr"}).text
    chosen = person.post("/language", data={"language": "ko", "next": "/search"}, follow_redirects=False)
    assert chosen.headers["location"] == "/search"
    assert '<html lang="ko">' in person.get("/", headers={"Accept-Language": "en"}).text


@pytest.mark.parametrize(
    ("header", "code"),
    [("ko", "ko"), ("en-GB,ko;q=0.5", "en"), ("*", "en"), ("", "en"), ("ko;q=0", "en"), ("ko;q=x,en;q=0.1", "en")],
)
def test_the_preferred_language(header: str, code: str) -> None:
    assert preferred(header) == code


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "", "/\tx"])
def test_nobody_is_led_elsewhere(path: str) -> None:
    assert own_page(path) == "/"


def test_what_people_upload_cannot_write_the_page(person: TestClient, rowline: "Deployment") -> None:
    table = [["word", "note"], ["<script>alert(1)</script> hit", "x"], ["b", "y"]]
    version = rowline.quick(rowline.upload(table, filename="<img src=x onerror=alert(1)>.csv").document_id)
    for path in ("/", f"/d/{version.document_id}", "/search?q=<b>hit</b>"):
        text = person.get(path).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        assert "<b>hit" not in text, path


def test_a_form_without_scripts_uploads(person: TestClient) -> None:
    answer = person.post(
        "/upload",
        data={"template": "", "mode": "company_wide"},
        files={"file": ("표.csv", "이름\n철수\n".encode())},
        follow_redirects=False,
    )
    assert answer.status_code == 303
    page = person.get(answer.headers["location"])
    assert '<h1 class="filename">표.csv</h1>' in page.text
    assert 'http-equiv="refresh"' in page.text


def test_a_file_that_is_none_is_refused_with_a_page(person: TestClient) -> None:
    answer = person.post("/upload", files={"file": ("a.xlsx", b"%PDF-1.7")})
    assert answer.status_code == 422
    assert "a.xlsx" in answer.text


def test_static_files_are_kept_by_browsers(client: TestClient) -> None:
    page = client.get("/sign-in", headers=HTML).text
    [address] = [part.split('"')[0] for part in page.split('href="') if part.startswith("/static/rowline.css")]
    assert "immutable" in client.get(address).headers["cache-control"]
    assert client.get("/static/../rendering.py").status_code == 404


def test_the_list_is_turned_page_by_page(person: TestClient, rowline: "Deployment") -> None:
    for number in range(27):
        rowline.upload([["n"], [str(number)]], filename=f"file {number:02}.csv")
    first = person.get("/").text
    assert "file 26.csv" in first
    assert "file 01.csv" not in first
    [link] = [part.split('"')[0] for part in first.split('href="') if part.startswith("/?")]
    second = person.get(link.replace("&amp;", "&")).text
    assert "file 01.csv" in second
    assert "file 26.csv" not in second
    assert "file 13.csv" in person.get("/?name=FILE 13&status=").text
    assert "No such document" in person.get("/?name=nothing").text


def test_a_page_of_documents_costs_no_more_questions_than_one_document(
    questions: Questions, rowline: "Deployment"
) -> None:
    """It is asked for every two seconds while anything is in work."""
    rowline.upload([["n"], ["first"]])
    few = questions("/")
    for number in range(20):
        rowline.upload([["n"], [str(number)]])
    assert questions("/") == few > 0


def test_the_list_tells_the_progress_of_what_is_in_work(person: TestClient, rowline: "Deployment") -> None:
    document = rowline.upload(items(*(f"item {number}" for number in range(12)))).document_id
    rowline.step("parsed_rows", document, "a-run")
    rowline.step("batches", document, "a-run")
    assert "0 / 3 batches" in person.get("/").text
    rowline.sql("UPDATE batches SET status = 'completed' WHERE batch_number = 1")
    assert "1 / 3 batches" in person.get("/").text


def test_a_developer_finds_the_way_to_the_other_organizations(client: TestClient, person: TestClient) -> None:
    """The developer's pages show one organization; who signed in with a key has a button to leave."""
    link = '<a class="organization" href="/sign-in"'
    assert link not in person.get("/").text
    person.cookies.clear()
    with TestClient(client.app, base_url="http://localhost", headers=OURS, client=("127.0.0.1", 1)) as developer:
        assert link in developer.get("/").text


def test_a_file_that_could_not_be_read_is_to_be_corrected_rather_than_tried_again(
    person: TestClient, rowline: "Deployment"
) -> None:
    """The same bytes fail in the same words; once rows were planned, it was something else that failed."""
    retry, correct = 'class="primary" id="retry"', '<a class="button primary" href="#next-version">'
    unread = rowline.upload(b"PK\x03\x04 broken", filename="cut.xlsx").document_id
    assert rowline.process(unread).status == "failed"
    page = person.get(f"/d/{unread}").text
    assert (retry in page, 'id="retry"' in page, correct in page) == (False, True, True)
    planned = rowline.upload(items("one", "two"), filename="a.csv").document_id
    rowline.step("parsed_rows", planned, "a-run")
    rowline.step("batches", planned, "a-run")
    rowline.services.ledger.documents.fail(planned, 1, "the service is away")
    page = person.get(f"/d/{planned}").text
    assert (retry in page, correct in page) == (True, False)
