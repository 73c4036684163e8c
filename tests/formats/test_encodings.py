"""Delimited text: encodings, delimiters, ragged and quoted records."""

from __future__ import annotations

from pathlib import Path

import pytest

from formats import errors
from formats.spreadsheets.delimited import delimiter_of
from tests.formats.conftest import Answer, Read

HEADER = "code,name,amount\n"
MOSTLY_ASCII = HEADER + "".join(f"A{n:05d},item {n},{n * 10}\n" for n in range(300))


def answer(read: Read, tmp_path: Path, content: bytes) -> Answer:
    path = tmp_path / "export.csv"
    path.write_bytes(content)
    return read(path)


@pytest.mark.parametrize("korean", [["김"], ["서울특별시 강남구"], ["김민준", "뷁똠", "영업1팀"]])
def test_a_few_korean_cells_in_an_ascii_export_are_read_as_cp949(korean: list[str], read: Read, tmp_path: Path) -> None:
    text = MOSTLY_ASCII + "".join(f"K{n},{word},1\n" for n, word in enumerate(korean))
    if "뷁똠" in korean:  # outside KS X 1001: strict cp949 still holds as long as the other syllables outnumber them
        text += "K9,가나다라마바사아자차카타파하가나다라마바사아자차카타파하,1\n"
    result = answer(read, tmp_path, text.encode("cp949"))
    names = [cells[1] for cells in result.only.rows.values()]
    assert [word for word in korean if word in names] == korean
    assert result.warnings_with("Korean (cp949)")


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings_with_and_without_marks(codec: str, read: Read, tmp_path: Path) -> None:
    table = answer(read, tmp_path, (MOSTLY_ASCII + "K1,김민준,7\n").encode(codec)).only
    assert table.columns == ("code", "name", "amount")
    assert table.rows[302] == ("K1", "김민준", "7")


def test_the_first_korean_byte_may_stand_at_two_megabytes(read: Read, tmp_path: Path) -> None:
    text = HEADER + "A1,plain,1\n" * 200_000 + "K1,김민준,7\n"
    table = answer(read, tmp_path, text.encode("cp949")).only
    assert table.rows[200_002] == ("K1", "김민준", "7")


def test_japanese_and_western_text_by_the_detector(read: Read, tmp_path: Path) -> None:
    japanese = HEADER + "".join(f"{n},東京都渋谷区の会社{n}です。カタカナとひらがな,1\n" for n in range(30))
    assert answer(read, tmp_path, japanese.encode("cp932")).only.cell(2, "name").startswith("東京都渋谷区")
    german = HEADER + "".join(f"{n},Größe und Gefäß über Straße {n},1\n" for n in range(30))
    result = answer(read, tmp_path, german.encode("cp1252"))
    assert result.only.cell(2, "name") == "Größe und Gefäß über Straße 0"
    assert result.warnings_with("guess")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(delimiter: str, read: Read, tmp_path: Path) -> None:
    lines = [["name", "city", "note"], ["Kim", "Seoul", "a"], ["Lee", "Busan", "b"]]
    content = "\n".join(delimiter.join(line) for line in lines)
    assert answer(read, tmp_path, content.encode()).only.rows == {2: ("Kim", "Seoul", "a"), 3: ("Lee", "Busan", "b")}


def test_decimal_commas_do_not_hide_a_semicolon() -> None:
    assert delimiter_of("name;pay;tax\nKim;1,5;2,5\nLee;3,5;4,5\n") == ";"


def test_commas_in_quotes_and_prose_do_not_win() -> None:
    assert delimiter_of('name\tnote\nKim\t"well, yes, no"\nLee\ta, b, c\n') == "\t"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_are_numbered_as_records_header_included(end: str, read: Read, tmp_path: Path) -> None:
    content = end.join(["name,city", f'"Kim{end}Minjun",Seoul', "", "Lee,Busan", ""])
    table = answer(read, tmp_path, content.encode()).only
    assert table.rows == {2: ("Kim\nMinjun", "Seoul"), 4: ("Lee", "Busan")}


def test_a_field_too_many_late_in_the_file_widens_the_table_and_is_told(read: Read, tmp_path: Path) -> None:
    content = "name,city\n" + "Kim,Seoul\n" * 3000 + "Lee,Busan,extra\n" + "Park,Daegu\n"
    result = answer(read, tmp_path, content.encode())
    assert result.only.columns == ("name", "city", "column C")
    assert result.only.rows[3002] == ("Lee", "Busan", "extra")
    assert result.only.rows[3003] == ("Park", "Daegu", "")
    assert [warning.row_number for warning in result.warnings_with("3 fields")] == [3002]
    assert result.warnings_with("column C added")


def test_notices_of_one_sort_are_counted_after_the_first_hundred(read: Read, tmp_path: Path) -> None:
    content = "name,city\n" + "Kim,Seoul\n" * 1000 + "Lee,Busan,\n" * 500
    result = answer(read, tmp_path, content.encode())
    assert len(result.only.rows) == 1500
    assert len(result.warnings_with("has 3 fields")) == 100
    assert result.warnings_with("400 more rows like these")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name,city\n", "header in row 1 but no rows"),
        (b"\n\n , \n", "no rows found"),
        (b"just a sentence\n", "no header"),
    ],
)
def test_text_without_rows_is_an_error(content: bytes, words: str, read: Read, tmp_path: Path) -> None:
    with pytest.raises(errors.NoTable, match=words):
        answer(read, tmp_path, content)
