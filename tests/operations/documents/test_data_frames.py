"""Rows and lineage as DataFrames: typed, in reading order, with every column of the file under its own name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from domain.errors import Conflict, NotFound, TransientError
from operations.documents.data_frames import FACTS, LINEAGE, PLACE, free_names
from rowline import load_lineage, load_rows
from tests.laws.deployment import Deployment, csv_bytes, items, template, xlsx_bytes

PREMIUMS = {
    "보험료": [["사번", "보험료", "error"], ["007", "1,000", "none"], ["999", "2,500", ""], ["007", "1,000", "none"]],
    "Rates": [["Rate", "사번"], ["3.5 %", "007"]],
}


def loaded(rowline: Deployment, document_id: str, version: int | None = None) -> pd.DataFrame:
    return load_rows(document_id, version, settings=rowline.services.settings)


def lineage(rowline: Deployment, document_id: str, version: int | None = None) -> pd.DataFrame:
    return load_lineage(document_id, version, settings=rowline.services.settings)


@pytest.fixture
def premiums(rowline: Deployment) -> str:
    """Two sheets of an employee-split workbook, with an error row and a duplicate."""
    rowline.employees("007")
    split = template(employeeIdentifier="사번", embeddingTemplate="{{사번}}")
    version = rowline.index(xlsx_bytes(PREMIUMS), filename="보험료.xlsx", template=split, mode="employee_split")
    return version.document_id


def test_rows_are_those_of_the_file_in_reading_order(rowline: Deployment, premiums: str):
    """Leading zeros stay, blank cells are empty, a column that the sheet has not is missing."""
    rows = loaded(rowline, premiums)
    assert list(rows.columns) == [*PLACE, "사번", "보험료", "error (file)", "Rate", *FACTS]
    assert rows["sheet"].tolist() == ["보험료"] * 3 + ["Rates"]
    assert rows["row_number"].tolist() == [2, 3, 4, 2]
    assert rows["사번"].tolist() == ["007", "999", "007", "007"]
    assert rows["보험료"].tolist() == ["1,000", "2,500", "1,000", pd.NA]
    assert rows["error (file)"].tolist() == ["none", "", "none", pd.NA]
    assert rows["Rate"].tolist() == [pd.NA, pd.NA, pd.NA, "3.5 %"]
    assert rows["error"].dropna().to_dict() == {1: "employee 999 (column 사번) is not in the employee list"}
    assert rows["namespace"].isna().tolist() == [False, True, False, False]


def test_every_column_has_the_type_that_the_page_names(rowline: Deployment, premiums: str):
    rows, records = loaded(rowline, premiums), lineage(rowline, premiums)
    counts = {"row_number", "batch_number", "dimension", "version"}
    for frame in (rows, records):
        for name, dtype in frame.dtypes.items():
            expected = "Int64" if name in counts else {"live": "boolean"}.get(str(name), "string")
            assert str(dtype) == expected or name == "embedded_at", name
    assert isinstance(records["embedded_at"].dtype, pd.DatetimeTZDtype)
    assert str(records["embedded_at"].dt.tz) == "UTC"


def test_lineage_has_one_record_per_row_and_joins_its_rows(rowline: Deployment, premiums: str):
    rows, records = loaded(rowline, premiums), lineage(rowline, premiums)
    assert list(records.columns) == list(LINEAGE)
    for column in ("sheet", "row_number", "batch_number", "namespace", "vector_id", "content_hash", "employee_id"):
        pd.testing.assert_series_equal(records[column], rows[column])
    assert records["outcome"].tolist() == ["kept", "error", "duplicate", "duplicate"]
    vectors = records["vector_id"].dropna().unique().tolist()
    assert {vector for _model, _namespace, vector in rowline.stored()} == set(vectors)
    trace = rowline.services.ledger.lineage.trace(vectors[0])
    assert records["run_id"][0] == trace[0]["run_id"]
    assert (records["model"][0], records["dimension"][0]) == (trace[0]["model"], trace[0]["dimension"])
    assert records["embedded_at"][0] == trace[0]["embedded_at"]
    assert datetime.now(UTC) - records["embedded_at"][0] < timedelta(minutes=5)
    assert records["embedded_at"].isna().tolist() == [False, True, False, False]
    assert records["live"].all()


def test_without_a_number_the_live_version_is_loaded(rowline: Deployment):
    """Also while a newer one waits, and after a rollback: what a search would find."""
    document = rowline.index(items("anvil")).document_id
    rowline.index(items("anvil", "bellows"), document)
    rowline.upload(items("chisel"), document)
    assert loaded(rowline, document)["item"].tolist() == ["anvil", "bellows"]
    assert lineage(rowline, document)["version"].tolist() == [2, 2]
    assert loaded(rowline, document, 1)["item"].tolist() == ["anvil"]
    assert not lineage(rowline, document, 1)["live"].any()


def test_a_large_sheet_keeps_its_order_over_the_parts_of_the_file(rowline: Deployment, monkeypatch: pytest.MonkeyPatch):
    """A column found late, in a later part, is missing in the rows of the parts before."""
    monkeypatch.setattr("operations.documents.data_frames.PART_ROWS", 50)
    names = [f"tool {number}" for number in range(220)]
    table = [*items(*names), ["last", "red", "beyond"]]
    document = rowline.index(csv_bytes(table)).document_id
    rows = loaded(rowline, document)
    assert rows["item"].tolist() == [*names, "last"]
    assert rows["row_number"].tolist() == list(range(2, 223))
    assert rows.iloc[:, 4].isna().tolist() == [True] * 220 + [False]
    assert lineage(rowline, document)["row_number"].tolist() == list(range(2, 223))


@pytest.mark.parametrize("load", [loaded, lineage])
def test_what_is_not_there_is_one_sentence(rowline: Deployment, load):
    with pytest.raises(NotFound, match=r"^There is no document nowhere; `rowline documents` lists them$"):
        load(rowline, "nowhere")
    with pytest.raises(NotFound, match=r"^There is no document nowhere"):
        load(rowline, "nowhere", 3)
    waiting = rowline.upload(items("anvil")).document_id
    with pytest.raises(TransientError, match=r"^Version 1 of \S+ has no \w+ yet: it is pending; try again when"):
        load(rowline, waiting)
    for number in (0, 2):
        with pytest.raises(NotFound, match=rf"^Document {waiting} has no version {number}$"):
            load(rowline, waiting, number)
    failed = rowline.upload(b"", filename="empty.csv").document_id
    rowline.process(failed)
    with pytest.raises(Conflict, match=r"^Version 1 of \S+ has no \w+, because it failed: .*empty"):
        load(rowline, failed)


def test_erased_rows_are_not_loaded(rowline: Deployment, premiums: str):
    """An erasure removes the file of rows, and the employee's lineage; neither comes back as an empty frame."""
    from operations.documents.erasure import erase_employee

    erase_employee(rowline.services.document_stores, "acme", "007", dry_run=False)
    with pytest.raises(NotFound, match=r"^The rows of version 1 of \S+ were erased; upload the file anew$"):
        loaded(rowline, premiums)
    assert "007" not in lineage(rowline, premiums)["employee_id"].dropna().tolist()


def test_a_column_of_the_file_gets_another_name_until_it_is_free():
    assert free_names(["sheet", "금액", "sheet (file)"]) == ["sheet (file)", "금액", "sheet (file) (file)"]
