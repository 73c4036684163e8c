"""Errors of rows: each code has one sentence, and old sentences lead to their code."""

from __future__ import annotations

import pytest

from domain.documents.row_errors import MESSAGES, RowError, parse_row_error

PARAMS = {"column": "no", "employee": "E9", "size": 40_000, "limit": 39_000, "longest": "note", "reason": "too long"}


@pytest.mark.parametrize("code", MESSAGES)
def test_a_sentence_leads_back_to_its_code(code):
    assert parse_row_error(RowError(code, PARAMS).message, {"no": "E9"}) == (
        code,
        "E9" if code == "employee_unknown" else None,
    )


@pytest.mark.parametrize("number", ["E9 (column no", "{employee}", "100%", "E9) is not in the employee list", "에9"])
def test_a_number_that_looks_like_the_sentence_is_found_whole(number: str):
    message = RowError("employee_unknown", {"employee": number, "column": "no"}).message
    assert parse_row_error(message, {"task": "E9", "no": number}) == ("employee_unknown", number)


def test_a_sentence_that_nobody_knows_has_no_code():
    assert parse_row_error("something else", {"no": "E9"}) == (None, None)


def test_numbers_are_written_with_commas():
    assert "40,000 bytes, 39,000 are allowed" in RowError("metadata_too_large", PARAMS).message
