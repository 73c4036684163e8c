"""What an inbox is: `<organization>/[<template>/]<file>`, in a folder or in a bucket."""

from collections.abc import Sequence
from typing import BinaryIO, Protocol

from domain.documents.inbox_files import InboxFile, template_folder
from domain.documents.templates import Template
from operations.documents.uploads import Uploads
from resources.ledger.documents.documents import Version
from resources.ledger.documents.uploads import SAME_NAME

TAKEN, REFUSED, REASON = ".taken", ".refused", "reason.txt"


class Inbox(Protocol):
    """A place where people and programs drop files for an organization.

    Every failure is raised: an inbox that cannot be read is not an empty one (law 8).
    """

    def files(self) -> list[InboxFile]:
        """Every file that lies in an organization's folder now."""
        ...

    def take(self, file: InboxFile) -> Version:
        """Upload the file, then move it out of sight; a crash in between takes it once all the same."""
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
        """Delete what was taken for a document, or for some of its versions, or all that an organization ever dropped.

        Returns how many files went.
        """
        ...


def taken_folder(document_id: str, version: int) -> str:
    """Where a taken file goes: the next version of a document bears the same name, and must not take its place."""
    return f"{document_id}/{version}"


def upload(uploads: Uploads, file: InboxFile, body: BinaryIO) -> Version:
    """Take a file in with its folder's template, split by employee where that names an employee column.

    Raises Misuse for a file that no later look would take.
    """
    name = template_folder(file.path)
    template = Template() if name is None else uploads.ledger.organizations.template(file.organization_id, name)
    return uploads.take(
        body,
        file.name,
        file.organization_id,
        template,
        "employee_split" if template.employee_identifier else "company_wide",
        SAME_NAME if uploads.inbox_versions else None,
        upload_key=file.upload_key,
    )
