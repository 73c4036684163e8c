"""What travels with a vector: enough to say where it came from, and what the template asked for (B7)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.documents.templates import mapped_columns, template_of
from domain.documents.vector_metadata import FIELD_BYTES, metadata_error, vector_metadata
from domain.errors import InvalidRequest
from tests.domain.documents.examples import rows_of, sheet, template


@dataclass(frozen=True)
class Vector:
    sheet: str = "직원"
    row_number: int = 7
    employee_id: str | None = None
    content_hash: str = "ab" * 16
    source_row: Mapping[str, Any] = field(default_factory=lambda: {"name": "김", "year": "2024", "salary": "1"})


PLACE = {"documentId": "doc_1", "sheet": "직원", "rowNumber": 7, "contentHash": "ab" * 16}


def test_a_vector_says_where_it_came_from() -> None:
    assert vector_metadata("doc_1", Vector(), ()) == PLACE


def test_an_employees_vector_names_the_employee() -> None:
    assert vector_metadata("doc_1", Vector(employee_id="E1"), ()) == {**PLACE, "employeeId": "E1"}


def test_only_the_fields_that_the_template_asks_for_travel() -> None:
    """A salary that nobody asked for never leaves the ledger (law 10)."""
    assert vector_metadata("doc_1", Vector(), ("name", "year")) == {**PLACE, "name": "김", "year": "2024"}


def test_a_field_that_the_row_does_not_have_is_left_out() -> None:
    assert vector_metadata("doc_1", Vector(), ("gone",)) == PLACE


@pytest.mark.parametrize("name", ["name", "성명"])
def test_a_metadata_field_may_be_named_by_its_field_or_by_its_header(name: str) -> None:
    """Wherever a template names a column, both names are good; else the metadata would be lost silently (law 3)."""
    chosen = template(metadata=(name,), column_mapping={"성명": "name"})
    assert name in mapped_columns(chosen, ["성명"], "Sheet1").positions
    [row] = rows_of([sheet(["성명"], [["김"]])], chosen)
    vector = Vector(source_row=json.loads(row.source_row))
    assert "김" in vector_metadata("doc_1", vector, chosen.rag_config.metadata_fields).values()


@pytest.mark.parametrize("name", ["documentId", "sheet", "rowNumber", "contentHash", "employeeId"])
def test_a_column_never_takes_the_place_of_what_rowline_says(name: str) -> None:
    """A workbook with a column `documentId` must not be able to say that its vectors are another document's."""
    vector = Vector(employee_id="E1", source_row={name: "forged"})
    assert vector_metadata("doc_1", vector, (name,)) == {**PLACE, "employeeId": "E1"}


@pytest.mark.parametrize("letter", ["a", "가", "\n", "\x01"])  # 1, 3, 2 and 6 bytes of JSON
def test_metadata_is_measured_as_the_store_measures_it(letter: str) -> None:
    """To the byte, also where JSON needs more than one for a letter."""
    room = FIELD_BYTES - len(json.dumps({"note": ""}, separators=(",", ":")))
    fits = room // len(json.dumps(letter, ensure_ascii=False).strip('"').encode())
    assert metadata_error({"note": letter * fits}) is None
    refused = metadata_error({"year": "2024", "note": letter * (fits + 1)})
    assert refused is not None
    assert refused.code == "metadata_too_large"
    assert "shorten note" in refused.message


def test_a_row_with_too_much_metadata_is_an_error_row_and_the_others_go_on() -> None:
    """Pinecone would refuse the whole request, after its rows were paid for."""
    part = sheet(["a", "note"], [["one", "x" * 50_000], ["two", "short"]])
    first, second = rows_of([part], template("{{a}}", metadata=("note",)))
    assert (first.vector_id, first.row_number) == (None, 2)
    assert "50,0" in str(first.error)
    assert second.error is None
    [unused] = rows_of([sheet(["a", "note"], [["one", "x" * 50_000]])], template("{{a}}"))
    assert unused.error is None


def test_a_metadata_field_that_no_store_takes_is_refused_with_the_template() -> None:
    with pytest.raises(
        InvalidRequest, match=r"metadataFields: \$ amount begins with \$; map the column to another name"
    ):
        template_of({"ragConfig": {"metadataFields": ["$ amount"]}})
    mapped = template(metadata=("$ amount",), column_mapping={"$ amount": "amount"})
    assert mapped.rag_config.metadata_fields == ("amount",)
