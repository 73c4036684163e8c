"""A cell as text."""

from __future__ import annotations

import datetime as dt
import unicodedata
from decimal import Decimal

import pytest

from formats.spreadsheets.cell_text import text_of
from formats.spreadsheets.columns import letters, unique
from formats.spreadsheets.number_formats import is_mask, masked
from formats.spreadsheets.ods import moment

UTC = dt.UTC
CASES = [
    (5.0, "5"), (-0.0, "0"), (0.125, "0.125"), (1e22, "10000000000000000000000"), (1e-7, "0.0000001"),
    (0.005600000000000001, "0.0056"), (1234567890123456.0, "1234567890123456"), (9007199254740993, "9007199254740993"),
    (True, "TRUE"), (False, "FALSE"), (None, ""), (Decimal("1E+3"), "1000"),
    (dt.date(2024, 2, 29), "2024-02-29"),
    (dt.datetime.combine(dt.date(2024, 2, 29), dt.time()), "2024-02-29"),
    (dt.datetime.combine(dt.date(2024, 2, 29), dt.time(9, 5)), "2024-02-29 09:05:00"),
    (dt.datetime.combine(dt.date(2024, 2, 29), dt.time(23, 59, 59, 999_999)), "2024-03-01"),
    (dt.time(9, 0), "09:00:00"), (dt.time(9, 0, 0, 500_000), "09:00:00.500"),
    (dt.timedelta(hours=30), "30:00:00"), (dt.timedelta(minutes=-90), "-1:30:00"),
    (" Kim\u200b \ufeff", "Kim"), ("a\x00b\x1f", "ab"), ("a\r\nb\rc", "a\nb\nc"), ("0101234", "0101234"),
    ("👨‍👩‍👧", "👨‍👩‍👧"), ("\u3000김\u00a0", "김"), (unicodedata.normalize("NFD", "김민준 é"), "김민준 é"),
    ("\ud800x", "\ufffdx"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), CASES)
def test_a_value_reads_as_a_person_would_write_it(value: object, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("value", "mask", "text"),
    [(6083, "00000", "06083"), (1012345678, "000-0000-0000", "010-1234-5678"), (9001011234567, "000000\\-0000000",
     "900101-1234567"), (-5, "000", "-005"), (1234567, "0000", "1234567"),
     (1234567890, "000-00-00000", "123-45-67890")],
)  # fmt: skip
def test_masks_of_digits_show_their_zeros(value: int, mask: str, text: str) -> None:
    assert is_mask(mask)
    assert masked(value, mask) == text


@pytest.mark.parametrize("code", ["General", "0", "0.00", "#,##0", "0%", "yyyy-mm-dd", "@", '#,##0"원"'])
def test_other_formats_are_no_masks(code: str) -> None:
    assert not is_mask(code)


def test_spans_of_ods() -> None:
    assert moment("PT12H30M00S") == dt.time(12, 30)
    assert moment("PT30H00M00S") == dt.timedelta(hours=30)
    assert moment("PTA") == "PTA"


def test_column_letters_and_unique_names() -> None:
    assert [letters(index) for index in (0, 25, 26, 701, 702, 16_383)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]
    assert unique(["a", "a", "b", "a"]) == ("a", "a (2)", "b", "a (3)")
    assert unique(["a", "a", "a (2)"]) == ("a", "a (3)", "a (2)")
