"""What people do with a browser, in both languages: upload, watch, search, go back, correct, try again."""

import io
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from playwright.sync_api import Page, expect

from domain.errors import TransientError
from gateway.pages.events import PER_PAGE
from gateway.pages.localization import Language
from operations.documents.rollback import roll_back
from operations.events.intake import ingest_events
from tests.gateway.pages.conftest import Processed, Visit, Visitor
from tests.laws.deployment import csv_bytes, items
from tests.laws.doubles import WordEmbedder

if TYPE_CHECKING:
    from tests.laws.deployment import Deployment

pytestmark = pytest.mark.slow
LANGUAGES = pytest.mark.parametrize("language", ["ko-KR", "en-US"])
NAMES = ["사과", "배나무", "포도밭", "감귤", "자두", "복숭아", "살구", "매실", "앵두"]


def choose(page: Page, name: str, body: bytes) -> None:
    page.locator("#files").set_input_files({"name": name, "mimeType": "text/csv", "buffer": body})


def refuse_all(_: object) -> None:
    raise TransientError("the service is away")


def look_again(page: Page) -> None:
    """As time goes by: the page looks by itself, and nobody waits for it here."""
    page.clock.fast_forward(10_000)


def watched(visitor: Visitor, language: str) -> tuple[Visit, Page, Language]:
    """A browser whose clock is ours, so that what the page does every two seconds is done when we say so."""
    visit = visitor(language)
    visit.page.clock.install()
    visit.open("/")
    return visit, visit.page, Language(language[:2])


def test_who_shows_a_key_is_let_in_and_a_wrong_one_is_told(visitor: Visitor, key_of: Callable[..., str]) -> None:
    visit = visitor("ko-KR", organization=None)
    page, lang = visit.page, Language("ko")
    visit.open("/sign-in?next=/search")
    for key in ("rl_wrong", key_of("acme", "search")):
        page.get_by_label(lang.say("sign_in.key"), exact=True).fill(key)
        page.get_by_role("button", name=lang.say("sign_in.enter")).click()
        if key == "rl_wrong":
            expect(page.get_by_role("alert")).to_have_text(lang.say("sign_in.refused"))
    page.wait_for_url("**/search")
    expect(page.locator(".organization")).to_have_text("acme")
    page.get_by_role("button", name=lang.say("nav.other_language")).click()
    expect(page.locator("html")).to_have_attribute("lang", lang.other)
    page.get_by_role("button", name=Language(lang.other).say("nav.sign_out")).click()
    expect(page.locator("h1")).to_have_text(Language(lang.other).say("sign_in.title"))


@LANGUAGES
def test_a_file_becomes_rows_that_can_be_found(
    visitor: Visitor, rowline: "Deployment", processed: Processed, language: str
) -> None:
    """Upload → progress → result → search → trace, without one reload of the card."""
    _, page, lang = watched(visitor, language)
    expect(page.get_by_text(lang.say("documents.none"))).to_be_visible()
    choose(page, "과일.csv", csv_bytes(items(*NAMES)))
    expect(page.locator(".sendings .good")).to_contain_text(lang.say("upload.taken"))
    expect(page.locator("table.documents tbody tr")).to_contain_text(lang.say("status.pending"))

    page.locator("table.documents a.title").click()
    document = page.url.rpartition("/")[2]
    badge = page.locator(".status .badge")
    expect(badge).to_have_text(lang.say("status.pending"))
    rowline.step("parsed_rows", document, "a-run")
    rowline.step("batches", document, "a-run")
    page.evaluate("window.notReloaded = true")
    look_again(page)
    expect(badge).to_have_text(lang.say("status.processing"))
    expect(page.locator(".status-line")).to_contain_text(lang.say("card.batches", done=0, total=3))
    expect(page.locator("#said")).to_contain_text(lang.say("status.processing"))

    assert processed(document).status == "completed"
    look_again(page)
    expect(badge).to_have_text(lang.say("status.completed"))
    expect(page.locator(".status-line")).to_contain_text(lang.say("card.batches", done=3, total=3))
    expect(page.locator(".figures").first).to_contain_text("9")
    assert page.evaluate("window.notReloaded")
    finds_and_traces(page, lang)


