"""Object storage in a folder: the embedded default."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipelines.failures import PermanentFailure
from resources.objects.protocol import StoredObject
from resources.objects.streams import copied


class FolderObjectStore:
    """The body of `ObjectStore` over a folder; writes go beside the target and are renamed when safe on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, body: BinaryIO, at_most: int | None = None) -> StoredObject:
        with self.writing(key) as path, path.open("wb") as out:
            size, sha256 = copied(body, out, at_most)
        return StoredObject(key, size, sha256)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        if not path.is_file():
            raise PermanentFailure(f"Object {key} is not in {self._root}; upload the file again")
        yield path

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        target = self._path(key)
        try:
            _make_folder(target.parent)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=".writing-")
            os.close(handle)
        except OSError as error:
            raise PermanentFailure(f"Object {key} cannot be written in {self._root}: {error.strerror}") from error
        temporary = Path(name)
        try:
            yield temporary
            _flush(temporary)
            temporary.replace(target)
            _flush(target.parent)
        except OSError as error:
            raise PermanentFailure(f"Object {key} cannot be written in {self._root}: {error.strerror}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def keys(self, prefix: str) -> Iterator[str]:
        folder = prefix.rpartition("/")[0]  # from there on: what others have stored costs nothing
        self._path(folder)
        for path in sorted((self._root / folder).rglob("*")):
            key = path.relative_to(self._root).as_posix()
            if path.is_file() and key.startswith(prefix) and not path.name.startswith(".writing-"):
                yield key

    def link(self, key: str) -> str:
        return self._path(key).as_uri()

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise PermanentFailure(f"Object key {key!r} leads out of the object store")
        return path


def _make_folder(folder: Path) -> None:
    """A folder and its missing parents, each name of which survives a power cut."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def _flush(path: Path) -> None:
    """Make a file or folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
