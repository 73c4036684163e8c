"""Every page, in both colour schemes and on a phone, as axe and the browser see it."""

import json
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.gateway.pages.conftest import Processed, Visit, Visitor
from tests.laws.deployment import items

if TYPE_CHECKING:
    from tests.laws.deployment import Deployment

pytestmark = pytest.mark.slow
PHONE = {"width": 360, "height": 740}
DESK = {"width": 800, "height": 600}


@pytest.fixture
def addresses(rowline: "Deployment", processed: Processed) -> dict[str, str]:
    """Something to see on every page: a partial success, a failure, one in work, hits, an event with a run."""
    partial = rowline.quick(rowline.upload(items("treasure", "REFUSED one", "fine"), filename="품목.csv").document_id)
    rowline.quick(rowline.upload(items("treasure", "more"), partial.document_id, filename="품목.csv").document_id)
    failed = processed(rowline.upload(b"PK\x03\x04 broken", filename=f"{'긴이름' * 20}.xlsx").document_id)
    waiting = rowline.upload(items("one", "two"), filename="waiting.csv").document_id
    rowline.step("parsed_rows", waiting, "a-run")
    rowline.step("batches", waiting, "a-run")
    rowline.employees("E1")
    [hit, *_] = rowline.find("treasure")
    document = f"/d/{partial.document_id}"
    return {
        "documents": "/",
        "nothing found": "/?name=nothing",
        "partial": f"{document}?version=1",
        "completed": document,
        "failed": f"/d/{failed.document_id}",
        "in work": f"/d/{waiting}",
        "rollback": f"{document}/rollback/1",
        "delete": f"{document}/delete",
        "search": "/search",
        "hits": "/search?q=treasure",
        "trace": f"/lineage/{hit.match.vector_id}",
        "events": "/events?function=document-rollback",
        "functions": "/functions",
        "not found": "/d/doc_nowhere",
        "sign in": "/sign-in",
    }


def violations(page: Page, *rules: str) -> list[str]:
    """What axe finds: with all of its rules, or with these."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    return [f"{one['id']}: {json.dumps([node['html'] for node in one['nodes']])[:300]}" for one in found]


def overflow(page: Page) -> list[str]:
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{wide} pixels too wide"] if wide > 0 else []


def test_nobody_is_kept_out(visitor: Visitor, addresses: dict[str, str]) -> None:
    """No violation of WCAG 2 A/AA and of axe's good practice on any page, in the dark too; each fits a phone."""
    visit = visitor("ko-KR", viewport=DESK, color_scheme="light")
    wrong: dict[str, list[str]] = {}
    for name, address in {**addresses, "event": send_event(visit)}.items():
        visit.open(address)
        wrong[name] = violations(visit.page)
        visit.page.emulate_media(color_scheme="dark")
        wrong[f"{name}, dark"] = violations(visit.page, "color-contrast")
        visit.page.emulate_media(color_scheme="light")
        visit.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        wrong[f"{name}, phone"] = overflow(visit.page)
        visit.page.set_viewport_size(DESK)  # type: ignore[arg-type]
    assert {name: found for name, found in wrong.items() if found} == {}


LINES = """elements => elements.map((element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  return [element.textContent, new Set([...range.getClientRects()].map((one) => Math.round(one.top))).size];
})"""


def test_no_word_is_cut_on_a_phone_while_there_is_room(visitor: Visitor, rowline: "Deployment") -> None:
    """The state took half of each line beside `departments_ko.xlsx`, and a header read Emplo-yee."""
    for name in ("departments_ko.xlsx", "entity_bomb.xlsx"):
        rowline.quick(rowline.upload(items("treasure", f"of {name}"), filename=name).document_id)
    rowline.quick(rowline.upload(items("REFUSED one"), filename="wrong.csv").document_id)  # a wide state
    visit = visitor("en-US", viewport={"width": 390, "height": 740})
    visit.open("/")
    assert visit.page.locator("a.title span").evaluate_all(LINES) == [
        ["wrong.csv", 1],
        ["entity_bomb.xlsx", 1],
        ["departments_ko.xlsx", 1],
    ]
    visit.open("/search?q=treasure")
    headers = visit.page.locator(".sources").first.locator("th")
    for size in (visit.page.viewport_size, PHONE):
        visit.page.set_viewport_size(size)  # type: ignore[arg-type]
        told = dict(headers.evaluate_all(LINES))
        assert told == {"Document": 1, "Sheet": 1, "Row": 1, "Version": 1, "Employee": 1}
        assert overflow(visit.page) == []


@pytest.mark.long
def test_nobody_is_kept_out_in_english(visitor: Visitor, addresses: dict[str, str]) -> None:
    """Longer words: the same pages once more, in the dark with all rules."""
    visit = visitor("en-US", viewport=PHONE, color_scheme="dark")
    wrong: dict[str, list[str]] = {}
    for name, address in {**addresses, "event": send_event(visit)}.items():
        visit.open(address)
        wrong[name] = violations(visit.page) + overflow(visit.page)
    assert {name: found for name, found in wrong.items() if found} == {}


def send_event(visit: Visit) -> str:
    """The address of an event that was sent by hand."""
    visit.open("/events?function=document-process")
    visit.page.locator("form[action='/events#send'] button").click()
    visit.page.wait_for_url("**/events/*")
    return visit.page.url.removeprefix(visit.site)


def test_the_proof_can_fail(visitor: Visitor) -> None:
    """A page without names and contrast is caught."""
    visit = visitor()
    visit.open("/")
    visit.page.evaluate("document.querySelector('h1').innerHTML = '<img src=\"/static/rowline.svg\">'")
    visit.page.evaluate("document.querySelector('main').style.minWidth = '3000px'")
    assert any(found.startswith("image-alt") for found in violations(visit.page))
    assert overflow(visit.page)


def test_a_page_can_be_used_by_keyboard(visitor: Visitor) -> None:
    """The first tab leads past the navigation; focus is seen."""
    visit = visitor()
    visit.open("/")
    page = visit.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    outline = "getComputedStyle(document.querySelector('.drop')).outlineStyle"
    assert page.evaluate(outline) == "solid"