def finds_and_traces(page: Page, lang: Language) -> None:
    page.get_by_role("link", name=lang.say("nav.search")).click()
    page.locator("#q").fill("포도밭 어디에")
    page.keyboard.press("Enter")
    hit = page.locator(".hit").first
    expect(hit.locator("mark").first).to_have_text("포도밭")
    expect(hit.locator("tbody tr")).to_contain_text("과일.csv")
    expect(hit.locator("tbody td").nth(2)).to_have_text("4")  # the row as the sheet counts it
    hit.get_by_role("link", name=lang.say("search.trace")).click()
    expect(page.locator("h1")).to_have_text(lang.say("trace.title"))
    expect(page.locator(".row-source")).to_contain_text("colour of 포도밭")


@LANGUAGES
def test_wrong_rows_are_named_and_come_back_in_a_workbook(
    visitor: Visitor, rowline: "Deployment", language: str
) -> None:
    """Partial success is seen as such: badge, rows, file to correct."""
    version = rowline.quick(rowline.upload(items("good", "REFUSED one", "fine"), filename="품목.csv").document_id)
    visit, page, lang = watched(visitor, language)
    expect(page.locator(".badge.partial")).to_contain_text(lang.say("status.with_errors", n=1))
    visit.open(f"/d/{version.document_id}")
    expect(page.locator(".status .badge.partial")).to_contain_text(lang.say("status.with_errors", n=1))
    expect(page.locator("section[aria-labelledby=errors] tbody tr td").nth(1)).to_have_text("3")
    with page.expect_download() as download:
        page.get_by_role("link", name=lang.say("card.error_workbook")).click()
    assert download.value.suggested_filename == "품목 errors.xlsx"
    book = openpyxl.load_workbook(io.BytesIO(download.value.path().read_bytes()))
    assert any("REFUSED" in str(cell.value) for row in book.worksheets[0] for cell in row)


@LANGUAGES
def test_a_document_goes_back_to_an_older_version(visitor: Visitor, rowline: "Deployment", language: str) -> None:
    """Asked in a dialog; kept as an event; the card says when it is done."""
    first = rowline.quick(rowline.upload(items("old", "same"), filename="a.csv").document_id)
    rowline.quick(rowline.upload(items("new", "same"), first.document_id, filename="a.csv").document_id)
    visit, page, lang = watched(visitor, language)
    visit.open(f"/d/{first.document_id}")
    versions = page.locator("section[aria-labelledby=versions] tbody tr")
    expect(versions.nth(0)).to_contain_text(lang.say("versions.live"))
    versions.nth(1).get_by_role("link", name=lang.say("versions.go_back")).click()
    dialog = page.get_by_role("dialog", name=lang.say("rollback.title", n=1))
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(versions.nth(1).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name=lang.say("rollback.act")).click()
    expect(page.locator("#live > .notice")).to_have_text(lang.say("rollback.under_way", n=1))
    [event] = rowline.services.ledger.events.listed("acme")
    assert (event.name, event.fields["data"]["targetVersion"]) == ("document/rollback", 1)

    roll_back(rowline.services.ledger, rowline.services.vectors, first.document_id, 1)  # as the event's job does
    look_again(page)
    expect(page.locator("#live > .notice")).to_have_text(lang.say("rollback.done", n=1))
    expect(versions.nth(0)).to_contain_text(lang.say("status.rolled_back"))
    expect(versions.nth(1)).to_contain_text(lang.say("versions.live"))


