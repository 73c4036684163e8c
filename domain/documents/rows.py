"""From the cells of a sheet to the rows of a document: text, addresses, owner, error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from uuid import UUID

import orjson

from domain.documents.identifiers import VectorAddresses, content_hash, organization_namespace
from domain.documents.tables import ReadWarning, RowBatch, SheetHeader, without_error_column
from domain.documents.templates import WorkbookTemplate, mapped_columns, text_of
from domain.documents.vector_metadata import metadata_error

Mode = Literal["company_wide", "employee_split"]
ROWS_VERSION = "3"  # code_version of parsed_rows: bump when the same file would give other rows
MAX_NOTICES = 200


class Row(NamedTuple):
    """One row of one version, ready to be planned. `vector_id` is None exactly if there is an `error`.

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
    notices: list[ReadWarning] = field(default_factory=list)
    notices_left_out: int = 0

    def note(self, notice: ReadWarning) -> None:
        if len(self.notices) < MAX_NOTICES:
            self.notices.append(notice)
        else:
            self.notices_left_out += 1


def document_rows(
    parts: Iterable[RowBatch | ReadWarning],
    template: WorkbookTemplate,
    owner: Owner,
    model: str,
    batch_rows: int,
    reading: Reading,
) -> Iterator[list[Row]]:
    """Rows in reading order, a list for each part of the file; notices and headers go into `reading`.

    Batches hold `batch_rows` rows and never span two sheets.
    """
    addresses = VectorAddresses(owner.organization_id, model)
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

    def __init__(
        self, header: SheetHeader, template: WorkbookTemplate, owner: Owner, addresses: VectorAddresses
    ) -> None:
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
        employee, namespace, error = self._place(cells)
        if error is None and not content:
            error = "the embedding template finds no text in this row"
        if error is None and self._metadata:
            error = metadata_error({self._names[i]: cells[i] for i in self._metadata})
        return Row(
            position=position,
            sheet=self.header.sheet,
            row_number=row_number,
            batch_number=batch_number,
            employee_id=employee,
            namespace=namespace,
            error=error,
            vector_id=None if error or namespace is None else self._addresses.of(namespace, address),
            content_hash=address,
            text_hash=text_hash,
            row_key=content_hash(*[cells[i] for i in self._keys]) if self._keys else address,
            content=content,
            source_row=orjson.dumps(dict(zip(self._names, cells, strict=True))),
        )

    def _place(self, cells: tuple[str, ...]) -> tuple[str | None, str | None, str | None]:
        """(employee, namespace, error) of a row."""
        if self._owner.mode == "company_wide":
            return None, organization_namespace(self._owner.organization_id), None
        if self._identifier is None:
            return None, None, "the template names no employeeIdentifier, which employee_split needs"
        number = cells[self._identifier]
        column = self._names[self._identifier]
        if not number:
            return None, None, f"column {column} names no employee in this row"
        namespace = self._owner.employees.get(number)
        if namespace is None:
            return None, None, f"employee {number} (column {column}) is not in the employee list"
        return number, namespace, None
