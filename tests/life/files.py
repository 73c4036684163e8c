"""Small workbooks, and what each row of them means: worked out here a second time, without the product's code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from domain.documents.rows import Mode
from tests.laws.deployment import csv_bytes, template

COLUMNS = ("no", "task", "note")
EMPLOYEES = ("E1", "E2")
NUMBERS = (*EMPLOYEES, "E9", "")  # E9 is in no employee list, the last row names nobody
TASKS = ("weld", "saw", "drill", "paint", "REFUSED")  # the embedder refuses the last
NOTES = ("", "early", "late")

Cells = tuple[str, str, str]
Identity = tuple[object, ...]

STAFF = {"employeeIdentifier": "no", "headerRow": 1}
TEMPLATES = {
    "plain": template(**STAFF),
    "task": template(**STAFF, embeddingTemplate="{{task}}"),
    "noted": template(**STAFF, embeddingTemplate="{{task}}", metadataFields=["note"]),
    "apart": template(**STAFF, skipDuplicates=False),
}


class File(NamedTuple):
    """What is uploaded. `broken`: there are no bytes in it at all."""

    cells: tuple[Cells, ...]
    template: str = "plain"
    mode: Mode = "company_wide"
    broken: bool = False

    @property
    def unreadable(self) -> bool:
        """No row is found in it."""
        return self.broken or not self.cells

    @property
    def body(self) -> bytes:
        return b"" if self.broken else csv_bytes([COLUMNS, *self.cells])


class Said(NamedTuple):
    """A row and what it means. Two rows of one `identity` share a vector; an error row has none."""

    row_number: int
    employee: str | None
    namespace: str | None
    text: str
    identity: Identity | None

    @property
    def refused(self) -> bool:
        return self.namespace is not None and "REFUSED" in self.text


def said(file: File, organization: str, document_id: str) -> list[Said]:
    """Every row of a file, as it is once the version is complete."""
    rows, copies = [], Counter[Identity]()
    for place, (number, task, note) in enumerate(file.cells):
        employee, namespace = None, f"org_{organization}"
        if file.mode == "employee_split":
            employee = number if number in EMPLOYEES else None
            namespace = f"org_{organization}/employee_{number}" if employee else None
        text = task
        if file.template in ("plain", "apart"):
            cells = zip(COLUMNS, (number, task, note), strict=True)
            text = "\n".join(f"{column}: {cell}" for column, cell in cells if cell)
        identity: Identity | None = (namespace, text, note if file.template == "noted" else None)
        copies[identity] += 1
        if file.template == "apart":
            identity = (*identity, document_id, copies[identity])
        if namespace is None or "REFUSED" in text:
            identity = None
        rows.append(Said(place + 2, employee, namespace, text, identity))
    return rows


def edited(cells: Sequence[Cells], edit: str, at: int, row: Cells) -> tuple[Cells, ...]:
    """How people change a sheet between two uploads."""
    place = at % len(cells) if cells else 0
    head, tail = cells[:place], cells[place:]
    return {
        "same": tuple(cells),
        "changed": (*head, row, *tail[1:]),
        "added": (*head, row, *tail),
        "gone": (*head, *tail[1:]),
        "halved": tuple(cells[::2]),
        "moved": (*tail, *head),
        "repeated": (*cells, *tail),
    }[edit]


EDITS = ("same", "changed", "added", "gone", "halved", "moved", "repeated")
