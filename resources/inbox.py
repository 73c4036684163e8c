"""The inbox folder: `inbox/<organization>/[<template>/]<file>`.

Taken files move to `.taken/`, refused ones to `.refused/` with the reason beside them; both stay in the
organization's folder. A file in a template's folder is read with that template, and split by employee where the
template names an employee column.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.documents.arrivals import InboxFile, ignored_name
from pipelines.documents.templates import Template
from pipelines.failures import Misuse, TransientFailure
from resources.ledger.documents import Version
from resources.uploads import Uploads

TAKEN, REFUSED = ".taken", ".refused"


def _paths(folder: Path) -> Iterator[Path]:
    """Every file under a folder. Raises OSError, where `Path.glob` takes a folder that it may not read for empty."""

    def refuse(error: OSError) -> None:
        raise error

    for parent, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(parent, name) for name in names)


@dataclass(frozen=True, slots=True)
class Inbox:
    """A folder that is watched for files."""

    folder: Path
    uploads: Uploads

    def files(self) -> list[InboxFile]:
        """Every file that lies in an organization's folder now.

        Raises TransientFailure where the folder cannot be read: that is not an empty inbox (law 8).
        """
        found = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(_paths(self.folder)):
                inside = path.relative_to(self.folder)
                if len(inside.parts) < 2 or any(ignored_name(part) for part in inside.parts) or not path.is_file():
                    continue
                state = path.stat()
                found.append(InboxFile(inside.parts[0], inside.as_posix(), state.st_size, state.st_mtime_ns))
        except OSError as error:
            raise TransientFailure(f"The inbox {self.folder} cannot be read: {error.strerror}") from error
        return found

    def take(self, file: InboxFile) -> Version:
        """Upload the file, then move it out of sight; a crash in between takes it once all the same."""
        path = self.folder / file.path
        template = self._template(file)
        try:
            body = path.open("rb")
        except OSError as error:
            raise TransientFailure(f"{file.path} cannot be read: {error.strerror}") from error
        with body:
            state = os.fstat(body.fileno())
            if f"{state.st_size}:{state.st_mtime_ns}" != file.signature:
                raise TransientFailure(f"{file.path} is still being written; it is taken when it has stopped changing")
            version = self.uploads.take(
                body,
                path.name,
                file.organization_id,
                template,
                "employee_split" if template.employee_identifier else "company_wide",
                upload_key=file.upload_key,
            )
        self._move(file, TAKEN, version.document_id)
        return version

    def refuse(self, file: InboxFile, reason: str) -> None:
        """Move the file out of the way, with the reason in a text file beside it."""
        folder = self._move(file, REFUSED, str(file.changed_ns))
        (folder / "reason.txt").write_text(reason + "\n", "utf-8")

    def _template(self, file: InboxFile) -> Template:
        folders = Path(file.path).parts[1:-1]
        if not folders:
            return Template()
        if len(folders) > 1:
            raise Misuse(f"{file.path} lies too deep; the inbox is <organization>/<template>/<file>")
        return self.uploads.ledger.organizations.template(file.organization_id, folders[0])

    def _move(self, file: InboxFile, place: str, folder: str) -> Path:
        """Into a folder of its own, under its own name: a longer name might not be allowed."""
        target = self.folder / file.organization_id / place / folder
        try:
            target.mkdir(parents=True, exist_ok=True)
            (self.folder / file.path).replace(target / Path(file.path).name)
        except OSError as error:
            raise TransientFailure(f"{file.path} cannot be moved to {place}: {error.strerror}") from error
        return target
