"""Where a table's header is: a pure function over the first rows of a sheet. The rule in words: docs/reading.md.

A wrong header spoils every row below it, a question costs one line of a template: in doubt, no header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SAMPLE_ROWS = 200  # rows with values looked at before the header is decided
BODY_ROWS = 20  # of those below a candidate, the ones it is measured against
ROWS_ABOVE = 20  # more than this many title rows over a header is not a table any more
CONTRAST_CELLS = 3
LABEL_CHARS = 120
CONTRAST_WEIGHT = 0.3
MARGIN = 0.3  # a later row must be this much better than an earlier one

Row = tuple[int, list[str]]  # row number as a person sees it, and its cells
Merge = tuple[int, int, int, int]  # first row, first column, last row, last column; rows 1-based, columns 0-based

_NUMBER = re.compile(r"[-+(]?\s*[$€£¥₩%]?\s*[-+]?\d[\d,.  ']*(e[-+]?\d+)?\s*[%원)]?", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-./]\s?\d{1,2}[-./]\s?\d{1,4}\.?([ T].*)?|-?\d+:\d\d(:\d\d(\.\d+)?)?")
_YEAR = re.compile(r"(19|20)\d\d")
_BRACKETED = re.compile(r"[(\[（［].*[)\]）］]", re.DOTALL)
_RULE = re.compile(r"[\W_]+")


class Header(NamedTuple):
    """A decision: which rows are the header, which columns belong to the table and what they are called."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    names: tuple[str, ...]  # "" where the column has cells but no heading


def is_typed(text: str) -> bool:
    """A number, date, time or truth value: what stands in a table, seldom over it."""
    return text in ("TRUE", "FALSE") or _NUMBER.fullmatch(text) is not None or _DATE.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Something that can name a column: words, not a rule of dashes, not a form field ("Date:"), not a paragraph."""
    return (
        len(text) <= LABEL_CHARS and not is_typed(text) and not text.endswith((":", "：")) and not _RULE.fullmatch(text)
    )


def find_header(rows: Sequence[Row], merges: Iterable[Merge] = ()) -> Header | None:
    """The header of the first rows (with values) of a sheet, or None when none can be trusted."""
    best: int | None = None
    best_score = 0.0
    for index in range(min(len(rows), ROWS_ABOVE + 1)):
        score = score_row(rows, index)
        if score is not None and (best is None or score > best_score + MARGIN):
            best, best_score = index, score
    if best is None:
        return None
    wide = list(merges)
    if _is_group_row(rows, best, wide):
        best += 1
    return _with_neighbour(rows, best, wide)


def _is_group_row(rows: Sequence[Row], index: int, merges: list[Merge]) -> bool:
    """Whether the names really stand one row lower: labels over numbers that fill the gaps of this row's groups."""
    if index + 2 >= len(rows) or rows[index + 1][0] != rows[index][0] + 1:
        return False
    above, cells = rows[index][1], rows[index + 1][1]
    body = [below for _number, below in rows[index + 2 :]][:BODY_ROWS]
    named = filled(cells)
    if score_row(rows, index + 1) is None or contrast(cells, named, body) < 0.5:
        return False
    return _are_groups(above, cells, body, [merge for merge in merges if merge[0] == rows[index][0]])


def score_row(rows: Sequence[Row], index: int) -> float | None:
    """How well a row names the rows below it; None when it cannot be a header at all."""
    cells = rows[index][1]
    body = [below for _number, below in rows[index + 1 :] if below != cells]  # a heading repeated per page is no row
    near = body[:BODY_ROWS]
    named = filled(cells)
    if not near or not _are_labels(cells, named) or not _is_tabular(near):
        return None
    used = used_columns(near)
    gaps = [column for column in used if column not in named]
    coverage = 1 - (len(gaps) - (0.9 if used[0] in gaps else 0)) / len(used)
    if len(used) - len(gaps) < len(used) / 2 or _recur(cells, named, body):
        return None
    return coverage + CONTRAST_WEIGHT * contrast(cells, named, near)


def filled(cells: Sequence[str]) -> list[int]:
    """The columns of a row that hold something."""
    return [column for column, text in enumerate(cells) if text]


def used_columns(body: Iterable[Sequence[str]]) -> list[int]:
    """The columns any of these rows use."""
    return sorted({column for cells in body for column, text in enumerate(cells) if text})


def _are_labels(cells: Sequence[str], named: Sequence[int]) -> bool:
    """At least two names, at least half of them different, and numbers only as years or as 1, 2, 3 (days, weeks)."""
    texts = [cells[column] for column in named]
    if len(texts) < 2 or len(set(texts)) * 2 < len(texts):
        return False
    numbers = [text for text in texts if is_typed(text)]
    words = [text for text in texts if is_label(text)]
    if len(numbers) + len(words) < len(texts):
        return False
    if not numbers:
        return True
    return _are_years(numbers) if len(words) == 0 else _are_years(numbers) or _count_up(numbers)


def _are_years(texts: Sequence[str]) -> bool:
    """Different years in order. A single year needs the words beside it, which the caller has seen to."""
    return all(_YEAR.fullmatch(text) for text in texts) and (
        texts in (sorted(set(texts)), sorted(set(texts), reverse=True))
    )


