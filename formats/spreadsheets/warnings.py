"""Warnings about the rows of one sheet: few in full, the others counted, each short enough for a message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from domain.documents.tables import ReadWarning

QUOTE_CHARS = 160


class WarningLimiter:
    """The warnings of one sheet: the first of each kind in full, the others as a count at the end."""

    def __init__(self, sheet: str, limit: int) -> None:
        self._sheet = sheet
        self._limit = limit
        self._counts: dict[str, int] = {}

    def about(self, kind: str, row_number: int | None, message: str) -> Iterator[ReadWarning]:
        """The warning, or nothing if as many of its kind as the limit were yielded."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._counts[kind] <= self._limit:
            yield ReadWarning(self._sheet, row_number, message)

    def summaries(self) -> Iterator[ReadWarning]:
        """One warning for each kind over the limit, with the count of those left out."""
        for kind, count in self._counts.items():
            if count > self._limit:
                yield ReadWarning(self._sheet, None, f"{count - self._limit:,} more rows like these: {kind}")


def quoted(cells: Iterable[str]) -> str:
    """The texts of a row, short enough for a message."""
    text = " | ".join(" ".join(cell.split()) for cell in cells if cell)
    return text if len(text) <= QUOTE_CHARS else text[: QUOTE_CHARS - 1] + "…"
