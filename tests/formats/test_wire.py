"""The frames between child and parent."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents.tables import SheetHeader
from formats.sandbox.wire import FACT, MAX_FRAME_BYTES, ROWS, frames, pack_fact, pack_rows, unpack_rows
from formats.spreadsheets.cell_text import text_of

HEADER = SheetHeader("S", ("a", "b"), (1,))


@given(st.lists(st.tuples(st.integers(1, 2**20), st.tuples(st.text(), st.text())), min_size=1))
def test_any_cell_text_crosses_unchanged(raw: list[tuple[int, tuple[str, str]]]) -> None:
    rows: list[tuple[int, tuple[str, ...]]] = [(number, (text_of(a), text_of(b))) for number, (a, b) in raw]
    ((tag, payload),) = frames(io.BytesIO(pack_rows(rows)).read)
    assert tag == ROWS
    assert unpack_rows(payload, HEADER).rows == rows


def test_a_cut_frame_is_no_frame() -> None:
    stream = io.BytesIO(pack_fact("end") + pack_fact("header", "S")[:-1])
    assert [tag for tag, _payload in frames(stream.read)] == [FACT]


def test_a_frame_longer_than_any_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        list(frames(io.BytesIO((MAX_FRAME_BYTES + 1).to_bytes(4, "little") + b"R").read))
