"""Facts shown beside a materialization: what the next question would be."""

from collections.abc import Mapping, Sequence
from typing import assert_never

import dagster as dg

from domain.documents.rows import Reading, Row
from domain.documents.statuses import describe_status
from operations.documents.processing import (
    BatchesPlanned,
    Facts,
    MadeLive,
    RowsRead,
    TextsEmbedded,
    VectorsStored,
    WaitsForEmbeddingJob,
)
from resources.ledger.documents.documents import Version

Metadata = Mapping[str, dg.MetadataValue | int | str]


def step_metadata(facts: Facts) -> Metadata:
    """The facts of a step, as the UI shows them beside its materialization."""
    match facts:
        case RowsRead():
            return _rows_read(facts)
        case BatchesPlanned():
            return _batches_planned(facts)
        case TextsEmbedded():
            return _texts_embedded(facts)
        case VectorsStored():
            return _vectors_stored(facts)
        case MadeLive():
            return _made_live(facts)
        case _:
            assert_never(facts)


def _rows_read(facts: RowsRead) -> Metadata:
    summary = facts.summary
    return {
        "dagster/row_count": summary.total_rows,
        "error_rows": summary.error_rows,
        "rows_digest": summary.digest,
        "preview": rows_preview(summary.preview),
        **reading_metadata(facts.reading),
        "document": dg.MetadataValue.url(facts.link),
    }


def _batches_planned(facts: BatchesPlanned) -> Metadata:
    plan = facts.plan
    return {
        "dagster/row_count": plan.total_rows,
        "kept_rows": plan.kept_rows,
        "unchanged_rows": plan.unchanged_rows,
        "duplicate_rows": plan.duplicate_rows,
        "error_rows": plan.error_rows,
        "changed_rows": plan.changed_rows,
        "gone_rows": plan.gone_rows,
        "batches": plan.batches,
        "inputs_to_embed": plan.inputs,
        "estimated_tokens": facts.estimated_tokens,
        "estimated_cost_usd": money(facts.estimated_cost_usd),
        "namespaces": plan.namespaces,
    }


def _texts_embedded(facts: TextsEmbedded) -> Metadata:
    return {
        "dagster/row_count": facts.inputs,
        "batches": facts.batches,
        "requests": facts.requests,
        "model": facts.model,
        "dimension": facts.dimension,
        "tokens": facts.tokens,
        "cost_usd": money(facts.cost_usd),
    }


def _vectors_stored(facts: VectorsStored) -> Metadata:
    return {
        "dagster/row_count": facts.upserted,
        "namespaces": facts.namespaces,
        "model": facts.model,
        "dimension": facts.dimension,
    }


def _made_live(facts: MadeLive) -> Metadata:
    result = facts.result
    return {
        "dagster/row_count": result["totalRows"],
        "error_rows": result["errorRows"],
        "outcome": describe_status("completed", result["errorRows"]),
        "result": dg.MetadataValue.json(dict(result)),
    }


def version_metadata(version: Version) -> dict[str, dg.MetadataValue]:
    """Which document and version this was."""
    return {
        "organization": dg.MetadataValue.text(version.organization_id),
        "filename": dg.MetadataValue.text(version.filename),
        "version": dg.MetadataValue.int(version.version),
        "mode": dg.MetadataValue.text(version.mode),
    }


def waiting_metadata(wait: WaitsForEmbeddingJob) -> Metadata:
    """What the observation of a version that waits says, in place of a materialization."""
    return {"waits_for": dg.MetadataValue.text(wait.reason), **version_metadata(wait.version)}


def money(usd: float | None) -> dg.MetadataValue:
    """US dollars, which the UI plots; in words if the model's price is not known."""
    return dg.MetadataValue.text("the price of the model is not known") if usd is None else dg.MetadataValue.float(usd)


def rows_preview(rows: Sequence[Row]) -> dg.MetadataValue:
    lines = ["| sheet | row | namespace | text |", "|---|---|---|---|"]
    for row in rows:
        text = row.error or row.content[:200]
        lines.append(f"| {_cell(row.sheet)} | {row.row_number} | {_cell(row.namespace or '–')} | {_cell(text)} |")
    return dg.MetadataValue.md("\n".join(lines))


def reading_metadata(reading: Reading) -> dict[str, dg.MetadataValue]:
    """Which sheets and headers were found, and the reader's warnings about the file."""
    sheets = [
        f"- {_cell(header.sheet)}: header in row {'–'.join(map(str, header.header_rows))}: "
        + _cell(", ".join(header.columns))
        for header in reading.headers
    ]
    facts: dict[str, dg.MetadataValue] = {"sheets": dg.MetadataValue.md("\n".join(sheets) or "none")}
    if reading.warnings:
        lines = [
            f"- {_cell(warning.sheet or 'file')}{f', row {warning.row_number}' if warning.row_number else ''}: "
            + _cell(warning.message)
            for warning in reading.warnings
        ]
        if reading.warnings_left_out:
            lines.append(f"- and {reading.warnings_left_out} more")
        facts["warnings"] = dg.MetadataValue.md("\n".join(lines))
    return facts


def _cell(text: str) -> str:
    """Cell text is data: nothing in it may become markup of the UI."""
    for character in "\\`*_[]<>|#":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ⏎ ")
