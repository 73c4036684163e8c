"""The rows file: what is written is read back, its digest says whether the rows are the same, and it streams."""

import tempfile
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents.rows import Row
from resources.objects.rows_parquet import (
    DIGEST,
    PREVIEW_ROWS,
    RowsSummary,
    count_rows,
    read_rows,
    rows_digest,
    write_rows,
)
from tests.domain.documents.examples import any_rows, patiently, row


@pytest.fixture(scope="module")
def file() -> Iterator[Path]:
    """Written again by every example: hypothesis and a folder per function do not go together."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "rows.parquet"


def digest_of(file: Path, rows: Iterable[Row]) -> str:
    return write_rows(file, [list(rows)]).digest


@patiently
@given(parts=st.lists(st.lists(any_rows, max_size=4), max_size=4))
def test_what_is_written_is_read_back(file: Path, parts: list[list[Row]]) -> None:
    rows = [row for part in parts for row in part]
    summary = write_rows(file, parts)
    assert [row for part in read_rows(file) for row in part] == rows
    assert all(isinstance(row, Row) for part in read_rows(file) for row in part)
    assert summary == RowsSummary(
        total_rows=len(rows),
        error_rows=sum(row.error is not None for row in rows),
        batches=rows[-1].batch_number if rows else 0,
        digest=rows_digest(file),
        preview=rows[:PREVIEW_ROWS],
    )
    assert count_rows(file) == len(rows)


@patiently
@given(rows=st.lists(any_rows, max_size=6), cut=st.integers(0, 6))
def test_the_digest_is_that_of_the_rows_and_not_of_the_parts(file: Path, rows: list[Row], cut: int) -> None:
    """A reader that hands out larger parts must not have every document planned again."""
    assert write_rows(file, [rows[:cut], rows[cut:]]).digest == write_rows(file, [rows]).digest


@pytest.mark.parametrize(
    "change",
    [
        {"sheet": "Sheet2"},
        {"row_number": 3},
        {"batch_number": 2},
        {"vector_id": UUID(int=8)},
        {"vector_id": None, "error": "no text"},
        {"content_hash": bytes(15) + b"1"},
        {"row_key": bytes(15) + b"1"},
        {"source_row": b'{"name":"Lee"}'},
    ],
    ids=" ".join,
)
def test_another_row_is_another_digest(file: Path, change: dict[str, object]) -> None:
    """Else the plan of the old rows would be kept for the new ones."""
    assert digest_of(file, [row(**change)]) != digest_of(file, [row()])


def test_another_error_is_another_digest(file: Path) -> None:
    one, two = (row(vector_id=None, error=f"employee {number} is unknown") for number in ("E1", "E2"))
    assert digest_of(file, [one]) != digest_of(file, [two])


def test_rows_added_gone_or_moved_are_another_digest(file: Path) -> None:
    a, b = row(), row(row_number=3, content_hash=bytes(15) + b"b", vector_id=UUID(int=9))
    digests = [digest_of(file, rows) for rows in ([], [a], [b], [a, b], [b, a], [a, a])]
    assert len(set(digests)) == len(digests)


def test_the_digest_is_in_the_file_itself(file: Path) -> None:
    """So that a later step knows the rows without the result of the step before."""
    summary = write_rows(file, [[row()]])
    assert rows_digest(file) == summary.digest
    assert len(summary.digest) == 32


def test_no_rows_are_a_file_of_no_rows(file: Path) -> None:
    summary = write_rows(file, [[], []])
    assert (summary.total_rows, summary.error_rows, summary.batches, summary.preview) == (0, 0, 0, [])
    assert list(read_rows(file)) == []
    assert count_rows(file) == 0


class Part(list[Row]):
    """A list that can be watched."""


def test_writing_holds_one_part_at_a_time(file: Path) -> None:
    """A million rows stream; what has been written is forgotten."""
    alive: weakref.WeakSet[Part] = weakref.WeakSet()
    most = 0

    class Watched(Part):
        __hash__ = object.__hash__  # type: ignore[assignment]

    def parts() -> Iterator[Part]:
        nonlocal most
        for number in range(20):
            part = Watched([row(row_number=number * 50 + i) for i in range(50)])
            alive.add(part)
            most = max(most, len(alive))
            yield part
            del part

    assert write_rows(file, parts()).total_rows == 1000
    assert most <= 2


def test_reading_gives_parts_and_not_the_file(file: Path) -> None:
    write_rows(file, ([row(row_number=number * 100 + i) for i in range(100)] for number in range(25)))
    reading = read_rows(file)
    assert 0 < len(next(reading)) <= 1000
    assert max(len(part) for part in reading) <= 1000


def test_a_failure_half_way_is_passed_on_and_half_a_file_has_no_digest(file: Path) -> None:
    """Half a file must not look whole to the step that plans by its digest."""

    def parts() -> Iterator[list[Row]]:
        yield [row()]
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_rows(file, parts())
    assert DIGEST.encode() not in (pq.read_metadata(file).metadata or {})


def test_a_file_from_before_errors_had_codes_is_read_with_them(file: Path) -> None:
    """A run may have written its rows before an upgrade and plan them after it."""
    unknown = "employee E9 (column no) is not in the employee list"
    rows = [
        row(employee_id="E1", employee_key="E1"),
        row(vector_id=None, error=unknown, error_code="employee_unknown", employee_key="E9", source_row=b'{"no":"E9"}'),
        row(vector_id=None, error="a sentence of nobody"),
    ]
    write_rows(file, [rows])
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["error_code", "employee_key"]), file)
    assert list(read_rows(file)) == [rows]


def test_any_parquet_reader_can_read_the_rows(file: Path) -> None:
    """The kept rows are a plain table, for people with other tools."""
    write_rows(file, [[row(content="성명: 김")]])
    table = pq.read_table(file)
    assert table.column_names == list(Row._fields)
    assert table.column("content").to_pylist() == ["성명: 김"]
