"""The entry point of `formats`: `read_workbook`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain.documents.tables import Layout, ReadWarning, RowBatch, SheetHeader
from domain.errors import UnreadableFile
from formats.errors import BY_CODE, DamagedFile, EmptyFile, FileTooLarge, ReaderFailed
from formats.limits import Limits
from formats.sandbox.runner import OutOfMemory, run
from formats.sandbox.wire import ROWS, unpack_fact, unpack_rows

__all__ = ["Layout", "Limits", "ReadWarning", "RowBatch", "SheetHeader", "read_workbook"]

ANY_LAYOUT = Layout()
DEFAULT_LIMITS = Limits()
KIND_OF_SUFFIX = {
    "xlsx": "xlsx",
    "xlsm": "xlsx",
    "xlsb": "xlsb",
    "xls": "xls",
    "ods": "ods",
    "csv": "text",
    "tsv": "text",
}
DAMAGED = "no reader can open the file, it is damaged; open it in Excel, save it again and send that file"
NEEDS_MEMORY = "the file needs more memory than one file may have; split it into smaller files and send those"


def read_workbook(
    path: Path, filename: str, layout: Layout = ANY_LAYOUT, limits: Limits = DEFAULT_LIMITS, batch_rows: int = 1000
) -> Iterator[RowBatch | ReadWarning]:
    """The rows of every table in the file, in batches, with warnings between them.

    `filename` is what messages call the file; the format is found from its content. Rows of one sheet come in
    order and share a header; a late cell outside the table widens the header of that batch and the ones after it
    (columns are only ever added at the right). Raises a subclass of UnreadableFile, possibly after rows were yielded:
    then the file as a whole was not read. Closing the generator ends the child process.
    """
    try:
        yield from _try_readers(path, filename, layout, limits, batch_rows)
    except ValueError as error:  # a reader that sends broken frames was confused by the file
        raise DamagedFile(f"{filename}: {DAMAGED}") from error
    except UnreadableFile as error:
        raise type(error)(f"{filename}: {error}") from error.__cause__


def _try_readers(
    path: Path, filename: str, layout: Layout, limits: Limits, batch_rows: int
) -> Iterator[RowBatch | ReadWarning]:
    """The first reader that gets through, each in its own child; the first child finds out which ones there are."""
    session = _Session()
    failures: list[ReaderFailed] = []
    readers: list[str | None] = [None]
    while readers:
        try:
            reader = readers.pop(0)
            for tag, payload in run(path, reader, layout, _limits_for(reader, session.kind, path, limits), batch_rows):
                if tag == ROWS:
                    yield from session.batch(payload)
                    continue
                name, values = unpack_fact(payload)
                if name == "readers":
                    readers = list(values[1][1:])
                    yield from _suffix_warning(filename, values[0])
                yield from session.fact(name, values)
            if session.ended:
                return
            raise ReaderFailed("the reader stopped without a last frame")
        except EmptyFile as error:
            if failures:  # a second reader that finds nothing where the first one broke is no proof of an empty file
                raise DamagedFile(DAMAGED) from error
            raise
        except ReaderFailed as error:
            failures.append(error)
            session.next_reader()
    if all(isinstance(failure, OutOfMemory) for failure in failures):
        raise FileTooLarge(NEEDS_MEMORY) from failures[-1]
    raise DamagedFile(DAMAGED) from failures[-1]


def _limits_for(reader: str | None, kind: str | None, path: Path, limits: Limits) -> Limits:
    """calamine takes all the memory there is on a crafted xls that xlrd refused; an honest one needs little."""
    if reader != "calamine" or kind != "xls":
        return limits
    return replace(limits, memory_bytes=min(limits.memory_bytes, 192 * 2**20 + 40 * path.stat().st_size))


def _suffix_warning(filename: str, kind: str) -> Iterator[ReadWarning]:
    """A warning if the name ends in the suffix of another format; the file is read all the same."""
    suffix = filename.rpartition(".")[2].lower() if "." in filename else ""
    if suffix in KIND_OF_SUFFIX and KIND_OF_SUFFIX[suffix] != kind:
        content = "delimited text (csv)" if kind == "text" else kind
        yield ReadWarning(None, None, f"the name ends in .{suffix}, but the content is {content}; read as what it is")


class _Session:
    """What was yielded so far, so that the next reader continues after the last row of a broken one."""

    def __init__(self) -> None:
        self.ended = False
        self.kind: str | None = None
        self._header: SheetHeader | None = None
        self._earlier: dict[str, tuple[SheetHeader, int]] = {}  # sheet: its header and its last row, by readers before
        self._current: dict[str, tuple[SheetHeader, int]] = {}
        self._warnings: set[ReadWarning] = set()

    def next_reader(self) -> None:
        """The reader broke; the rows it yielded stay."""
        self._earlier |= self._current
        self._current = {}

    def fact(self, name: str, values: list[Any]) -> Iterator[ReadWarning]:
        """Take in a fact frame."""
        if name == "readers":
            self.kind = values[0]
        elif name == "warning":
            warning = ReadWarning(*values)
            if warning not in self._warnings:
                self._warnings.add(warning)
                yield warning
        elif name == "header":
            self._header = SheetHeader(values[0], tuple(values[1]), tuple(values[2]))
        elif name == "end":
            self.ended = True
        elif name == "unreadable":
            raise BY_CODE[values[0]](values[1])
        elif name == "failed":
            raise OutOfMemory(values[1]) if values[0] == "memory" else ReaderFailed(values[1])

    def batch(self, payload: bytes) -> Iterator[RowBatch]:
        """Take in a rows frame; rows of an earlier reader are left out."""
        assert self._header is not None
        batch = unpack_rows(payload, self._header)
        sheet = self._header.sheet
        if sheet in self._earlier:
            header, last = self._earlier[sheet]
            if header.columns != self._header.columns[: len(header.columns)]:
                raise DamagedFile(DAMAGED)
            batch = RowBatch(batch.header, [row for row in batch.rows if row[0] > last])
        if batch.rows:
            self._current[sheet] = (self._header, batch.rows[-1][0])
            yield batch
