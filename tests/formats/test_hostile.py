"""Files built to hurt (parsing.md, section 5): each ends in a clear error or in the right rows, within seconds,
and this process stays as small as it was."""

from __future__ import annotations

import io
import resource
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xlsxwriter

from domain.errors import UnreadableFile
from formats import errors
from tests.formats.conftest import Read

SECONDS = 15.0
GROWTH_MIB = 48
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HEADER = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>name</t></is></c><c r="B1" t="inlineStr"><is><t>pay</t></is></c></row>'
)
KIM = '<row r="2"><c r="A2" t="inlineStr"><is><t>Kim</t></is></c><c r="B2"><v>12</v></c></row>'
ODS = "urn:oasis:names:tc:opendocument:xmlns"


def sheet(rows: str, head: str = "") -> str:
    return f'<?xml version="1.0"?>{head}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def xlsx(path: Path, rows: str = HEADER + KIM, extra: dict[str, str | bytes] | None = None, head: str = "") -> Path:
    """The smallest workbook: one sheet, and the parts that make it hostile."""
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        '<Override PartName="/xl/sharedStrings.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>'
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": types,
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{RELS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELS}"><sheets><sheet name="S" sheetId="1" r:id="r1"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{RELS}/worksheet" '
        f'Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="{RELS}/sharedStrings" '
        'Target="sharedStrings.xml"/></Relationships>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}" count="0" uniqueCount="0"></sst>',
        "xl/worksheets/sheet1.xml": sheet(rows, head),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in (parts | (extra or {})).items():
            book.writestr(name, content)
    return path


def ods(path: Path, rows: str) -> Path:
    content = (
        f'<office:document-content xmlns:office="{ODS}:office:1.0" xmlns:table="{ODS}:table:1.0" '
        f'xmlns:text="{ODS}:text:1.0"><office:body><office:spreadsheet><table:table table:name="S">{rows}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        book.writestr("content.xml", content)
    return path


def ods_row(*texts: str, attributes: str = "") -> str:
    cells = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>' for text in texts
    )
    return f"<table:table-row {attributes}>{cells}</table:table-row>"


def blanks(path: Path) -> Path:
    return xlsx(path, HEADER + KIM + " " * (64 * 2**20))


