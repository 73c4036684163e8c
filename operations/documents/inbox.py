"""Emptying an inbox: each complete file becomes an upload, or is refused with the reason beside it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from domain.documents.inbox_files import InboxFile, is_about_the_file, template_folder
from domain.documents.templates import WorkbookTemplate
from domain.errors import RowlineError
from operations.documents.uploads import Uploads
from resources.inbox.protocol import Inbox
from resources.ledger.documents.documents import Version
from resources.ledger.documents.uploads import SAME_NAME


@dataclass(slots=True)
class InboxCounts:
    """How many files were uploaded, refused, and left for the next time."""

    uploaded: int = 0
    refused: int = 0
    left: int = 0


def empty_inbox(
    inbox: Inbox,
    uploads: Uploads,
    files: Iterable[InboxFile],
    warn: Callable[[str], None],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> InboxCounts:
    """Upload or refuse each file until the time is over; a file that fails for another reason holds up no other.

    `warn` receives a sentence for each file that was refused or left.
    """
    ends, counts = clock() + seconds, InboxCounts()
    for file in files:
        if clock() > ends:
            counts.left += 1
            continue
        try:
            reason = upload_or_refuse(inbox, uploads, file)
        except RowlineError as error:
            counts.left += 1
            warn(f"{file.path}: {error}")
            continue
        if reason is None:
            counts.uploaded += 1
        else:
            counts.refused += 1
            warn(f"{file.path}: {reason}")
    return counts


def upload_or_refuse(inbox: Inbox, uploads: Uploads, file: InboxFile) -> str | None:
    """Returns why the file was refused, or None. Raises errors that say nothing about the file: it stays."""
    try:
        upload_file(inbox, uploads, file)
    except RowlineError as error:
        if not is_about_the_file(error):
            raise
        inbox.refuse(file, str(error))
        return str(error)
    return None


def upload_file(inbox: Inbox, uploads: Uploads, file: InboxFile) -> Version:
    """Upload a file with its folder's template, split by employee if that names an employee column.

    It is archived after the upload was recorded; after a crash in between, the upload key makes it the same upload.
    Raises InvalidRequest for a file that no later attempt would accept.
    """
    name = template_folder(file.path)
    template = WorkbookTemplate() if name is None else uploads.ledger.organizations.template(file.organization_id, name)
    with inbox.open(file, uploads.upload_bytes) as body:
        version = uploads.upload(
            body,
            file.name,
            file.organization_id,
            template,
            "employee_split" if template.employee_identifier else "company_wide",
            SAME_NAME if uploads.inbox_versions else None,
            upload_key=file.upload_key,
        ).version
    inbox.archive(file, version.document_id, version.version)
    return version
