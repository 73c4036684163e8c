"""Facts shown beside a materialization: what the next question would be."""

from collections.abc import Sequence

import dagster as dg

from domain.documents.rows import Reading, Row
from resources.ledger.documents.documents import Version


def version_metadata(version: Version, link: str | None = None) -> dict[str, dg.MetadataValue]:
    """Which document and version this was, and where the uploaded file is."""
    facts: dict[str, dg.MetadataValue] = {
        "organization": dg.MetadataValue.text(version.organization_id),
        "filename": dg.MetadataValue.text(version.filename),
        "version": dg.MetadataValue.int(version.version),
        "mode": dg.MetadataValue.text(version.mode),
    }
    if link:
        facts["document"] = dg.MetadataValue.url(link)
    return facts


def money(usd: float | None) -> dg.MetadataValue:
    """US dollars, which the UI plots; in words where the model's price is not known."""
    return dg.MetadataValue.text("the price of the model is not known") if usd is None else dg.MetadataValue.float(usd)


def rows_preview(rows: Sequence[Row]) -> dg.MetadataValue:
    lines = ["| sheet | row | namespace | text |", "|---|---|---|---|"]
    for row in rows:
        text = row.error or row.content[:200]
        lines.append(f"| {_cell(row.sheet)} | {row.row_number} | {_cell(row.namespace or '–')} | {_cell(text)} |")
    return dg.MetadataValue.md("\n".join(lines))


def reading_metadata(reading: Reading) -> dict[str, dg.MetadataValue]:
    """Which sheets and headers were found, and what the reader has to say about the file."""
    sheets = [
        f"- {_cell(header.sheet)}: header in row {'–'.join(map(str, header.header_rows))}: "
        + _cell(", ".join(header.columns))
        for header in reading.headers
    ]
    facts: dict[str, dg.MetadataValue] = {"sheets": dg.MetadataValue.md("\n".join(sheets) or "none")}
    if reading.notices:
        told = [
            f"- {_cell(notice.sheet or 'file')}{f', row {notice.row_number}' if notice.row_number else ''}: "
            + _cell(notice.message)
            for notice in reading.notices
        ]
        if reading.notices_left_out:
            told.append(f"- and {reading.notices_left_out} more")
        facts["notices"] = dg.MetadataValue.md("\n".join(told))
    return facts


def _cell(text: str) -> str:
    """Cell text is data: nothing in it may become markup of the UI."""
    for character in "\\`*_[]<>|#":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ⏎ ")
