"""What a file is, by its first bytes. Names lie: one ods in the corpus is an xls, one xlsx is a csv."""

from __future__ import annotations

import os
import zipfile
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from formats.errors import DamagedFile, EmptyFile, PasswordProtected, UnsupportedFormat


class Kind(Enum):
    """A file format with readers of its own."""

    XLSX = "xlsx"
    XLSB = "xlsb"
    ODS = "ods"
    XLS = "xls"
    TEXT = "text"


HEAD_BYTES = 4096
END_BYTES = 22 + 0xFFFF  # where a zip says how long its list of members is
LIST_BYTES = 1 << 20
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OLD_EXCEL = (b"\x09\x00", b"\x09\x02", b"\x09\x04")  # BIFF 2, 3, 4: no container around the records
ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")

SAVE_AS_XLSX = "open it in Excel, save it as .xlsx and send that file"
FOREIGN = (
    (b"%PDF", "this is a PDF document, not a workbook; send the workbook it was made from"),
    (b"{\\rtf", "this is a text document (RTF), not a workbook"),
    (b"\x89PNG", "this is a picture, not a workbook"),
    (b"\xff\xd8\xff", "this is a picture, not a workbook"),
    (b"GIF8", "this is a picture, not a workbook"),
    (b"MZ", "this is a program, not a workbook"),
    (b"\x7fELF", "this is a program, not a workbook"),
    (b"\x1f\x8b", "this is a compressed file, not a workbook; unpack it and send the workbook inside"),
    (b"7z\xbc\xaf", "this is a compressed file, not a workbook; unpack it and send the workbook inside"),
    (b"Rar!", "this is a compressed file, not a workbook; unpack it and send the workbook inside"),
    (b"SQLite format 3", "this is a database file, not a workbook"),
    (b"PAR1", "this is a Parquet file, not a workbook"),
)


def kind_of(path: Path) -> Kind:
    """The format of a file.

    Raises UnsupportedFormat for anything that is not a spreadsheet or text, PasswordProtected for an encrypted one.
    """
    with path.open("rb") as file:
        return _kind_in(file)


def refuse_early(file: BinaryIO) -> None:
    """Raises what `kind_of` raises, if the first bytes are enough; the file stands at its beginning before and after.

    Nothing here may cost memory that the sender chooses: an archive with a long list of members is let through, and
    judged where its reader has a limit.
    """
    if not _is_long_archive(file):
        _kind_in(file)
    file.seek(0)


def _kind_in(file: BinaryIO) -> Kind:
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise EmptyFile("the file is empty (0 bytes); send it again")
    if head.startswith(b"PK"):
        return _kind_of_zip(file)
    if head.startswith(OLE):
        return _kind_of_ole(file)
    if head.startswith(OLD_EXCEL):
        return Kind.XLS
    return _kind_of_text(head)


def _is_long_archive(file: BinaryIO) -> bool:
    """Whether a zip's list of members, as its end states it, is longer than a workbook's ever is."""
    file.seek(0)
    if file.read(2) != b"PK":
        return False
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - END_BYTES))
    tail = file.read(END_BYTES)
    at = tail.rfind(b"PK\x05\x06")
    return at >= 0 and len(tail) >= at + 16 and int.from_bytes(tail[at + 12 : at + 16], "little") > LIST_BYTES


def _kind_of_zip(file: BinaryIO) -> Kind:
    """By the names of the members; 11 real files spell them in another case, with a slash or in another folder."""
    try:
        with zipfile.ZipFile(file) as package:
            names = {name.replace("\\", "/").lstrip("/").lower() for name in package.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DamagedFile(
            "the file is damaged or was not sent completely; save the workbook again and send it"
        ) from error
    if any(name.endswith("workbook.bin") for name in names):
        return Kind.XLSB
    if any(name.endswith("workbook.xml") for name in names) or any("worksheets/" in name for name in names):
        return Kind.XLSX
    if "content.xml" in names:
        return Kind.ODS
    if any(name.startswith("word/") for name in names):
        raise UnsupportedFormat("this is a Word document, not a workbook; send the workbook")
    if any(name.startswith("ppt/") for name in names):
        raise UnsupportedFormat("this is a presentation, not a workbook; send the workbook")
    raise UnsupportedFormat("this is a zip archive without a workbook in it; send the workbook itself")


def _kind_of_ole(file: BinaryIO) -> Kind:
    """Old Office container: an xls, or the envelope around an encrypted xlsx (recognized by its stream names)."""
    file.seek(0)
    overlap = b""
    while chunk := file.read(2**20):
        if ENCRYPTED_STREAM in overlap + chunk:
            raise PasswordProtected("the file has a password; save it without the password and send it again")
        overlap = chunk[-len(ENCRYPTED_STREAM) :]
    return Kind.XLS


def _kind_of_text(head: bytes) -> Kind:
    for magic, sentence in FOREIGN:
        if head.startswith(magic):
            raise UnsupportedFormat(sentence)
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")):
        return Kind.TEXT
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"urn:schemas-microsoft-com:office:spreadsheet" in start:
        raise UnsupportedFormat(f"this is an XML spreadsheet of Excel 2003; {SAVE_AS_XLSX}")
    if start.startswith((b"<html", b"<table", b"<!doctype html", b"<meta", b"<head", b"<style", b"<body")):
        raise UnsupportedFormat(f"this is a web page saved under the name of a workbook; {SAVE_AS_XLSX}")
    if start.startswith(b"<?xml") or (start.startswith(b"<") and b"</" in start):
        if b"<table" in start or b"<html" in start:
            raise UnsupportedFormat(f"this is a web page saved under the name of a workbook; {SAVE_AS_XLSX}")
        raise UnsupportedFormat(f"this is an XML file, not a workbook; {SAVE_AS_XLSX}")
    if _is_binary(head):
        raise UnsupportedFormat(
            "this is neither a workbook nor a text table; send xlsx, xlsm, xls, xlsb, ods, csv or tsv"
        )
    return Kind.TEXT


def _is_binary(head: bytes) -> bool:
    """Control characters no text has. NUL bytes alone may be UTF-16 without a mark, which encoding.py can tell."""
    from formats.encoding import utf16_without_mark

    if utf16_without_mark(head) is not None:
        return False
    return any(byte < 9 or 13 < byte < 26 or 27 < byte < 32 for byte in head)
