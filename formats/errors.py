"""Every way a file can fail to become rows, each a sentence an office clerk can act on."""

from __future__ import annotations

from domain.errors import UnreadableFile


class NotAWorkbook(UnreadableFile):
    """The bytes are no spreadsheet and no delimited text."""


class PasswordProtected(UnreadableFile):
    """The file is encrypted."""


class Damaged(UnreadableFile):
    """A spreadsheet by its first bytes, but no reader can open it."""


class TooLarge(UnreadableFile):
    """The file, or what it expands to, is over a limit."""


class Refused(UnreadableFile):
    """The file is built in a way that only attacks are."""


class NoTable(UnreadableFile):
    """The file opens, but nothing in it can be trusted to be a table with a header row."""


class UnknownSheet(UnreadableFile):
    """The template names a sheet the file does not have."""


class Empty(NoTable):
    """Not a single cell with a value in any sheet that is read."""


BY_NAME: dict[str, type[UnreadableFile]] = {
    kind.__name__: kind
    for kind in (NotAWorkbook, PasswordProtected, Damaged, TooLarge, Refused, NoTable, UnknownSheet, Empty)
}


HAS_PASSWORD = "the file has a password; save it without the password and send it again"  # noqa: S105 - a message


class ReaderFailed(Exception):
    """One reader gave up; the next rung of the ladder may still open the file. Never leaves this room."""
