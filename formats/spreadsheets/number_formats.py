"""What a cell shows beyond its value, where a number format changes the digits a person reads.

Only masks that carry identity are rendered: leading zeros (00000) and digit groups (000-0000-0000, 000000-0000000).
Money, thousands separators and per cent stay plain numbers: 12.5 % reads 0.125 with every reader.
"""

from __future__ import annotations

import re
from typing import Any

_MASK = re.compile(r"0+(?:(?:[-/ ]|\\[-/. ]|\"[-/. ]\")0+)*")
_LITERAL = re.compile(r"[\\\"]")


def is_mask(number_format: str) -> bool:
    """Whether the format is digits only and shows more of them than the number has: 00000, 000-0000-0000."""
    return _MASK.fullmatch(number_format) is not None and number_format != "0"


def masked(value: float, number_format: str) -> str:
    """A whole number in a mask: 6083 in 00000 → 06083, 1012345678 in 000-0000-0000 → 010-1234-5678."""
    mask = _LITERAL.sub("", number_format)
    digits = str(abs(int(value))).rjust(mask.count("0"), "0")
    parts: list[str] = []
    for sign in reversed(mask):
        if sign == "0":
            parts.append(digits[-1])
            digits = digits[:-1]
        else:
            parts.append(sign)
    return ("-" if value < 0 else "") + digits + "".join(reversed(parts))


def shown(cell: Any) -> Any:
    """The value of an openpyxl cell, as a mask shows it when it has one."""
    value = cell.value
    if type(value) in (int, float) and is_mask(cell.number_format or "") and value == int(value):
        return masked(value, cell.number_format)
    return value
