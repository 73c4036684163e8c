"""Reading a whole file at once, for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from domain.documents.tables import Layout, ReadWarning
from formats.limits import Limits
from formats.reading import read_workbook

WORKBOOKS = Path(__file__).parents[1] / "data" / "workbooks"


@dataclass
class Table:
    header_rows: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    rows: dict[int, tuple[str, ...]] = field(default_factory=dict)
    last: int = 0

    def cell(self, row: int, column: str) -> str:
        return self.rows[row][self.columns.index(column)]


@dataclass
class Answer:
    tables: dict[str, Table] = field(default_factory=dict)
    warnings: list[ReadWarning] = field(default_factory=list)

    @property
    def only(self) -> Table:
        (table,) = self.tables.values()
        return table

    def warnings_with(self, words: str) -> list[ReadWarning]:
        return [warning for warning in self.warnings if words in warning.message]


Read = Callable[..., Answer]


def read_all(path: Path, name: str | None = None, **options: object) -> Answer:
    layout = Layout(options.pop("sheet", None), options.pop("header_row", None))  # type: ignore[arg-type]
    limits = Limits(**options)  # type: ignore[arg-type]
    answer = Answer()
    for item in read_workbook(path, name or path.name, layout, limits):
        if isinstance(item, ReadWarning):
            answer.warnings.append(item)
            continue
        table = answer.tables.setdefault(item.header.sheet, Table())
        assert table.columns == item.header.columns[: len(table.columns)], "columns are only ever added at the right"
        table.header_rows, table.columns = item.header.header_rows, item.header.columns
        for number, cells in item.rows:
            assert len(cells) == len(item.header.columns)
            assert number > table.last, "rows come once and in order"
            table.last = number
            table.rows[number] = cells
    return answer


@pytest.fixture
def read() -> Read:
    return read_all


@pytest.fixture
def workbooks() -> Path:
    return WORKBOOKS