def _count_up(texts: Sequence[str]) -> bool:
    if len(texts) < 3 or not all(text.isdecimal() for text in texts):
        return False
    first = int(texts[0])
    return [int(text) for text in texts] == list(range(first, first + len(texts)))


def _is_tabular(body: Sequence[Sequence[str]]) -> bool:
    """At least half of the rows below have two cells or more, and fewer than half a form field ("Address:")."""
    wide = sum(len(filled(cells)) >= 2 for cells in body)
    fields = sum(any(text.endswith((":", "：")) for text in cells) for cells in body)
    return wide * 2 >= len(body) and fields * 2 < max(2, len(body))


def _recur(cells: Sequence[str], named: Sequence[int], body: Sequence[Sequence[str]]) -> bool:
    """Whether the "names" are data: they stand again in their own columns, many of them or one of them often."""
    again = 0
    for column in named:
        below = [row[column] for row in body if column < len(row) and row[column]]
        times = below.count(cells[column])
        if times and times * 5 >= len(below):
            return True
        again += bool(times)
    return again * 2 >= len(named)


def contrast(cells: Sequence[str], named: Sequence[int], body: Sequence[Sequence[str]]) -> float:
    """The share of named columns where words stand over numbers or dates right from the first cells."""
    hits = 0
    for column in named:
        below = [row[column] for row in body if column < len(row) and row[column]][:CONTRAST_CELLS]
        hits += bool(below) and all(map(is_typed, below))
    return hits / len(named)


def _with_neighbour(rows: Sequence[Row], index: int, merges: list[Merge]) -> Header:
    """Join a second header row above (groups) or below (units in brackets); the gap between them must be none."""
    number, cells = rows[index]
    body = [below for _number, below in rows[index + 1 : index + 1 + SAMPLE_ROWS]]
    if index + 2 < len(rows) and rows[index + 1][0] == number + 1 and _are_units(cells, rows[index + 1][1]):
        columns = _columns(cells, body[1:])
        below = rows[index + 1][1]
        return Header((number, number + 1), columns, tuple(_joined(at(cells, c), at(below, c)) for c in columns))
    if index and rows[index - 1][0] == number - 1:
        above = rows[index - 1][1]
        if _are_groups(above, cells, body, [merge for merge in merges if merge[0] == number - 1]):
            names, used = spread(above, cells), set(used_columns(body))
            columns = tuple(
                c for c in _columns(names, body) if at(cells, c) or c in used or not _spreads(names, above, c)
            )
            return Header((number - 1, number), columns, tuple(_joined(at(names, c), at(cells, c)) for c in columns))
    columns = _columns(cells, body)
    return Header((number,), columns, tuple(" ".join(at(cells, c).split()) for c in columns))


def at(cells: Sequence[str], column: int) -> str:
    """A cell, blank beyond the end of a short row."""
    return cells[column] if column < len(cells) else ""


def _columns(cells: Sequence[str], body: Iterable[Sequence[str]]) -> tuple[int, ...]:
    """Every column with a name or a value; the ones with neither lie outside the table."""
    return tuple(sorted({*filled(cells), *used_columns(body)}))


def _are_units(cells: Sequence[str], below: Sequence[str]) -> bool:
    """The row under the names is part of the header when most of it stands in brackets: "(in grams)", "[KRW]"."""
    under = [text for text in below if text]
    bracketed = sum(_BRACKETED.fullmatch(text) is not None for text in under)
    return len(under) >= 2 and bracketed * 2 > len(under) and set(filled(below)) <= set(filled(cells))


def _are_groups(above: Sequence[str], cells: Sequence[str], body: Sequence[Sequence[str]], merges: list[Merge]) -> bool:
    """The row over the names holds their groups: it fills the gaps they leave, or is merged over several of them."""
    over = filled(above)
    if len(over) < 2 or not all(is_label(above[column]) for column in over):
        return False
    gaps = {column for column in used_columns(body[:BODY_ROWS]) if not at(cells, column)}
    if gaps and gaps <= set(over):
        return True
    named = set(filled(cells))
    wide = {merge[1] for merge in merges if len(named & set(range(merge[1], merge[3] + 1))) >= 2}
    return bool(wide) and all(column in wide or column not in named for column in over)


def spread(above: Sequence[str], cells: Sequence[str]) -> list[str]:
    """Groups carried to the right over the names that stand under them, up to the next group."""
    names: list[str] = []
    group = ""
    for column in range(max(len(above), len(cells))):
        group = at(above, column) or group
        names.append(at(above, column) or (group if at(cells, column) else ""))
    return names


def _spreads(names: Sequence[str], above: Sequence[str], column: int) -> bool:
    """Whether a group without a name of its own under it covers the columns to its right: then it is no column."""
    return at(names, column + 1) == names[column] and not at(above, column + 1) if column + 1 < len(names) else False


def _joined(group: str, name: str) -> str:
    parts = [" ".join(part.split()) for part in (group, name) if part]
    return " / ".join(dict.fromkeys(parts))