def test_what_would_go_is_told_before_a_document_is_deleted(visitor: Visitor, rowline: "Deployment") -> None:
    document = rowline.quick(rowline.upload(items("one", "two"), filename="a.csv").document_id).document_id
    visit, page, lang = watched(visitor, "ko-KR")
    visit.open(f"/d/{document}")
    page.get_by_role("link", name=lang.say("delete.action")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".figure").nth(1)).to_contain_text("2")
    dialog.get_by_role("button", name=lang.say("delete.act")).click()
    page.wait_for_url(f"{visit.site}/")
    expect(page.get_by_text(lang.say("documents.none"))).to_be_visible()
    assert [event.name for event in rowline.services.ledger.events.listed("acme")] == ["document/cleanup"]


@LANGUAGES
def test_what_failed_is_tried_again(
    visitor: Visitor, rowline: "Deployment", processed: Processed, language: str
) -> None:
    embedder = cast(WordEmbedder, rowline.services.embedder)
    embedder.before = refuse_all
    document = rowline.upload(items("one", "two"), filename="b.csv").document_id
    assert processed(document).status == "failed"
    visit, page, lang = watched(visitor, language)
    visit.open(f"/d/{document}")
    expect(page.locator(".status .badge")).to_have_text(lang.say("status.failed"))
    expect(page.locator(".status .notice.bad")).to_be_visible()
    expect(page.locator(".status .notice.bad")).to_contain_text("the service is away")
    embedder.before = lambda _: None
    page.get_by_role("button", name=lang.say("card.retry")).click()
    expect(page.locator(".status .badge")).to_have_text(lang.say("status.pending"))
    assert processed(document).status == "completed"
    look_again(page)
    expect(page.locator(".status .badge")).to_have_text(lang.say("status.completed"))


def test_lists_where_nothing_is_in_work_show_what_comes(visitor: Visitor, rowline: "Deployment") -> None:
    """The log of events is left open to see them come. Nobody asks for a page that nobody looks at."""
    rowline.quick(rowline.upload(items("one", "two"), filename="a.csv").document_id)
    ingest_events(rowline.services.ledger, "acme", b'{"name": "app/first"}')
    visit, page, _ = watched(visitor, "en-US")
    for path, table, come in (
        ("/", "table.documents", lambda: rowline.upload(items("three"), filename="b.csv")),
        ("/events", "table.events", lambda: ingest_events(rowline.services.ledger, "acme", b'{"name": "app/second"}')),
    ):
        visit.open(path)
        rows, asked = page.locator(f"{table} tbody tr"), []
        page.on("request", lambda sent, asked=asked, path=path: sent.url.endswith(path) and asked.append(sent))
        page.locator(f"{table} a.title").focus()
        come()
        hide(page, True)
        page.clock.fast_forward(60_000)
        assert asked == []
        hide(page, False)
        look_again(page)
        expect(rows).to_have_count(2)
        expect(rows.nth(1).locator("a.title")).to_be_focused()
    ingest_events(rowline.services.ledger, "acme", json.dumps([{"name": "app/third"}] * PER_PAGE).encode())
    older = ingest_events(rowline.services.ledger, "acme", b'{"name": "app/last"}')[0]
    visit.open(f"/events?cursor={older}")
    expect(page.locator("#live")).to_have_attribute("data-live", "off")  # what is older has come already


def hide(page: Page, hidden: bool) -> None:
    """As another tab in front of it does."""
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange')) }",
        hidden,
    )


