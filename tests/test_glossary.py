"""docs/glossary.md says what the words of tables, statuses, pages and commands mean, and no others."""

from __future__ import annotations

import re
from functools import cache

import psycopg
import pytest

from settings.settings import PROJECT_ROOT
from tests.test_architecture import FLOORS

PAGE = (PROJECT_ROOT / "docs" / "glossary.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
TERMS = re.findall(r"^\| \*\*(.+?)\*\*(?! \(coming\))", PAGE, re.MULTILINE)
PLACES = re.findall(rf"`((?:{'|'.join(FLOORS)})/[\w/]+\.py)`", PAGE)
SUFFIXES = ("*.py", "*.html", "*.yaml")
STATE_COLUMNS = ("status", "state", "outcome", "mode")


@cache
def product() -> str:
    """Everything that the program and its pages say."""
    files = [path for floor in FLOORS for suffix in SUFFIXES for path in (PROJECT_ROOT / floor).rglob(suffix)]
    return "\n".join(path.read_text("utf-8") for path in files)


def tables(database_url: str) -> set[str]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    return {name for (name,) in rows} - {"rowline_migrations"}


def states(database_url: str) -> dict[str, set[str]]:
    """The values that a column of each table may have, from its CHECK constraint."""
    query = """
    SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
     WHERE contype = 'c' AND connamespace = current_schema()::regnamespace
    """
    found: dict[str, set[str]] = {}
    with psycopg.connect(database_url) as connection:
        for table, definition in connection.execute(query):
            column = re.match(r"CHECK \(\(\(?(\w+)", definition)
            if column and column[1] in STATE_COLUMNS:
                found.setdefault(table, set()).update(re.findall(r"'(\w+)'::text", definition))
    return found


@pytest.mark.parametrize("term", TERMS)
def test_each_term_is_used_in_the_code_or_on_a_page(term: str):
    words = r"[\s_-]*".join(term.split())
    assert re.search(rf"(?<![a-z]){words}", product(), re.IGNORECASE), f"nothing in the product is called {term}"


def test_no_term_is_there_twice():
    assert len(TERMS) > 40
    assert sorted(TERMS) == sorted(set(TERMS))


@pytest.mark.parametrize("place", sorted(set(PLACES)))
def test_each_place_in_the_code_is_there(place: str):
    assert (PROJECT_ROOT / place).is_file()


def test_each_table_of_the_ledger_is_named_and_no_other(database_url: str):
    named = set(re.findall(r"table `(\w+)`|; `(\w+)` are", PAGE))
    assert {first or second for first, second in named} == tables(database_url)


def test_each_status_is_explained_and_no_other(database_url: str):
    by_table = states(database_url)
    assert {"versions", "batches", "lineage"} < set(by_table)
    allowed = set().union(*by_table.values())
    first_cells = re.findall(r"^\|[^|]*\|([^|]*)\|", SECTIONS["Statuses"], re.MULTILINE)
    explained = {status for cell in first_cells for status in re.findall(r"`(\w+)`", cell)}
    modes = {"company_wide", "employee_split"}
    assert explained == allowed - modes
    assert modes <= set(re.findall(r"`(\w+)`", SECTIONS["Whose data it is"]))


@pytest.mark.parametrize(
    ("of", "table"),
    [
        ("document, version", "versions"),
        ("batch", "batches"),
        ("row (outcome)", "lineage"),
        ("function run", "function_runs"),
        ("notification", "notifications"),
        ("embedding job", "embedding_jobs"),
    ],
)
def test_each_table_has_its_own_statuses(of: str, table: str, database_url: str):
    rows = re.findall(r"^\|([^|]*)\|([^|]*)\|", SECTIONS["Statuses"], re.MULTILINE)
    explained: dict[str, set[str]] = {}
    thing = ""
    for first, second in rows:
        thing = first.strip() or thing
        explained.setdefault(thing, set()).update(re.findall(r"`(\w+)`", second))
    assert explained[of] == states(database_url)[table] - {"company_wide", "employee_split"}
