"""Refusals before any parser sees the file, cheapest first (docs/reading.md, "Guards")."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from formats.detection import Kind
from formats.errors import DamagedFile, FileTooLarge, PasswordProtected, UnsafeFile
from formats.limits import Limits

MIB = 2**20
PROLOGUE_BYTES = 64 * 1024
RATIO_FROM_BYTES = 10 * MIB
READ_PARTS = ("workbook.xml", "sharedstrings.xml", "styles.xml", ".rels", "content.xml")
SEND_SMALLER = "split it into smaller files and send those"


def check_size(path: Path, limits: Limits) -> None:
    """Raises FileTooLarge when the file alone is over the limit."""
    size = path.stat().st_size
    if size > limits.file_bytes:
        raise FileTooLarge(
            f"the file has {size / MIB:,.0f} MB, more than the {limits.file_bytes // MIB} MB allowed; {SEND_SMALLER}"
        )


def check_package(path: Path, kind: Kind, limits: Limits) -> None:
    """Judge a package by its directory and the heads of its parts.

    Raises UnsafeFile, FileTooLarge, PasswordProtected or DamagedFile.
    """
    if kind not in (Kind.XLSX, Kind.XLSB, Kind.ODS):
        return
    try:
        with zipfile.ZipFile(path) as package:
            members = package.infolist()
            _check_members(members, limits)
            _check_expansion(members, limits)
            for member in members:
                if _is_read(member.filename):
                    _check_prologue(package, member)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, zlib.error) as error:
        raise DamagedFile(
            "the file is damaged or was not sent completely; save the workbook again and send it"
        ) from error


def _check_members(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(members) > limits.zip_members:
        raise FileTooLarge(
            f"the workbook is made of {len(members):,} parts, more than the {limits.zip_members:,} allowed"
        )
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise UnsafeFile("the workbook holds two parts of the same name, so its content is not certain; save it again")
    for member in members:
        if ".." in member.filename.split("/"):
            raise UnsafeFile("the workbook holds a part with an unsafe name; save it again in Excel and send that file")
        if member.flag_bits & 1:
            raise PasswordProtected("the file has a password; save it without the password and send it again")


def _check_expansion(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    total = sum(member.file_size for member in members)
    if total > limits.zip_bytes:
        raise FileTooLarge(f"the workbook unpacks to {total / MIB:,.0f} MB, more than allowed; {SEND_SMALLER}")
    for member in members:
        if member.file_size > limits.zip_part_bytes:
            raise FileTooLarge(f"a part of the workbook unpacks to {member.file_size / MIB:,.0f} MB; {SEND_SMALLER}")
        if member.file_size > RATIO_FROM_BYTES and member.file_size > limits.zip_ratio * max(member.compress_size, 1):
            raise UnsafeFile(
                "the workbook unpacks to far more than a real one does (a zip bomb); save it again in Excel"
            )


def _is_read(name: str) -> bool:
    """Only parts a reader opens: an honest ods of the corpus has a DOCTYPE in a macro part nobody reads."""
    name = name.lower()
    return name.endswith(READ_PARTS) or ("worksheets/" in name and name.endswith(".xml"))


def _check_prologue(package: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """No spreadsheet program writes a document type; entity bombs need one."""
    with package.open(member) as part:
        prologue = part.read(PROLOGUE_BYTES)
    if prologue.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00<" in prologue[:8] or b"<\x00" in prologue[:8]:
        prologue = prologue.replace(b"\x00", b"")
    if b"<!DOCTYPE" in prologue or b"<!ENTITY" in prologue:
        raise UnsafeFile(
            "document type declarations are not allowed in a workbook; save it again in Excel and send that file"
        )
