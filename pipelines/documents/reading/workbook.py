"""The one door of this room: `read_workbook`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.documents.reading.model import Layout, Limits, Notice, RowBatch, SheetHeader
from pipelines.documents.reading.sandbox import OutOfMemory, run
from pipelines.documents.reading.trouble import BY_NAME, Damaged, Empty, ReaderFailed, TooLarge
from pipelines.documents.reading.wire import ROWS, unpack_fact, unpack_rows
from pipelines.failures import UnreadableFile

__all__ = ["Layout", "Limits", "Notice", "RowBatch", "SheetHeader", "read_workbook"]

DAMAGED = "no reader can open the file, it is damaged; open it in Excel, save it again and send that file"
NEEDS_MEMORY = "the file needs more memory than one file may have; split it into smaller files and send those"


def read_workbook(
    path: Path, filename: str, layout: Layout = Layout(), limits: Limits = Limits(), batch_rows: int = 1000
) -> Iterator[RowBatch | Notice]:
    """The rows of every table in the file, in batches, with notices between them.

    `filename` is what messages call the file; the format is found from its content. Rows of one sheet come in
    order and share a header; a late cell outside the table widens the header of that batch and the ones after it
    (columns are only ever added at the right). Raises a subclass of UnreadableFile, possibly after rows were given:
    then the file as a whole was not read. Closing the generator ends the child process.
    """
    try:
        yield from _down_the_ladder(path, layout, limits, batch_rows)
    except UnreadableFile as error:
        raise type(error)(f"{filename}: {error}") from error.__cause__


def _down_the_ladder(path: Path, layout: Layout, limits: Limits, batch_rows: int) -> Iterator[RowBatch | Notice]:
    """The first reader that gets through, each in its own child; the first child looks at the file and says who they are."""
    session = _Session()
    failures: list[ReaderFailed] = []
    readers: list[str | None] = [None]
    while readers:
        try:
            for tag, payload in run(path, readers.pop(0), layout, limits, batch_rows):
                if tag == ROWS:
                    yield from session.batch(payload)
                    continue
                name, values = unpack_fact(payload)
                if name == "ladder":
                    readers = list(values[0][1:])
                yield from session.fact(name, values)
            if session.ended:
                return
            raise ReaderFailed("the reader stopped without a word")
        except Empty as error:
            if failures:  # a second reader that finds nothing where the first one broke is no proof of an empty file
                raise Damaged(DAMAGED) from error
            raise
        except ReaderFailed as error:
            failures.append(error)
            session.next_reader()
    if any(isinstance(failure, OutOfMemory) for failure in failures):
        raise TooLarge(NEEDS_MEMORY) from failures[-1]
    raise Damaged(DAMAGED) from failures[-1]


class _Session:
    """What was given so far, so that the next reader goes on where a broken one stopped, without a row twice."""

    def __init__(self) -> None:
        self.ended = False
        self._header: SheetHeader | None = None
        self._given: dict[str, tuple[SheetHeader, int]] = {}  # sheet: its header and its last row, by readers before
        self._now: dict[str, tuple[SheetHeader, int]] = {}
        self._told: set[Notice] = set()

    def next_reader(self) -> None:
        """The reader broke; what it gave stays given."""
        self._given |= self._now
        self._now = {}

    def fact(self, name: str, values: list[Any]) -> Iterator[Notice]:
        """Take in a fact frame."""
        if name == "notice":
            notice = Notice(*values)
            if notice not in self._told:
                self._told.add(notice)
                yield notice
        elif name == "header":
            self._header = SheetHeader(values[0], tuple(values[1]), tuple(values[2]))
        elif name == "end":
            self.ended = True
        elif name == "trouble":
            raise BY_NAME[values[0]](values[1])
        elif name == "failed":
            raise OutOfMemory(values[1]) if values[0] == "memory" else ReaderFailed(values[1])

    def batch(self, payload: bytes) -> Iterator[RowBatch]:
        """Take in a rows frame; rows that an earlier reader gave are left out."""
        assert self._header is not None
        batch = unpack_rows(payload, self._header)
        sheet = self._header.sheet
        if sheet in self._given:
            header, last = self._given[sheet]
            if header.columns != self._header.columns[: len(header.columns)]:
                raise Damaged(DAMAGED)
            batch = RowBatch(batch.header, [row for row in batch.rows if row[0] > last])
        if batch.rows:
            self._now[sheet] = (self._header, batch.rows[-1][0])
            yield batch
