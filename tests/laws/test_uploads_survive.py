"""Law 6: an accepted upload survives anything short of losing the disk."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from domain.documents.templates import WorkbookTemplate
from domain.errors import PermanentError, TransientError
from operations.services import Services
from resources.objects.folder import MARKER_FILE
from tests.laws.deployment import Deployment, csv_bytes, items
from tests.stand_ins.faults import Fault
from tests.stand_ins.postgres_proxy import PostgresProxy

BODY = csv_bytes(items(*[f"item{n}" for n in range(1000)]))


def test_an_upload_is_seen_by_others_when_it_returns(rowline: Deployment, database_url: str):
    """Committed, not merely written: a second connection finds the version and the object is whole."""
    version = rowline.upload(BODY)
    with psycopg.connect(database_url) as other:
        row = other.execute(
            "SELECT status, byte_size, object_key FROM versions WHERE document_id = %s", (version.document_id,)
        ).fetchone()
    assert row == ("pending", len(BODY), version.upload.object_key)
    with rowline.services.objects.local(version.upload.object_key) as path:
        assert path.read_bytes() == BODY


def test_the_bytes_and_every_new_folder_on_the_way_are_safe_on_disk_before_the_version_is_recorded(
    rowline: Deployment, monkeypatch: pytest.MonkeyPatch
):
    """fsync of the file before its rename, then of each folder that got a new name in it, up to one that was there."""
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    rowline.services.settings.rowline_home.mkdir(exist_ok=True)
    monkeypatch.setattr(os, "fsync", fsync)
    recorded: list[int] = []
    real_record = rowline.services.ledger.uploads.record

    def record(*args: Any) -> Any:
        recorded.append(len(synced))
        return real_record(*args)

    monkeypatch.setattr(rowline.services.ledger.uploads, "record", record)
    version = rowline.upload(BODY)

    target = rowline.services.settings.objects_folder / version.upload.object_key
    (written,) = [number for number, path in enumerate(synced) if ".writing-" in path]
    assert str(target.parent) in synced[written + 1 :]
    new_entries = [folder for folder in target.parents if folder.is_relative_to(rowline.services.settings.rowline_home)]
    assert set(synced) >= {str(folder) for folder in new_entries}
    assert recorded == [len(synced)]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_an_upload_that_breaks_while_it_is_written_is_not_there_at_all(
    rowline: Deployment, monkeypatch: pytest.MonkeyPatch, call: str
):
    """Disk full in the middle: no version, no half object, no rubbish; the next upload is taken."""

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if call == "write":
            body: Any = io.BytesIO(BODY)
            body.read = full
        else:
            body = io.BytesIO(BODY)
            patch.setattr(os if call == "fsync" else Path, call, full)
        with pytest.raises(PermanentError, match="No space left on device"):
            rowline.services.uploads.upload(body, "a.csv", "acme", WorkbookTemplate(), "company_wide")
    assert rowline.sql("SELECT * FROM versions") == rowline.sql("SELECT * FROM documents") == []
    left = [path for path in rowline.services.settings.objects_folder.rglob("*") if path.is_file()]
    assert [path.name for path in left] in ([], [MARKER_FILE])
    assert rowline.index(BODY).result["totalRows"] == 1000


def test_an_upload_whose_record_fails_is_not_accepted(rowline: Deployment):
    """The bytes may lie about, unknown to the ledger; the caller is told, and no version exists."""
    with PostgresProxy(rowline.services.database.url) as proxy:
        settings = rowline.services.settings.model_copy(update={"database_url": SecretStr(proxy.url())})
        services = Services(settings)
        services.__dict__["embedder"] = rowline.services.embedder
        assert services.ledger.documents.pending() == []
        proxy.faults.append(Fault("reset_before", "COMMIT"))
        with pytest.raises(TransientError, match=r"The database at .* did not answer"):
            Deployment(services, rowline.dagster).upload(BODY)
        services.close()
    assert rowline.sql("SELECT * FROM versions") == []
    assert rowline.services.ledger.documents.pending() == []


def test_an_object_can_be_read_by_its_owner_only(rowline: Deployment):
    """Workbooks hold people's data."""
    version = rowline.upload(BODY)
    with rowline.services.objects.local(version.upload.object_key) as path:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_no_file_name_becomes_a_path(rowline: Deployment):
    """Names come from outside."""
    for name in ("../../etc/passwd", "..\\..\\boot.ini", "/", "a/b.csv", ""):
        version = rowline.upload(BODY, filename=name)
        assert "/" not in version.filename
        assert "\\" not in version.filename
        assert version.upload.object_key.startswith("uploads/")
        assert ".." not in version.upload.object_key
