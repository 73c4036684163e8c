"""What goes from the child to the parent: frames of a length, a tag and text.

Rows are joined by separators that cell_text.py never lets through, so neither side unpickles anything: a parser
that was subverted can send nonsense, but nothing that runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from domain.documents.tables import RowBatch, SheetHeader

MAX_FRAME_BYTES = 64 * 2**20
ROWS = b"R"
FACT = b"F"
_ROW, _CELL = "\x1e", "\x1f"


def pack_rows(rows: list[tuple[int, tuple[str, ...]]]) -> bytes:
    """A frame with the rows of one batch."""
    return _frame(ROWS, _ROW.join([f"{number}{_CELL}{_CELL.join(cells)}" for number, cells in rows]))


def unpack_rows(payload: bytes, header: SheetHeader) -> RowBatch:
    """The batch of a rows frame."""
    rows: list[tuple[int, tuple[str, ...]]] = []
    for line in payload.decode().split(_ROW):
        number, *cells = line.split(_CELL)
        rows.append((int(number), tuple(cells)))
    return RowBatch(header, rows)


def pack_fact(name: str, *values: Any) -> bytes:
    """A frame with a named fact."""
    return _frame(FACT, json.dumps([name, *values], ensure_ascii=True))


def unpack_fact(payload: bytes) -> tuple[str, list[Any]]:
    """The name and the values of a fact frame."""
    name, *values = json.loads(payload)
    return name, values


def _frame(tag: bytes, text: str) -> bytes:
    payload = text.encode()
    return len(payload).to_bytes(4, "little") + tag + payload


def write_all(descriptor: int, frame: bytes) -> None:
    """Write a whole frame; a full pipe makes the child wait, which is all the backpressure there is."""
    view = memoryview(frame)
    while view:
        view = view[os.write(descriptor, view) :]


def frames(read: Callable[[int], bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Tags and payloads until the stream ends. `read(n)` gives exactly n bytes, or fewer at the end."""
    while len(head := read(5)) == 5:
        size = int.from_bytes(head[:4], "little")
        if size > MAX_FRAME_BYTES:
            raise ValueError("frame too long")
        payload = read(size)
        if len(payload) < size:
            return
        yield head[4:], payload
