"""One whole Rowline for a test: takes tables in, runs the graph, and says what ledger and store then hold."""

from __future__ import annotations

import csv
import inspect
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import dagster as dg

from assets.documents import checks, graph
from domain.documents.employees import Employee
from domain.documents.rows import Mode
from domain.documents.templates import WorkbookTemplate, template_of
from operations.documents.search import Hit, Scope
from operations.services import Services
from pipelines.jobs.document_graph import document_graph
from pipelines.resources import NAMES
from resources.ledger.documents.uploads import Continued
from resources.ledger.documents.versions import UploadResult, Version

STEPS = ("parsed_rows", "batches", "embeddings", "namespace_vectors", "lineage")
Table = Sequence[Sequence[Any]]


def csv_bytes(table: Table, encoding: str = "utf-8") -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(table)
    return out.getvalue().encode(encoding)


def xlsx_bytes(sheets: Mapping[str, Table]) -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as workbook:
        for name, table in sheets.items():
            sheet = workbook.add_worksheet(name)
            for number, row in enumerate(table):
                sheet.write_row(number, 0, row)
    return out.getvalue()


def items(*names: str) -> list[list[str]]:
    """A table with a header: one row for each name, no two alike."""
    return [["item", "colour"], *[[name, f"colour of {name}"] for name in names]]


def template(**fields: Any) -> WorkbookTemplate:
    """A template from its JSON fields; those of ragConfig may stand among them."""
    rag = {
        name: fields.pop(name) for name in ("embeddingTemplate", "metadataFields", "skipDuplicates") if name in fields
    }
    return template_of({"name": "sheet", **fields, "ragConfig": rag})


@dataclass(frozen=True)
class Deployment:
    services: Services
    dagster: dg.DagsterInstance

    # -- doing ------------------------------------------------------------------------------------------------

    def upload(self, table: Table | bytes, document: Continued = None, **upload: Any) -> Version:
        return self.upload_result(table, document, **upload).version

    def upload_result(
        self,
        table: Table | bytes,
        document: Continued = None,
        *,
        organization: str = "acme",
        filename: str = "items.csv",
        template: WorkbookTemplate | None = None,
        mode: Mode = "company_wide",
        upload_key: str | None = None,
        economy: bool | None = None,
    ) -> UploadResult:
        body = table if isinstance(table, bytes) else csv_bytes(table)
        return self.services.uploads.upload(
            io.BytesIO(body),
            filename,
            organization,
            template or WorkbookTemplate(),
            mode,
            document,
            upload_key,
            economy,
        )

    def run(self, document_id: str, **doubles: Any) -> dg.ExecuteInProcessResult:
        """The document graph with these resources in place of the real ones; the outcome is Dagster's."""
        self.dagster.add_dynamic_partitions("documents", [document_id])
        resources = {name: getattr(self.services, name) for name in NAMES} | doubles
        job = dg.Definitions(
            assets=dg.load_assets_from_modules([graph]),
            asset_checks=dg.load_asset_checks_from_modules([checks]),
            jobs=[document_graph],
            resources=resources,
        ).resolve_job_def("document_graph")
        return job.execute_in_process(
            partition_key=document_id,
            instance=self.dagster,
            raise_on_error=False,
            tags={"document": document_id},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    def process(self, document_id: str, **doubles: Any) -> Version:
        """Run the graph and return the newest version as it then stands."""
        self.run(document_id, **doubles)
        return self.services.ledger.documents.latest(document_id)

    def index(self, table: Table | bytes, document: Continued = None, **upload: Any) -> Version:
        """Upload and do what a run does, which must succeed: a document to begin with, without Dagster's records."""
        document_id = self.upload(table, document, **upload).document_id
        self.dagster.add_dynamic_partitions("documents", [document_id])
        version = self.quick(document_id)
        assert (version.error, version.status) == (None, "completed")
        return version

    def step(self, asset: str, document_id: str, run_id: str, **doubles: Any) -> None:
        """The body of one asset, without Dagster around it: for properties that want hundreds of runs."""
        body = getattr(graph, asset).op.compute_fn.decorated_fn
        resources = {name: getattr(self.services, name) for name in NAMES} | doubles
        wanted = [name for name in inspect.signature(body).parameters if name != "context"]
        context = SimpleNamespace(partition_key=document_id, run=SimpleNamespace(run_id=run_id), retry_number=0)
        done = body(context, **{name: resources[name] for name in wanted})
        if inspect.isgenerator(done):
            list(done)

    def quick(self, document_id: str, **doubles: Any) -> Version:
        """All five asset bodies, one after the other. Raises what they raise."""
        run_id = str(uuid4())
        for asset in STEPS:
            self.step(asset, document_id, run_id, **doubles)
        return self.services.ledger.documents.latest(document_id)

    def employees(self, *numbers: str, organization: str = "acme") -> None:
        self.services.ledger.organizations.put_employees(
            organization, [Employee(number, f"Name of {number}") for number in numbers]
        )

    # -- asking -----------------------------------------------------------------------------------------------

    def sql(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        with self.services.database.transaction() as connection:
            cursor = connection.execute(statement, values)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def lineage(self, version: Version) -> list[dict[str, Any]]:
        return self.sql(
            "SELECT * FROM lineage WHERE document_id = %(d)s AND version = %(v)s ORDER BY row_position",
            d=version.document_id,
            v=version.version,
        )

    def outcomes(self, version: Version) -> list[tuple[int, str]]:
        """(row number, outcome) of every row, in reading order."""
        return [(row["row_number"], row["outcome"]) for row in self.lineage(version)]

    def batches(self, version: Version) -> list[dict[str, Any]]:
        return self.services.ledger.documents.batches(version.document_id, version.version)

    def stored(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """(model, namespace, id) → metadata of everything in the store."""
        return {
            (row["model"], row["namespace"], str(row["vector_id"])): row["metadata"]
            for row in self.sql("SELECT model, namespace, vector_id, metadata FROM vectors")
        }

    def promised(self) -> set[tuple[str, str, str]]:
        """(model, namespace, id) of every vector that a live row points at."""
        rows = self.sql(
            "SELECT DISTINCT v.model, l.namespace, l.vector_id FROM lineage l JOIN versions v "
            "USING (document_id, version) JOIN documents d ON d.document_id = l.document_id "
            "AND d.live_version = l.version WHERE l.vector_id IS NOT NULL"
        )
        return {(row["model"], row["namespace"], str(row["vector_id"])) for row in rows}

    def find(self, question: str, *, organization: str = "acme", k: int = 10, **scope: Any) -> list[Hit]:
        return self.services.search.find(question, Scope(organization, **scope), k)

    def found(self, question: str, *, organization: str = "acme", k: int = 10, **scope: Any) -> list[str]:
        """Texts of the hits, best first."""
        return [hit.sources[0]["content"] for hit in self.find(question, organization=organization, k=k, **scope)]
