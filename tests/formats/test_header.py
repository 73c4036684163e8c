"""Where the header is: the rule of docs/reading.md, one sentence a test."""

from __future__ import annotations

import pytest

from formats.spreadsheets.header import Header, find_header
from formats.spreadsheets.notes import first_note

BODY = ["Kim;30;Seoul", "Lee;41;Busan", "Park;29;Daegu"]


def found(*lines: str, merges: tuple[tuple[int, int, int, int], ...] = ()) -> Header | None:
    rows = [(number, line.split(";")) for number, line in enumerate(lines, 1)]
    return find_header([row for row in rows if any(row[1])], merges)


def header(*lines: str, merges: tuple[tuple[int, int, int, int], ...] = ()) -> Header:
    result = found(*lines, merges=merges)
    assert result is not None
    return result


def test_first_row_of_labels() -> None:
    assert header("name;age;city", *BODY) == Header((1,), (0, 1, 2), ("name", "age", "city"))


def test_title_lines_and_blank_rows_above() -> None:
    assert header("Staff list 2026;;", "as of;2026-01-01;", ";;", "name;age;city", *BODY).rows == (4,)


def test_form_fields_above_are_no_header() -> None:
    assert header("Company:;Acme;", "Date:;2026-01-01;", "name;age;city", *BODY).rows == (3,)


def test_a_table_of_words_only_starts_with_its_first_row() -> None:
    assert header("name;city", "Kim;Seoul", "Lee;Busan").rows == (1,)


def test_days_and_years_may_be_names() -> None:
    assert header("name;1;2;3", "Kim;8;8;0", "Lee;8;0;8").names == ("name", "1", "2", "3")
    assert header(";1985;1993;2000", "Berlin;.;379;575", "Bonn;3;1;").rows == (1,)


def test_a_blank_heading_keeps_its_column() -> None:
    assert header("name;;city", *BODY).names == ("name", "", "city")


def test_a_column_outside_the_table_is_left_out() -> None:
    assert header(";name;;city", ";Kim;;Seoul", ";Lee;;Busan").columns == (1, 3)


def test_units_in_brackets_belong_to_the_header() -> None:
    result = header("name;weight;height", ";(kg);(cm)", "Kim;70;180", "Lee;60;170")
    assert (result.rows, result.names) == ((1, 2), ("name", "weight / (kg)", "height / (cm)"))


def test_groups_that_fill_the_gaps_are_joined() -> None:
    result = header("name;score;;note", ";math;art;", "Kim;90;80;a", "Lee;70;60;b")
    assert (result.rows, result.names) == ((1, 2), ("name", "score / math", "score / art", "note"))


def test_groups_are_joined_by_their_merged_cells() -> None:
    lines = ("person;;money;", "name;age;gross;net", "Kim;30;100;80", "Lee;41;120;90")
    assert header(*lines).rows == (2,)
    joined = header(*lines, merges=((1, 0, 1, 1), (1, 2, 1, 3)))
    assert joined.names == ("person / name", "person / age", "money / gross", "money / net")


def test_a_merged_title_is_no_group() -> None:
    assert header("Staff;;", "name;age;city", *BODY, merges=((1, 0, 1, 2),)).rows == (2,)


@pytest.mark.parametrize(
    "lines",
    [
        ("1;2;3", "4;5;6"),
        ("Kim;30", "Lee;41"),
        ("name", "Kim", "Lee"),
        ("team a;Kim;x", "team a;Lee;y", "team a;Park;z"),
        ("Order form;;", "Name:;Kim;", "Date:;2026-01-01;", "Address:;Seoul;"),
        ("name;city", "", ""),
    ],
)
def test_in_doubt_there_is_no_header(lines: tuple[str, ...]) -> None:
    assert found(*lines) is None


def test_narrow_last_rows_are_rows_unless_they_are_notes() -> None:
    typed = (False, True, False)
    assert first_note([(9, ("b", "", ""))], 8, typed) == 1
    assert first_note([(10, ("Source: HR", "", ""))], 8, typed) == 0
    assert first_note([(9, ("Total", "12", ""))], 8, typed) == 1
    assert first_note([(9, ("Some", "", "")), (10, ("", "words", ""))], 8, typed) == 0
    assert first_note([(9, ("Lee", "3", "")), (10, ("", "words", ""))], 8, typed) == 1
