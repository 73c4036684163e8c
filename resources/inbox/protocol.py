"""The protocol of an inbox: `<organization>/[<template>/]<file>`, in a folder or in a bucket."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from domain.documents.inbox_files import InboxFile

ARCHIVE_FOLDER, REJECTED_FOLDER, REASON_FILE = ".taken", ".refused", "reason.txt"


class Inbox(Protocol):
    """A place where people and programs drop files for an organization.

    Every failure is raised: an inbox that cannot be read is not an empty one.
    """

    def files(self) -> list[InboxFile]:
        """Every file that is in an organization's folder now."""
        ...

    def open(self, file: InboxFile, max_bytes: int) -> AbstractContextManager[BinaryIO]:
        """The bytes of the very file that was listed.

        Raises UnreadableFile for a file of more than `max_bytes`, TransientError for one that changed or was removed.
        """
        ...

    def archive(self, file: InboxFile, document_id: str, version: int) -> None:
        """Move an uploaded file out of sight, into the folder of its document's version."""
        ...

    def refuse(self, file: InboxFile, reason: str) -> None:
        """Move the file out of the way, with the reason in a text file beside it."""
        ...

    def forget(
        self,
        organization_id: str,
        document_id: str | None = None,
        versions: Sequence[int] | None = None,
        dry_run: bool = False,
    ) -> int:
        """Delete the archived files of a document, or of some of its versions, or all files of an organization.

        Returns the number of files.
        """
        ...


def archive_path(document_id: str, version: int) -> str:
    """The folder of an archived file: the next version may bear the same file name and must not replace it."""
    return f"{document_id}/{version}"