def test_a_refused_file_is_said_beside_it_and_the_others_go_on(visitor: Visitor, rowline: "Deployment") -> None:
    _, page, lang = watched(visitor, "ko-KR")
    page.locator("#files").set_input_files(
        [
            {"name": "사진.xlsx", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 no workbook"},
            {"name": "표.csv", "mimeType": "text/csv", "buffer": csv_bytes(items("하나", "둘"))},
        ]
    )
    expect(page.locator(".sendings .bad")).to_contain_text("사진.xlsx")
    expect(page.locator(".sendings .bad")).to_contain_text("PDF")
    expect(page.locator(".sendings .good")).to_contain_text(lang.say("upload.taken"))
    expect(page.locator("table.documents tbody tr")).to_have_count(1)


DROP = """([selector, text, ...names]) => {
  const data = new DataTransfer();
  for (const name of names) data.items.add(new File([text], name));
  for (const type of ["dragover", "drop"]) {
    const event = new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
    document.querySelector(selector).dispatchEvent(event);
  }
}"""


def test_a_file_dropped_on_a_document_is_its_next_version(visitor: Visitor, rowline: "Deployment") -> None:
    document = rowline.upload(items("one", "two"), filename="a.csv").document_id
    _, page, _ = watched(visitor, "en-US")
    asked: list[str] = []
    for answer in ("dismiss", "accept"):
        page.once("dialog", lambda dialog, answer=answer: (asked.append(dialog.message), getattr(dialog, answer)()))
        page.evaluate(DROP, [f"tr[data-document={document}]", "item,colour\none,red\n", "b.csv", "more.csv"])
    assert asked == ["Upload b.csv as the new version of a.csv?"] * 2
    expect(page.locator(".sendings .good")).to_have_count(1)
    expect(page.locator(".sendings .bad")).to_contain_text("more.csv")
    expect(page.locator("table.documents tbody tr")).to_have_count(1)
    expect(page.locator("table.documents tbody tr")).to_contain_text("Version 2")
    page.evaluate(DROP, [".drop", "item,colour\none,red\n", "c.csv"])
    expect(page.locator("table.documents tbody tr")).to_have_count(2)


def test_the_time_is_the_readers(visitor: Visitor, rowline: "Deployment") -> None:
    """The time zone is the browser's: HTTP does not tell it, a cookie does."""
    version = rowline.upload(items("one", "two"))
    visit = visitor("ko-KR")
    visit.open(f"/d/{version.document_id}")
    expect(visit.page.locator("h1 + .meta time")).to_have_text(
        Language("ko", ZoneInfo("Asia/Seoul")).moment(version.uploaded_at)
    )


@LANGUAGES
def test_an_event_sent_by_hand_is_followed_to_its_run(
    visitor: Visitor, rowline: "Deployment", processed: Processed, language: str
) -> None:
    """Function → example → event → run (A6); what is wrong with it is said beside the form."""
    document = rowline.upload(items("one", "two"), filename="a.csv").document_id
    _, page, lang = watched(visitor, language)
    page.get_by_role("link", name=lang.say("nav.functions")).click()
    page.locator("section", has=page.locator("#f-document-process")).get_by_role(
        "link", name=lang.say("functions.try")
    ).click()
    expect(page.locator("#event-name")).to_have_value("document/process")
    expect(page.locator("#event-data")).to_have_value(f'{{\n  "documentId": "{document}"\n}}')
    send = page.get_by_role("button", name=lang.say("events.send_now"))
    page.locator("#event-data").fill('{\n"documentId": 7}')
    send.click()
    expect(page.get_by_role("alert")).to_contain_text("data.documentId")
    page.locator("#event-data").fill("{\nno")
    send.click()
    expect(page.get_by_role("alert")).to_have_text(lang.say("events.no_json", line=2))
    page.locator("#event-data").fill(f'{{"documentId": "{document}"}}')
    send.click()
    expect(page.locator("h1")).to_have_text("document/process")
    expect(page.locator(".event-run .badge")).to_have_text(lang.say("status.scheduled"))

    [due] = rowline.services.ledger.function_runs.list_due({"document-process": 10})
    rowline.services.ledger.function_runs.queue([due.run_id])  # as the sensor does
    assert processed(document).status == "completed"
    look_again(page)
    expect(page.locator(".event-run .badge")).to_have_text(lang.say("status.completed"))
    run = rowline.services.ledger.documents.latest(document).state.run_id
    expect(page.get_by_role("link", name=lang.say("card.run"))).to_have_attribute("href", re.compile(f"/runs/{run}$"))
    page.get_by_role("navigation").get_by_role("link", name=lang.say("nav.events")).click()
    expect(page.locator("table.events tbody tr")).to_contain_text(lang.say("status.completed"))
