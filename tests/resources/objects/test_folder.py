"""Every call on an unusable folder raises one sentence; it is never an empty store."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import PermanentError
from resources.objects.folder import FolderObjectStore


def read(store: FolderObjectStore, key: str) -> bytes:
    with store.local(key) as path:
        return path.read_bytes()


CALLS: dict[str, Callable[[FolderObjectStore], object]] = {
    "written": lambda store: store.put("a/b", io.BytesIO(b"x")),
    "read": lambda store: read(store, "a/b"),
    "deleted": lambda store: store.delete("a/b"),
    "listed": lambda store: list(store.keys("")),
}


@pytest.mark.parametrize("done", CALLS)
@pytest.mark.parametrize(
    ("root", "reason"), [("file/below", "Not a directory"), ("x" * 300, "File name too long")], ids=["file", "long"]
)
def test_a_root_that_can_be_no_folder_is_told(tmp_path: Path, root: str, reason: str, done: str):
    (tmp_path / "file").touch()
    with pytest.raises(PermanentError) as error:
        CALLS[done](FolderObjectStore(tmp_path / root))
    assert re.search(f"cannot be .*: ({reason}|File exists); see that it is a folder", str(error.value))


def test_a_file_in_place_of_the_root_is_not_an_empty_store(tmp_path: Path):
    """What erases an organization's files lists them first."""
    (tmp_path / "file").touch()
    for done in ("written", "read", "deleted", "listed"):
        with pytest.raises(PermanentError, match=f"cannot be {done} in .*file: (Not a directory|File exists)"):
            CALLS[done](FolderObjectStore(tmp_path / "file"))


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As root, whom rights do not stop, this cannot be had from a real folder."""
    store = FolderObjectStore(tmp_path)
    store.put("a/b", io.BytesIO(b"x"))
    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(PermanentError, match=r"Objects cannot be listed in .*: Permission denied"):
        list(store.keys("a/"))


def refuse(path: object) -> None:
    raise PermissionError(13, "Permission denied", str(path))


def test_a_store_that_nothing_was_put_into_is_empty(tmp_path: Path):
    store = FolderObjectStore(tmp_path / "not yet")
    assert list(store.keys("")) == list(store.keys("uploads/")) == []
    assert not (tmp_path / "not yet").exists()


@pytest.mark.parametrize("seen", ["nothing", "an empty mount point"])
def test_nothing_is_deleted_where_the_disk_is_not_mounted(tmp_path: Path, seen: str):
    """Else the ledger forgets a file that is there again with the disk."""
    store = FolderObjectStore(tmp_path / "objects")
    store.put("a/b", io.BytesIO(b"told in confidence"))
    (tmp_path / "objects").rename(tmp_path / "elsewhere")
    if seen != "nothing":
        (tmp_path / "objects").mkdir()
    with pytest.raises(PermanentError, match=r"Object a/b cannot be deleted: .*objects holds nothing at all; is its"):
        store.delete("a/b")


def test_a_folder_that_was_emptied_is_ours_all_the_same(tmp_path: Path):
    store = FolderObjectStore(tmp_path / "objects")
    store.put("a/b", io.BytesIO(b"x"))
    store.delete("a/b")
    store.delete("a/b")
    assert list(store.keys("")) == []


def test_folders_that_a_deletion_leaves_empty_go_as_well(tmp_path: Path):
    """A hundred thousand documents came and went: each left two empty folders behind."""
    store = FolderObjectStore(tmp_path / "objects")
    for key in ("documents/a/1/rows", "documents/a/2/rows", "uploads/x/file"):
        store.put(key, io.BytesIO(b"x"))
    store.delete("documents/a/1/rows")
    assert not (tmp_path / "objects/documents/a/1").exists()
    assert [*store.keys("documents/")] == ["documents/a/2/rows"]
    store.delete("documents/a/2/rows")
    store.delete("uploads/x/file")
    assert (tmp_path / "objects").is_dir(), "never the store itself"
    assert not (tmp_path / "objects/documents").exists()
    assert not (tmp_path / "objects/uploads").exists()


def test_a_folder_that_is_taken_away_while_a_file_is_put_into_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = FolderObjectStore(tmp_path / "objects")
    real, left = tempfile.mkstemp, [True]

    def mkstemp(dir: Path, prefix: str) -> tuple[int, str]:
        if left:
            left.pop()
            dir.rmdir()
        return real(dir=dir, prefix=prefix)

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    store.put("uploads/x/file", io.BytesIO(b"x"))
    assert read(store, "uploads/x/file") == b"x"
