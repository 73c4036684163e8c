"""The inbox in a folder: `ROWLINE_HOME/inbox/<organization>/[<template>/]<file>`.

Uploaded files move to `.taken/`, refused ones to `.refused/` with the reason beside them; both stay in the
organization's folder.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from domain.documents.inbox_files import InboxFile, ignored_name, organization_of
from domain.errors import TransientError
from resources.inbox.protocol import ARCHIVE_FOLDER, REASON_FILE, REJECTED_FOLDER, archive_path


@dataclass(frozen=True, slots=True)
class FolderInbox:
    """`Inbox` over a folder. A file is complete when it has stopped changing, by its size and time of change."""

    folder: Path

    def files(self) -> list[InboxFile]:
        files = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(_file_paths(self.folder)):
                inside = path.relative_to(self.folder).as_posix()
                organization = organization_of(inside)
                if organization is not None and path.is_file():
                    state = path.stat()
                    files.append(InboxFile(organization, inside, state.st_size, state.st_mtime_ns))
        except OSError as error:
            raise TransientError(f"The inbox {self.folder} cannot be read: {error.strerror}") from error
        return files

    @contextmanager
    def open(self, file: InboxFile, max_bytes: int) -> Iterator[BinaryIO]:
        try:
            body = (self.folder / file.path).open("rb")
        except OSError as error:
            raise TransientError(f"{file.path} cannot be read: {error.strerror}") from error
        with body:
            state = os.fstat(body.fileno())
            if f"{state.st_size}:{state.st_mtime_ns}" != file.signature:
                raise TransientError(f"{file.path} is still being written; it is taken when it has stopped changing")
            yield body

    def archive(self, file: InboxFile, document_id: str, version: int) -> None:
        self._move(file, ARCHIVE_FOLDER, archive_path(document_id, version))

    def refuse(self, file: InboxFile, reason: str) -> None:
        self._move(file, REJECTED_FOLDER, file.mark, reason)

    def forget(
        self,
        organization_id: str,
        document_id: str | None = None,
        versions: Sequence[int] | None = None,
        dry_run: bool = False,
    ) -> int:
        inbox = self.folder / organization_id
        if document_id is None:
            return _delete_files(inbox, dry_run)
        if versions is None:
            return _delete_files(inbox / ARCHIVE_FOLDER / document_id, dry_run)
        return sum(
            _delete_files(inbox / ARCHIVE_FOLDER / archive_path(document_id, version), dry_run) for version in versions
        )

    def _move(self, file: InboxFile, place: str, folder: str, reason: str | None = None) -> None:
        """Into a folder of its own, under its own name: a longer one might be too long."""
        target = self.folder / file.organization_id / place / folder
        try:
            target.mkdir(parents=True, exist_ok=True)
            if reason is not None:  # first, as the file itself may bear the name of the reason
                (target / REASON_FILE).write_text(reason + "\n", "utf-8", "backslashreplace")
            (self.folder / file.path).replace(target / file.name)
        except OSError as error:
            raise TransientError(f"{file.path} cannot be moved to {place}: {error.strerror}") from error


def _delete_files(folder: Path, dry_run: bool) -> int:
    try:
        files = sum(path.is_file() for path in folder.rglob("*"))
        if folder.exists() and not dry_run:
            shutil.rmtree(folder)
    except OSError as error:
        raise TransientError(f"{folder} cannot be emptied: {error.strerror}") from error
    return files


def _file_paths(folder: Path) -> Iterator[Path]:
    """Every file under a folder that may be an upload; archived files are not listed again.

    Raises OSError, whereas `Path.glob` treats a folder that it may not read as empty.
    """

    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not ignored_name(name)]
        yield from (Path(parent, name) for name in names)
