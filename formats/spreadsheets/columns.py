"""Names of columns: letters as in Excel, and names made unique."""

from __future__ import annotations

from collections.abc import Iterable


def letters(index: int) -> str:
    """0 → A, 25 → Z, 26 → AA."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


def blank_name(index: int) -> str:
    """The name of a column that has cells but no heading."""
    return f"column {letters(index)}"


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """The second "name" becomes "name (2)"; a generated name never takes one that stands in the sheet."""
    names = list(names)
    taken: set[str] = set()
    written = set(names)
    result: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in taken or (number > 1 and candidate in written):
            number += 1
            candidate = f"{name} ({number})"
        taken.add(candidate)
        result.append(candidate)
    return tuple(result)
