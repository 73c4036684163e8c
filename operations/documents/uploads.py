"""Uploads: bytes into object storage, then a version into the ledger, so that an accepted upload is never lost."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import BinaryIO

from domain.documents.identifiers import checked_name, content_hash
from domain.documents.rows import Mode
from domain.documents.templates import WorkbookTemplate
from domain.errors import InvalidRequest, NotFound
from resources.embedders.protocol import Model
from resources.ledger.documents.uploads import Continued, ExternalId, Upload
from resources.ledger.documents.versions import UploadResult
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore


@dataclass(frozen=True, slots=True)
class Uploads:
    """The one way in, for the command, inboxes, events and HTTP."""

    ledger: Ledger
    objects: ObjectStore
    model: Model
    upload_bytes: int
    can_wait: bool = False  # whether the embedder has jobs, which are done later at a lower price
    economy: bool = False  # of an upload that does not say
    inbox_versions: bool = False  # whether a file of an inbox may be the next version of a document of its name

    def upload(
        self,
        body: BinaryIO,
        filename: str,
        organization_id: str,
        template: WorkbookTemplate,
        mode: Mode,
        document: Continued = None,
        upload_key: str | None = None,
        economy: bool | None = None,
    ) -> UploadResult:
        """Store the bytes and record a version that waits for its run; returns an existing one if it is the same.

        Raises InvalidRequest for a wrong organization id, document, or a mode that the template cannot serve, or for
        `economy` if the embedder has no jobs at a lower price. Raises Conflict if the event's run that the
        upload is for waits no more. An object whose version was not recorded (a crash in between)
        is unknown to the ledger and harms nobody.
        """
        checked_name("Organization", organization_id)
        if mode == "employee_split" and template.employee_identifier is None:
            raise InvalidRequest(
                f"Mode employee_split needs a template that names an employeeIdentifier; template {template.name} "
                "names none"
            )
        if economy and not self.can_wait:
            raise InvalidRequest(
                f"The model {self.model.key} has no batch jobs at a lower price; upload without --economy"
            )
        if isinstance(document, str):
            self._check_owner(document, organization_id)
        # names out of foreign archives and forms may be no Unicode, and hold a NUL; the ledger takes nothing else
        plain = filename.replace("\\", "/").replace("\0", "\ufffd")
        name = (PurePath(plain).name or "upload").encode("utf-8", "replace").decode()
        stored = self.objects.put(new_object_key(organization_id), body, self.upload_bytes)
        upload = Upload(
            organization_id=organization_id,
            filename=name,
            object_key=stored.key,
            byte_size=stored.byte_size,
            sha256=stored.sha256,
            mode=mode,
            template=template,
            model=self.model.key,
            dimension=self.model.dimension,
            deferred=self.economy if economy is None else economy,
            upload_key=upload_key and upload_key.encode("utf-8", "backslashreplace").decode(),
        )
        try:
            if isinstance(document, ExternalId) and document.event_run:
                result = self.ledger.function_runs.record_upload(document.event_run, upload, document)
            else:
                result = self.ledger.uploads.record(upload, document)
        except InvalidRequest:  # the document went away meanwhile, or is being removed
            self.objects.delete(stored.key)
            raise
        if result.version.upload.object_key != stored.key:
            self.objects.delete(stored.key)  # recorded before: the first copy serves
        return result

    def _check_owner(self, document_id: str, organization_id: str) -> None:
        # one sentence for both: an id of another organization must not be distinguishable from one that does not exist
        refusal = NotFound(f"Organization {organization_id} has no document {document_id}")
        try:
            owner = self.ledger.documents.latest(document_id).organization_id
        except NotFound:
            raise refusal from None
        if owner != organization_id:
            raise refusal


def new_object_key(organization_id: str) -> str:
    """Opaque, so that no file name ever becomes a path."""
    from uuid_utils import uuid7

    return f"{uploads_folder(organization_id)}{uuid7().hex}"


def begun_before(key: str, moment: datetime) -> bool:
    """Whether an upload's key was made before a moment; its name begins with the time, in milliseconds (UUID 7)."""
    return int(key.rpartition("/")[2][:12], 16) < moment.timestamp() * 1000


def uploads_folder(organization_id: str) -> str:
    """Where an organization's uploaded files lie; another one's may, by a rare chance, be there too."""
    return f"uploads/{content_hash(organization_id).hex()[:8]}/"
