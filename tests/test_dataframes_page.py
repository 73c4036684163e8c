"""docs/dataframes.md: its examples run as they stand, and print what the page says."""

from __future__ import annotations

import re
import sys
from typing import Any

import dagster as dg
import openpyxl
import pytest

from domain.documents.templates import parse_template
from operations.documents.data_frames import FACTS, LINEAGE, PLACE
from operations.documents.employee_lists import read_employees
from pipelines.resources import NAMES
from settings.settings import PROJECT_ROOT
from tests.laws.deployment import Deployment

PAGE = (PROJECT_ROOT / "docs" / "dataframes.md").read_text("utf-8")
SAMPLES = PROJECT_ROOT / "samples"
[ANALYSIS, ASSET] = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
[PRINTED] = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def premiums(rowline: Deployment, monkeypatch: pytest.MonkeyPatch) -> str:
    """The sample, processed; the environment names its deployment."""
    settings = rowline.services.settings
    rowline.services.ledger.organizations.put_employees("acme", read_employees(SAMPLES / "employees.csv"))
    template = parse_template((SAMPLES / "templates" / "premiums.yaml").read_text("utf-8"), "premiums.yaml")
    body = (SAMPLES / "premiums_ko.xlsx").read_bytes()
    version = rowline.index(body, filename="premiums_ko.xlsx", template=template, mode="employee_split")
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value() if settings.database_url else "")
    monkeypatch.setenv("ROWLINE_HOME", str(settings.rowline_home))
    return version.document_id


def run(code: str) -> dict[str, Any]:
    """The names that a block of the page leaves."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "docs/dataframes.md", "exec"), names)
    return names


def test_the_analysis_prints_what_the_page_says(
    premiums: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["example.py", premiums])
    run(ANALYSIS)
    assert capsys.readouterr().out == PRINTED


def test_the_asset_takes_the_rows_of_its_document(rowline: Deployment, premiums: str):
    """Our definitions with the page's asset, over the services of the test."""
    merged: dg.Definitions = run(ASSET)["defs"]
    services = {name: getattr(rowline.services, name) for name in NAMES}
    job = dg.Definitions(
        assets=merged.assets,
        resources={**(merged.resources or {}), **services},
        jobs=[dg.define_asset_job("totals", ["premium_total"])],
    ).resolve_job_def("totals")
    result = job.execute_in_process(partition_key=premiums, instance=rowline.dagster)
    [made] = result.asset_materializations_for_node("premium_total")
    wrong = {row["row_number"] for row in rowline.sql("SELECT row_number FROM lineage WHERE outcome = 'error'")}
    sheet = openpyxl.load_workbook(SAMPLES / "premiums_ko.xlsx").active
    cells = [row[4].value for row in sheet.iter_rows(min_row=4) if row[0].row not in wrong]
    assert made.metadata["won"].value == sum(value for value in cells if isinstance(value, int)) > 0


def test_the_page_names_every_column():
    [rows, lineage] = re.findall(r"^\| (?:rows|lineage) \| (.*) \|$", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`", rows) == [*PLACE, *FACTS]
    assert re.findall(r"`(\w+)`", re.sub(r" \(.*?\)", "", lineage)) == [*LINEAGE]
