"""Uploads: an upload becomes a new document, a new version of one, or is recognised as an existing version."""

from dataclasses import dataclass
from enum import Enum, auto

from psycopg.types.json import Jsonb

from domain.documents.identifiers import is_document_id, mint_document_id
from domain.documents.rows import Mode
from domain.documents.templates import WorkbookTemplate
from domain.errors import NotFound
from resources.database.connections import Connection, Database
from resources.database.listen import NotifyChannel, notify
from resources.database.locks import LockKind, external_id_key, file_name_key, lock
from resources.ledger.documents.documents import CURRENT, own_id, read_version
from resources.ledger.documents.versions import UploadResult


class SameName(Enum):
    """The file is the next version of the newest document of its name and template, if there is one."""

    SAME_NAME = auto()


SAME_NAME = SameName.SAME_NAME


@dataclass(frozen=True, slots=True)
class ExternalId:
    """The file is the next version of the document with this external id, or creates that document.

    Our own id of a document works too. `event_run`: the run of an event that this upload fulfils; it
    becomes the version's in the same transaction (`FunctionRuns.record_upload`).
    """

    text: str
    event_run: str | None = None


Continued = str | SameName | ExternalId | None  # what a file is a version of

# Locks the newest document of a file's name and template. FOR UPDATE reads a document whose removal was requested
# meanwhile again, and leaves it out.
OF_NAME = f"""
SELECT d.document_id FROM versions v JOIN documents d USING (document_id)
 WHERE v.filename = %(filename)s AND v.template ->> 'name' = %(template)s AND d.organization_id = %(organization)s
   AND d.removal_requested_at IS NULL AND v.version = {CURRENT}
 ORDER BY d.document_id DESC LIMIT 1 FOR UPDATE OF d
"""  # noqa: S608 - a constant of our own


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is in object storage and is to become a version."""

    organization_id: str
    filename: str
    object_key: str
    byte_size: int
    sha256: bytes
    mode: Mode
    template: WorkbookTemplate
    model: str
    dimension: int
    deferred: bool = False  # may wait a day for a lower price
    upload_key: str | None = None  # if set, one version at most is made for this key


class Uploads:
    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, upload: Upload, document: Continued = None) -> UploadResult:
        """A new document, or the next version of `document`; committed and announced before it returns.

        SAME_NAME is the organization's newest document whose current version has the file's name and its template's
        name. The current version is returned as it stands, as already known, if it holds the same bytes, template, mode
        and model and no row of it failed: uploading twice is uploading once. A file with error rows is read again, as
        the employee list may know more by now; one that still waits may be uploaded again not to wait.
        Raises NotFound for a document of another organization.
        """
        with self._database.transaction() as connection:
            return record(connection, upload, document)


def record(connection: Connection, upload: Upload, document: Continued) -> UploadResult:
    """As `Uploads.record`, in the caller's transaction."""
    if upload.upload_key:
        # the same file delivered twice at once: the second delivery waits here for the first
        lock(connection, LockKind.UPLOAD_KEY, upload.upload_key)
        existing = connection.execute(
            "SELECT document_id, version FROM versions WHERE upload_key = %s", (upload.upload_key,)
        ).fetchone()
        if existing:
            return UploadResult(read_version(connection, existing["document_id"], existing["version"]), True)
    document_id = _continued(connection, upload, document)
    latest = _lock(connection, document_id, upload.organization_id)
    if same := _same(connection, document_id, upload):
        return UploadResult(read_version(connection, document_id, same), True)
    _insert(connection, document_id, latest + 1, upload)
    notify(connection, NotifyChannel.UPLOADS, document_id)
    return UploadResult(read_version(connection, document_id, latest + 1), False)


def _continued(connection: Connection, upload: Upload, document: Continued) -> str:
    """The document that the file is a version of; created if it is new."""
    external_id = None
    if isinstance(document, ExternalId):
        # two files of a new name at once: the second waits here, and finds the document of the first
        lock(connection, LockKind.EXTERNAL_ID, external_id_key(upload.organization_id, document.text))
        external_id, document = document.text, own_id(connection, upload.organization_id, document.text)
        if document is None and is_document_id(external_id):
            raise NotFound(f"Organization {upload.organization_id} has no document {external_id}")
    elif document is SAME_NAME:
        document = _of_name(connection, upload)
    if isinstance(document, str):
        return document
    document_id = mint_document_id()
    connection.execute(
        "INSERT INTO documents (document_id, organization_id, latest_version, external_id) VALUES (%s, %s, 0, %s)",
        (document_id, upload.organization_id, external_id),
    )
    return document_id


def _of_name(connection: Connection, upload: Upload) -> str | None:
    params = {
        "organization": upload.organization_id,
        "filename": upload.filename,
        "template": upload.template.name,
    }
    # two files of a new name at once: the second waits here, and finds the document of the first
    key = file_name_key(upload.organization_id, upload.filename, upload.template.name)
    lock(connection, LockKind.FILE_NAME, key)
    row = connection.execute(OF_NAME, params).fetchone()
    return row["document_id"] if row else None


def _lock(connection: Connection, document_id: str, organization_id: str) -> int:
    row = connection.execute(
        "SELECT latest_version FROM documents WHERE document_id = %s AND organization_id = %s "
        "AND removal_requested_at IS NULL FOR UPDATE",
        (document_id, organization_id),
    ).fetchone()
    if row is None:
        raise NotFound(f"Organization {organization_id} has no document {document_id}")
    return int(row["latest_version"])


def _same(connection: Connection, document_id: str, upload: Upload) -> int | None:
    """The current version, if it has the same content; None while the document is being rolled back."""
    row = connection.execute(
        f"SELECT v.version FROM documents d JOIN versions v USING (document_id) "  # noqa: S608 - a constant of our own
        f"WHERE d.document_id = %s AND d.target_version IS NULL AND v.version = {CURRENT} "
        "AND status NOT IN ('failed', 'rolled_back') AND coalesce((result ->> 'errorRows')::int, 0) = 0 "
        "AND sha256 = %s AND template = %s AND mode = %s AND model = %s AND dimension = %s "
        "AND (deferred = %s OR status = 'completed')",
        (
            document_id,
            upload.sha256,
            Jsonb(upload.template.as_json()),
            upload.mode,
            upload.model,
            upload.dimension,
            upload.deferred,
        ),
    ).fetchone()
    return int(row["version"]) if row else None


def _insert(connection: Connection, document_id: str, version: int, upload: Upload) -> None:
    connection.execute(
        "INSERT INTO versions (document_id, version, filename, object_key, byte_size, sha256, mode, template, "
        "model, dimension, deferred, upload_key) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            document_id,
            version,
            upload.filename,
            upload.object_key,
            upload.byte_size,
            upload.sha256,
            upload.mode,
            Jsonb(upload.template.as_json()),
            upload.model,
            upload.dimension,
            upload.deferred,
            upload.upload_key,
        ),
    )
    connection.execute("UPDATE documents SET latest_version = %s WHERE document_id = %s", (version, document_id))
