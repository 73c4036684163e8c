"""Why a row gets no vector: a code for programs, and the sentence that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

RowErrorCode = Literal[
    "employee_column_missing",
    "employee_missing",
    "employee_unknown",
    "no_text",
    "metadata_too_large",
    "embedding_refused",
    "erased",
]
MESSAGES: Mapping[RowErrorCode, str] = {
    "employee_column_missing": "the template names no employeeIdentifier, which employee_split needs",
    "employee_missing": "column {column} names no employee in this row",
    "employee_unknown": "employee {employee} (column {column}) is not in the employee list",
    "no_text": "the embedding template finds no text in this row",
    "metadata_too_large": (
        "the metadata fields of this row need {size:,} bytes, {limit:,} are allowed beside a vector; shorten "
        "{longest}, or leave it out of the template's metadataFields"
    ),
    "embedding_refused": "not embedded: {reason}",
    "erased": "this row was erased on request",
}


class RowError(NamedTuple):
    """A code with the values that its sentence names."""

    code: RowErrorCode
    params: Mapping[str, str | int] = {}

    @property
    def message(self) -> str:
        return MESSAGES[self.code].format(**self.params)


def parse_row_error(message: str, cells: Mapping[str, str]) -> tuple[RowErrorCode | None, str | None]:
    """(code, employee) of a sentence about a row with these cells; None for what no sentence says.

    Files of rows that were written before errors had codes hold only the sentence. Which employee it names is found
    among the cells, because a number may itself look like a part of the sentence.
    """
    for column, value in cells.items():
        unknown = RowError("employee_unknown", {"employee": value, "column": column})
        if message == unknown.message:
            return unknown.code, value
    beginnings = {code: pattern.partition("{")[0] for code, pattern in MESSAGES.items()}
    return next((code for code, beginning in beginnings.items() if message.startswith(beginning)), None), None
