"""From the cells of a sheet to the rows of a document: text, addresses, owner, error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from uuid import UUID

import orjson

from domain.documents.identifiers import VectorIds, content_hash, organization_namespace
from domain.documents.row_errors import RowError, RowErrorCode
from domain.documents.tables import ReadWarning, RowBatch, SheetHeader, without_error_column
from domain.documents.templates import WorkbookTemplate, mapped_columns, text_of
from domain.documents.vector_metadata import metadata_error

Mode = Literal["company_wide", "employee_split"]
ROWS_VERSION = "3"  # code_version of parsed_rows: bump when the same file would give other rows
MAX_WARNINGS = 200


class Row(NamedTuple):
    """One row of one version, ready to be planned. `vector_id` is None exactly if there is an `error`.

    `employee_id` owns the row; `employee_key` is whom its sheet names, also if that is nobody of the employee list.
    A tuple, because a file has a million of them.
    """

    position: int
    sheet: str
    row_number: int
    batch_number: int
    employee_id: str | None
    namespace: str | None
    error: str | None
    vector_id: UUID | None
    content_hash: bytes
    text_hash: bytes
    row_key: bytes
    content: str
    source_row: bytes
    error_code: RowErrorCode | None = None
    employee_key: str | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may own rows: the organization, and its employees' namespaces by number."""

    organization_id: str
    mode: Mode
    employees: Mapping[str, str]


@dataclass(slots=True)
class Reading:
    """What a person should know about how the file was read; filled while rows stream."""

    headers: list[SheetHeader] = field(default_factory=list)
    warnings: list[ReadWarning] = field(default_factory=list)
    warnings_left_out: int = 0

    def note(self, warning: ReadWarning) -> None:
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(warning)
        else:
            self.warnings_left_out += 1


def document_rows(
    parts: Iterable[RowBatch | ReadWarning],
    template: WorkbookTemplate,
    owner: Owner,
    model: str,
    batch_rows: int,
    reading: Reading,
) -> Iterator[list[Row]]:
    """Rows in reading order, a list for each part of the file; warnings and headers go into `reading`.

    Batches hold `batch_rows` rows and never span two sheets.
    """
    addresses = VectorIds(owner.organization_id, model)
    position = batch_number = in_batch = 0
    sheet: _Sheet | None = None
    for part in without_error_column(parts):
        if isinstance(part, ReadWarning):
            reading.note(part)
            continue
        if sheet is None or sheet.header != part.header:
            if sheet is not None and sheet.header.sheet == part.header.sheet:
                reading.headers.pop()  # the same table, found to be wider further down
            else:
                in_batch = 0
            reading.headers.append(part.header)
            sheet = _Sheet(part.header, template, owner, addresses)
        rows = []
        for row_number, cells in part.rows:
            if in_batch == 0:
                batch_number += 1
            rows.append(sheet.row(position, batch_number, row_number, cells))
            position += 1
            in_batch = (in_batch + 1) % batch_rows
        yield rows


class _Sheet:
    """Everything about one sheet that is the same for all its rows, worked out once."""

    def __init__(self, header: SheetHeader, template: WorkbookTemplate, owner: Owner, addresses: VectorIds) -> None:
        self.header = header
        self._owner = owner
        self._addresses = addresses
        columns = mapped_columns(template, header.columns, header.sheet)
        self._names = columns.names
        self._text = text_of(template, columns)
        self._metadata = [columns.positions[name] for name in template.rag_config.metadata_fields]
        self._keys = [columns.positions[name] for name in template.key_columns]
        identifier = template.employee_identifier
        self._identifier = columns.positions[identifier] if identifier else None

    def row(self, position: int, batch_number: int, row_number: int, cells: tuple[str, ...]) -> Row:
        content = self._text(cells)
        text_hash = content_hash(content)
        address = content_hash(content, *[cells[i] for i in self._metadata]) if self._metadata else text_hash
        employee = self._employee(cells)
        namespace, error = self._place(employee)
        if error is None and not content:
            error = RowError("no_text")
        if error is None and self._metadata:
            error = metadata_error({self._names[i]: cells[i] for i in self._metadata})
        return Row(
            position=position,
            sheet=self.header.sheet,
            row_number=row_number,
            batch_number=batch_number,
            employee_id=employee if namespace is not None else None,
            namespace=namespace,
            error=error.message if error else None,
            vector_id=None if error or namespace is None else self._addresses.of(namespace, address),
            content_hash=address,
            text_hash=text_hash,
            row_key=content_hash(*[cells[i] for i in self._keys]) if self._keys else address,
            content=content,
            source_row=orjson.dumps(dict(zip(self._names, cells, strict=True))),
            error_code=error.code if error else None,
            employee_key=employee,
        )

    def _employee(self, cells: tuple[str, ...]) -> str | None:
        """Whom a row is for, as its sheet writes it; None if it names nobody, or everybody may see it."""
        if self._owner.mode == "company_wide" or self._identifier is None:
            return None
        return cells[self._identifier] or None

    def _place(self, employee: str | None) -> tuple[str | None, RowError | None]:
        """(namespace, error) of a row that names this employee."""
        if self._owner.mode == "company_wide":
            return organization_namespace(self._owner.organization_id), None
        if self._identifier is None:
            return None, RowError("employee_column_missing")
        column = self._names[self._identifier]
        if employee is None:
            return None, RowError("employee_missing", {"column": column})
        namespace = self._owner.employees.get(employee)
        if namespace is None:
            return None, RowError("employee_unknown", {"employee": employee, "column": column})
        return namespace, None
