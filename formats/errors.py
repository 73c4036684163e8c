"""Every way a file can fail to become rows; each message is a sentence an office clerk can act on."""

from __future__ import annotations

from domain.errors import ErrorCode, UnreadableFile


class UnsupportedFormat(UnreadableFile):
    """The bytes are no spreadsheet and no delimited text."""

    code = ErrorCode.UNSUPPORTED_FORMAT


class PasswordProtected(UnreadableFile):
    """The file is encrypted."""

    code = ErrorCode.PASSWORD_PROTECTED


class DamagedFile(UnreadableFile):
    """A spreadsheet by its first bytes, but no reader can open it."""

    code = ErrorCode.DAMAGED_FILE


class FileTooLarge(UnreadableFile):
    """The file, or what it expands to, is over a limit."""

    code = ErrorCode.FILE_TOO_LARGE


class TooManyColumns(FileTooLarge):
    """A sheet is wider than is read."""

    code = ErrorCode.TOO_MANY_COLUMNS


class UnsafeFile(UnreadableFile):
    """The file is built in a way that only attacks are."""

    code = ErrorCode.UNSAFE_FILE


class NoTable(UnreadableFile):
    """The file opens, but nothing in it can be trusted to be a table with a header row."""

    code = ErrorCode.NO_TABLE


class UnknownSheet(UnreadableFile):
    """The template names a sheet the file does not have."""

    code = ErrorCode.UNKNOWN_SHEET


class EmptyFile(NoTable):
    """The file has no bytes, or no sheet that is read has a cell with a value."""

    code = ErrorCode.EMPTY_FILE


BY_CODE: dict[str, type[UnreadableFile]] = {
    kind.code: kind
    for kind in (
        *(UnsupportedFormat, PasswordProtected, DamagedFile, FileTooLarge, TooManyColumns),
        *(UnsafeFile, NoTable, UnknownSheet, EmptyFile),
    )
}


PASSWORD_MESSAGE = "the file has a password; save it without the password and send it again"  # noqa: S105 - a message


class ReaderFailed(Exception):
    """One reader gave up; the next one of the chain may still open the file. Never leaves `formats`."""