def far_cell(path: Path) -> Path:
    return xlsx(path, HEADER + KIM + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')


def impossible_row(path: Path) -> Path:
    return xlsx(path, HEADER + KIM + '<row r="99999999"><c r="A99999999"><v>1</v></c></row>')


def lying_string_count(path: Path) -> Path:
    strings = f'<sst xmlns="{MAIN}" count="1" uniqueCount="4294967295"><si><t>Kim</t></si></sst>'
    rows = HEADER + '<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2"><v>12</v></c></row>'
    return xlsx(path, rows, {"xl/sharedStrings.xml": strings})


def repeated_string(path: Path) -> Path:
    strings = f'<sst xmlns="{MAIN}" count="1" uniqueCount="1"><si><t>{"x" * 2**20}</t></si></sst>'
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c><c r="B{n}"><v>1</v></c></row>' for n in range(2, 200))
    return xlsx(path, HEADER + rows, {"xl/sharedStrings.xml": strings})


def reused_text(path: Path) -> Path:
    """Every cell within the limit, the text of the file far over it."""
    strings = f'<sst xmlns="{MAIN}" count="1" uniqueCount="1"><si><t>{"x" * 30_000}</t></si></sst>'
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c><c r="B{n}"><v>1</v></c></row>' for n in range(2, 3000))
    return xlsx(path, HEADER + rows, {"xl/sharedStrings.xml": strings})


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def laughs_in_sheet(path: Path) -> Path:
    return xlsx(path, head=BOMB)


def laughs_in_strings(path: Path) -> Path:
    return xlsx(path, extra={"xl/sharedStrings.xml": f'{BOMB}<sst xmlns="{MAIN}"><si><t>&b;</t></si></sst>'})


def laughs_in_utf16(path: Path) -> Path:
    text = f'<?xml version="1.0" encoding="UTF-16"?>{BOMB}<sst xmlns="{MAIN}"><si><t>&b;</t></si></sst>'
    return xlsx(path, extra={"xl/sharedStrings.xml": text.encode("utf-16")})


def foreign_entity(path: Path) -> Path:
    return xlsx(path, extra={"xl/styles.xml": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'})


def many_members(path: Path) -> Path:
    return xlsx(path, extra={f"xl/media/{number}.png": b"" for number in range(2_100)})


def twin_members(path: Path) -> Path:
    xlsx(path)
    with zipfile.ZipFile(path, "a") as book, pytest.warns(UserWarning, match="Duplicate name"):
        book.writestr("xl/worksheets/sheet1.xml", sheet(HEADER))
    return path


def climbing_member(path: Path) -> Path:
    return xlsx(path, extra={"../../etc/passwd": b"root"})


def huge_declared_member(path: Path) -> Path:
    xlsx(path)
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 600 * 2**20)
    path.write_bytes(data)
    return path


def truncated(path: Path) -> Path:
    data = xlsx(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def wrong_checksum(path: Path) -> Path:
    data = bytearray(xlsx(path).read_bytes())
    place = data.index(b"xl/worksheets/sheet1.xml") + 60
    data[place : place + 40] = bytes(40)
    path.write_bytes(data)
    return path


def flag_encrypted(path: Path) -> Path:
    data = bytearray(xlsx(path).read_bytes())
    for magic, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = data.find(magic)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(magic, place + 1)
    path.write_bytes(data)
    return path


def ods_everything_repeated(path: Path) -> Path:
    cell = (
        '<table:table-cell office:value-type="string" table:number-columns-repeated="16384"><text:p>x</text:p>'
        "</table:table-cell>"
    )
    return ods(path, f'<table:table-row table:number-rows-repeated="1048576">{cell}</table:table-row>')


def ods_two_billion_spaces(path: Path) -> Path:
    return ods(path, ods_row("name", "city") + ods_row("Kim", 'Se<text:s text:c="2000000000"/>oul'))


def half_a_zip_header(path: Path) -> Path:
    path.write_bytes(b"PK\x03\x04" + bytes(300))
    return path


def broken_ole(path: Path) -> Path:
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 4096)
    return path


def zeros(path: Path) -> Path:
    path.write_bytes(bytes(10_000))
    return path


def nothing(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def wide_csv(path: Path) -> Path:
    path.write_text(",".join(f"c{n}" for n in range(2000)) + "\n" + ",".join("1" * 2000) + "\n")
    return path


def endless_quote(path: Path) -> Path:
    path.write_text('name,city\nKim,"Seoul\n' + "x,y\n" * 400_000)
    return path


Make = Callable[[Path], Path]
REJECTED: list[tuple[Make, type[UnreadableFile], str]] = [
    (blanks, errors.UnsafeFile, "zip bomb"),
    (impossible_row, errors.DamagedFile, "more rows than a sheet can have"),
    (repeated_string, errors.FileTooLarge, "1,048,576 characters"),
    (laughs_in_sheet, errors.UnsafeFile, "document type"),
    (laughs_in_strings, errors.UnsafeFile, "document type"),
    (laughs_in_utf16, errors.UnsafeFile, "document type"),
    (foreign_entity, errors.UnsafeFile, "document type"),
    (many_members, errors.FileTooLarge, "parts"),
    (twin_members, errors.UnsafeFile, "two parts of the same name"),
    (climbing_member, errors.UnsafeFile, "unsafe name"),
    (huge_declared_member, errors.FileTooLarge, "unpacks to 600 MB"),
    (truncated, errors.DamagedFile, "damaged"),
    (wrong_checksum, errors.DamagedFile, "damaged"),
    (flag_encrypted, errors.PasswordProtected, "password"),
    (ods_everything_repeated, errors.NoTable, "no header row"),
    (ods_two_billion_spaces, errors.FileTooLarge, "characters"),
    (half_a_zip_header, errors.DamagedFile, "damaged"),
    (broken_ole, errors.DamagedFile, "damaged"),
    (zeros, errors.UnsupportedFormat, "neither a workbook nor a text table"),
    (nothing, errors.EmptyFile, "empty"),
    (wide_csv, errors.TooManyColumns, "2,000 columns"),
    (endless_quote, errors.FileTooLarge, "quotation mark"),
]


@pytest.fixture(autouse=True)
def parent_stays_small_and_fast() -> Iterator[None]:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < GROWTH_MIB + 192  # making the file


@pytest.mark.parametrize(("make", "kind", "words"), REJECTED, ids=[case[0].__name__ for case in REJECTED])
def test_hostile_file_ends_in_a_clear_error(
    make: Make, kind: type[UnreadableFile], words: str, read: Read, tmp_path: Path
) -> None:
    path = make(tmp_path / "hostile.xlsx")
    with pytest.raises(kind, match=words) as raised:
        read(path, name="salaries.xlsx")
    assert str(raised.value).startswith("salaries.xlsx: ")


def test_text_reuse_is_stopped_by_the_text_limit(read: Read, tmp_path: Path) -> None:
    with pytest.raises(errors.FileTooLarge, match="more text than one file may"):
        read(reused_text(tmp_path / "a.xlsx"), text_bytes=20 * 2**20)


@pytest.mark.parametrize("make", [far_cell, lying_string_count])
def test_file_that_kills_one_reader_is_read_by_the_next(make: Make, read: Read, tmp_path: Path) -> None:
    if make is far_cell:
        table = read(make(tmp_path / "a.xlsx"), columns=20_000).only
        assert table.columns == ("name", "pay", "column XFD")
    else:
        table = read(make(tmp_path / "a.xlsx")).only
    assert table.rows[2][:2] == ("Kim", "12")


def test_silent_child_is_ended_by_the_clock(read: Read, tmp_path: Path) -> None:
    rows = HEADER + "".join(f'<row r="{n}"><c r="A{n}"><v>1</v></c></row>' for n in range(2, 200_000))
    with pytest.raises(errors.FileTooLarge, match="takes too long"):
        read(xlsx(tmp_path / "a.xlsx", rows), wall_seconds=0.05)


@pytest.mark.slow
def test_busy_child_is_ended_by_its_cpu_limit(read: Read, tmp_path: Path) -> None:
    row = "<row>" + "<c/>" * 16 + "</row>"
    rows = HEADER + row * 1_000_000
    with pytest.raises(errors.FileTooLarge, match=r"takes too long|memory"):
        read(xlsx(tmp_path / "a.xlsx", rows), cpu_seconds=1, zip_ratio=10_000)


@pytest.mark.slow
def test_when_memory_does_not_do_for_one_reader_the_streaming_one_takes_over(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "big.xlsx"
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    page = book.add_worksheet("S")
    page.write_row(0, 0, [f"name {column}" for column in range(12)])
    for row in range(1, 12_001):
        page.write_row(row, 0, [f"{row} text {column}" for column in range(12)])
    book.close()
    table = read(path, memory_bytes=80 * 2**20).only
    assert len(table.rows) == 12_000
    assert table.rows[12_001][11] == "12000 text 11"


def test_file_over_the_size_limit_is_not_opened(read: Read, tmp_path: Path) -> None:
    with pytest.raises(errors.FileTooLarge, match="MB allowed"):
        read(xlsx(tmp_path / "a.xlsx"), file_bytes=1000)


FOREIGN = [
    (b"%PDF-1.7\n", "PDF"),
    (b"<html><table><tr><td>\xb1\xe8</td></tr></table></html>", "web page"),
    (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>'
     b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>', "Excel 2003"),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"MZ\x90\x00", "program"),
    (b"\x1f\x8b\x08", "compressed"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "words"), FOREIGN)
def test_other_files_named_xls_are_told_for_what_they_are(
    content: bytes, words: str, read: Read, tmp_path: Path
) -> None:
    path = tmp_path / "a.xls"
    path.write_bytes(content)
    with pytest.raises(errors.UnsupportedFormat, match=words):
        read(path)


def test_word_document_is_named(read: Read, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("word/document.xml", "<x/>")
    (tmp_path / "a.xlsx").write_bytes(buffer.getvalue())
    with pytest.raises(errors.UnsupportedFormat, match="Word document"):
        read(tmp_path / "a.xlsx")
