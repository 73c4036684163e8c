"""The inbox: a file is taken when it has stopped growing, once, and never lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from domain.errors import TransientError
from operations.documents.erasure import erase_organization
from operations.documents.inbox import upload_file
from operations.documents.removal import plan_old_versions_removal, plan_removal, remove_document, remove_old_versions
from operations.documents.uploads import Uploads
from resources.inbox.folder import FolderInbox
from sensors.documents.inbox import inbox_files
from tests.laws.deployment import Deployment, csv_bytes, items, template
from tests.laws.doubles import FailsAt, Watched

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
Tick = Callable[..., None]


@pytest.fixture
def folder(rowline: Deployment) -> Path:
    return rowline.services.settings.inbox


@pytest.fixture
def tick(rowline: Deployment) -> Tick:
    """One tick; the cursor goes on from the tick before."""
    cursor: list[str | None] = [None]

    def ticked(uploads: Uploads | None = None) -> None:
        resources = {"inbox": rowline.services.inbox, "uploads": uploads or rowline.services.uploads}
        with dg.build_sensor_context(instance=rowline.dagster, cursor=cursor[0], resources=resources) as context:
            inbox_files(context)
            cursor[0] = context.cursor

    return ticked


def drop(folder: Path, path: str, body: bytes | None = None) -> Path:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(csv_bytes(items("anvil")) if body is None else body)
    return target


def taken(rowline: Deployment) -> list[tuple[str, str]]:
    """(organization, filename) of every document, oldest first."""
    return [(v.organization_id, v.filename) for v in reversed(rowline.services.ledger.documents.list_all())]


def test_a_file_that_changes_between_the_look_and_the_taking_stays(rowline: Deployment, folder: Path):
    """Two looks saw it unchanged; its sender goes on writing before it is read."""
    inbox = rowline.services.inbox
    path = drop(folder, "acme/a.csv")
    (seen,) = inbox.files()
    with path.open("ab") as more:
        more.write(b"bellows,grey\n")
    with pytest.raises(TransientError, match="is still being written"):
        upload_file(inbox, rowline.services.uploads, seen)
    assert (path.exists(), taken(rowline)) == (True, [])


def test_a_file_is_taken_at_the_second_look_that_finds_it_unchanged(rowline: Deployment, folder: Path, tick: Tick):
    """A file still being copied grows from look to look."""
    file = drop(folder, "acme/items.csv", b"item,colour\nanvil,")
    tick()
    assert taken(rowline) == []
    file.write_bytes(csv_bytes(items("anvil", "bellows")))
    tick()
    assert taken(rowline) == []
    tick()
    assert taken(rowline) == [("acme", "items.csv")]
    assert not file.exists()
    (document,) = rowline.services.ledger.documents.list_all()
    moved = folder / "acme" / ".taken" / document.document_id / "1" / "items.csv"
    assert moved.read_bytes() == csv_bytes(items("anvil", "bellows"))
    tick()
    tick()
    assert len(taken(rowline)) == 1
    assert rowline.process(document.document_id).result["totalRows"] == 2


def test_a_file_whose_name_is_a_number_is_in_no_versions_way(rowline: Deployment, folder: Path, tick: Tick):
    uploads = replace(rowline.services.uploads, inbox_versions=True)
    for word in ("anvil", "bellows"):
        drop(folder, "acme/2", csv_bytes(items(word)))
        tick(uploads)
        tick(uploads)
    (document,) = rowline.services.ledger.documents.list_all()
    assert (document.filename, document.version, (folder / "acme/2").exists()) == ("2", 2, False)


def test_where_versions_are_wanted_a_file_of_the_same_name_is_the_next_one(
    rowline: Deployment, folder: Path, tick: Tick
):
    """INBOX_VERSIONS: and no taken file takes the place of the one before."""
    uploads = replace(rowline.services.uploads, inbox_versions=True)
    bodies = [csv_bytes(items("anvil")), csv_bytes(items("anvil", "bellows")), csv_bytes(items("chisel"))]
    for body in bodies:
        drop(folder, "acme/items.csv", body)
        tick(uploads)
        tick(uploads)
    drop(folder, "acme/other.csv", bodies[0])
    drop(folder, "bolt/items.csv", bodies[0])
    tick(uploads)
    tick(uploads)
    listed = {(v.organization_id, v.filename): v for v in rowline.services.ledger.documents.list_all()}
    assert {name: v.version for name, v in listed.items()} == {
        ("acme", "items.csv"): 3,
        ("acme", "other.csv"): 1,
        ("bolt", "items.csv"): 1,
    }
    kept = folder / "acme" / ".taken" / listed["acme", "items.csv"].document_id
    assert [(kept / place / "items.csv").read_bytes() for place in ("1", "2", "3")] == bodies


def test_without_a_word_about_it_a_file_of_the_same_name_is_another_document(
    rowline: Deployment, folder: Path, tick: Tick
):
    for word in ("anvil", "bellows"):
        drop(folder, "acme/items.csv", csv_bytes(items(word)))
        tick()
        tick()
    assert [v.version for v in rowline.services.ledger.documents.list_all()] == [1, 1]


def test_a_crash_between_taking_and_moving_takes_the_file_once(
    rowline: Deployment, folder: Path, tick: Tick, monkeypatch: pytest.MonkeyPatch
):
    """The version is in the ledger, the file still in the inbox: the next look knows its key."""
    drop(folder, "acme/items.csv")
    tick()
    with monkeypatch.context() as patch:
        patch.setattr(FolderInbox, "_move", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            tick()
    assert len(taken(rowline)) == 1
    assert (folder / "acme/items.csv").exists()
    tick()
    assert len(taken(rowline)) == 1
    assert not (folder / "acme/items.csv").exists()
    assert len(list((folder / "acme/.taken").iterdir())) == 1
    assert len(list(rowline.services.objects.keys("uploads/"))) == 1


def test_a_file_of_the_same_name_dropped_later_is_another_document(rowline: Deployment, folder: Path, tick: Tick):
    for name in ("anvil", "bellows"):
        drop(folder, "acme/items.csv", csv_bytes(items(name)))
        tick()
        tick()
    assert taken(rowline) == [("acme", "items.csv")] * 2
    assert len(list((folder / "acme/.taken").iterdir())) == 2


@pytest.mark.parametrize("name", [".hidden.csv", "~$items.xlsx", "items.csv.part", "items.crdownload", "a.tmp"])
def test_names_of_files_that_are_not_there_to_be_read_are_ignored(
    rowline: Deployment, folder: Path, tick: Tick, name: str
):
    file = drop(folder, f"acme/{name}")
    drop(folder, f"acme/.sync/{name}")
    tick()
    tick()
    assert taken(rowline) == []
    assert file.exists()


def test_a_template_folder_chooses_template_and_mode(rowline: Deployment, folder: Path, tick: Tick):
    rowline.employees("E1")
    staff = template(employeeIdentifier="no").model_copy(update={"name": "staff"})
    rowline.services.ledger.organizations.put_template("acme", staff)
    drop(folder, "acme/staff/week.csv", csv_bytes([["no", "task"], ["E1", "welding"]]))
    tick()
    tick()
    (version,) = rowline.services.ledger.documents.list_all()
    assert (version.mode, version.template.name) == ("employee_split", "staff")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no such org!/items.csv", "Organization 'no such org!' may hold letters, digits"),
        ("acme/unknown/items.csv", "Organization acme has no template unknown"),
        ("acme/a/b/items.csv", "acme/a/b/items.csv lies too deep"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_with_the_reason_beside_it(
    rowline: Deployment, folder: Path, tick: Tick, path: str, reason: str
):
    """Law 7: a clear sentence, and good files beside it are taken."""
    drop(folder, path)
    drop(folder, "zeta/items.csv")
    tick()
    tick()
    assert taken(rowline) == [("zeta", "items.csv")]
    refused = folder / Path(path).parts[0] / ".refused"
    assert sorted(file.name for file in refused.glob("*/*")) == ["items.csv", "reason.txt"]
    (told,) = refused.glob("*/reason.txt")
    assert told.read_text("utf-8").startswith(reason)


def test_refused_files_of_one_name_and_time_are_all_kept(rowline: Deployment, folder: Path, tick: Tick):
    """`cp -p` keeps the time; and a file may be called as the reason is."""
    bodies = [csv_bytes(items(name)) for name in ("anvil", "bellows", "chisel")]
    names = ("one/items.csv", "two/items.csv", "one/reason.txt")
    for name, body in zip(names, bodies, strict=True):
        os.utime(drop(folder, f"acme/{name}", body), ns=(10**18, 10**18))
    tick()
    tick()
    kept = [path.read_bytes() for path in (folder / "acme/.refused").glob("*/*")]
    assert sorted(body for body in kept if body in bodies) == sorted(bodies)


def test_a_name_as_long_as_names_may_be_is_taken_and_holds_up_nobody(rowline: Deployment, folder: Path, tick: Tick):
    """76 Hangul letters are 228 bytes; with anything before them they are too long for a file system."""
    drop(folder, f"acme/{'가' * 76}.csv")
    drop(folder, "zeta/items.csv")
    tick()
    tick()
    assert [organization for organization, _ in taken(rowline)] == ["acme", "zeta"]
    tick()
    assert len(taken(rowline)) == 2


def test_a_file_larger_than_is_accepted_is_refused(rowline: Deployment, folder: Path, tick: Tick):
    drop(folder, "acme/items.csv")
    small = replace(rowline.services.uploads, upload_bytes=10)
    tick(small)
    tick(small)
    (told,) = (folder / "acme/.refused").glob("*/reason.txt")
    assert told.read_text("utf-8") == "The file is larger than the 0 MiB that are accepted\n"
    assert list(rowline.services.objects.keys("")) == []


def test_a_good_file_is_not_refused_because_the_database_is_away_for_a_moment(
    rowline: Deployment, folder: Path, tick: Tick
):
    """Law 8: a transient failure says nothing about the file; it is taken at a later look."""
    drop(folder, "acme/items.csv")
    failing = FailsAt(1, TransientError("The database did not answer"), always=True)
    away = Watched(rowline.services.uploads, failing)
    tick()
    with suppress(TransientError):  # the tick may fail, or go on with the other files
        tick(away)
    assert failing.calls == 1
    assert (folder / "acme/items.csv").exists()
    tick()
    assert taken(rowline) == [("acme", "items.csv")]


def test_a_file_that_cannot_be_opened_does_not_hold_up_the_others(
    rowline: Deployment, folder: Path, tick: Tick, monkeypatch: pytest.MonkeyPatch
):
    """A file of another owner, or one that vanished after the look."""
    drop(folder, "acme/locked.csv")
    drop(folder, "acme/open.csv", csv_bytes(items("bellows")))
    real = Path.open

    def opened(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == "locked.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opened)
    tick()
    tick()
    assert taken(rowline) == [("acme", "open.csv")]


def test_a_file_whose_name_is_no_unicode_is_taken_and_holds_up_nobody(rowline: Deployment, folder: Path, tick: Tick):
    """Korean names out of a zip made on Windows are cp949 bytes."""
    (folder / "acme").mkdir(parents=True)
    with open(os.path.join(os.fsencode(folder), b"acme", "직원.csv".encode("cp949")), "wb") as file:
        file.write(csv_bytes(items("anvil")))
    drop(folder, "acme/open.csv", csv_bytes(items("bellows")))
    tick()
    tick()
    assert len(taken(rowline)) == 2


def test_an_inbox_that_cannot_be_read_is_not_an_empty_inbox(
    rowline: Deployment, folder: Path, tick: Tick, monkeypatch: pytest.MonkeyPatch
):
    """Law 8: else a share that went away for a moment would look like files that were taken back."""
    drop(folder, "acme/items.csv")
    tick()
    real = os.scandir

    def scandir(path: Any = ".") -> Any:
        if str(path) == str(folder / "acme"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        with pytest.raises(TransientError, match="cannot be read: Permission denied"):
            rowline.services.inbox.files()
        with pytest.raises(TransientError):
            tick()
    tick()
    assert taken(rowline) == [("acme", "items.csv")]


def test_an_inbox_that_is_no_folder_is_told(rowline: Deployment, folder: Path):
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file")
    with pytest.raises(TransientError, match=r"The inbox .* cannot be read: File exists"):
        rowline.services.inbox.files()


def test_retention_takes_along_what_the_inbox_kept_of_old_versions(rowline: Deployment, folder: Path, tick: Tick):
    uploads = replace(rowline.services.uploads, inbox_versions=True)
    for word in ("anvil", "bellows", "chisel"):
        drop(folder, "acme/items.csv", csv_bytes(items(word)))
        tick(uploads)
        tick(uploads)
        (document,) = rowline.services.ledger.documents.list_all()
        rowline.process(document.document_id)
    dry, wet = (
        remove(rowline.services.document_stores, document.document_id, 1)
        for remove in (plan_old_versions_removal, remove_old_versions)
    )
    assert (dry.versions, dry.inbox_files_deleted, wet.inbox_files_deleted) == ([1, 2], 2, 2)
    kept = folder / "acme" / ".taken" / document.document_id
    assert [path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()] == ["3/items.csv"]


def test_clean_up_takes_along_what_the_inbox_kept_of_a_document(rowline: Deployment, folder: Path, tick: Tick):
    """The file itself lay there for ever; what was refused is no document's, and goes with its organization."""
    for path in ("acme/items.csv", "acme/other.csv", "acme/wrong/items.csv"):
        drop(folder, path, csv_bytes(items(path)))
    tick()
    tick()
    documents = {v.filename: v.document_id for v in rowline.services.ledger.documents.list_all()}
    kept = folder / "acme" / ".taken" / documents["other.csv"] / "1" / "other.csv"
    refused = [path.name for path in (folder / "acme" / ".refused").rglob("*") if path.is_file()]
    assert sorted(refused) == ["items.csv", "reason.txt"]
    stores = rowline.services.document_stores
    dry = plan_removal(stores, documents["items.csv"])[0]
    assert (dry.inbox_files_deleted, (folder / "acme/.taken" / documents["items.csv"]).exists()) == (1, True)
    assert remove_document(stores, documents["items.csv"]).inbox_files_deleted == 1
    left = {path for path in (folder / "acme/.taken").rglob("*") if path.is_file()}
    assert left == {kept}
    rowline.process(documents["other.csv"])  # nobody is erased from under a document that waits
    dry_receipt = erase_organization(stores, "acme", NOON)
    receipt = erase_organization(stores, "acme", NOON, dry_run=False)
    assert (dry_receipt.inbox_files_deleted, receipt.inbox_files_deleted) == (3, 3)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
