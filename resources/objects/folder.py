"""Object storage in a folder: the embedded default."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from domain.errors import PermanentError
from resources.objects.protocol import StoredObject
from resources.objects.streams import copy_stream

MAX_ATTEMPTS = 100
TEMPORARY_PREFIX = ".writing-"  # begins the name of a file that is no object yet
MARKER_FILE = ".rowline"  # lies in a folder that was written to: one without it may be a disk that is not mounted


class FolderObjectStore:
    """The body of `ObjectStore` over a folder; writes go beside the target and are renamed when safe on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, body: BinaryIO, at_most: int | None = None) -> StoredObject:
        with self.writing(key) as path, path.open("wb") as out:
            size, sha256 = copy_stream(body, out, at_most)
        return StoredObject(key, size, sha256)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        with self._told(f"Object {key} cannot be read in"):
            try:
                path.open("rb").close()
            except (FileNotFoundError, IsADirectoryError):
                raise PermanentError(f"Object {key} is not in {self._root}; upload the file again") from None
        yield path

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        target = self._path(key)
        with self._told(f"Object {key} cannot be written in"):
            temporary = _create_temporary_file(target.parent)
            (self._root / MARKER_FILE).touch()
            try:
                yield temporary
                _flush(temporary)
                temporary.replace(target)
                _flush(target.parent)
            finally:
                temporary.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        with self._told(f"Object {key} cannot be deleted in"):
            if self._is_bare():
                raise PermanentError(
                    f"Object {key} cannot be deleted: {self._root} holds nothing at all; is its disk mounted?"
                )
            path, root = self._path(key), self._root.resolve()
            path.unlink(missing_ok=True)
            with suppress(OSError):  # the first folder that is not empty, or that another deletion took
                for folder in path.parents[: len(path.relative_to(root).parts) - 1]:
                    folder.rmdir()

    def keys(self, prefix: str) -> Iterator[str]:
        with self._told("Objects cannot be listed in"):
            found = sorted(key for key in self._walked(prefix) if key.startswith(prefix))
        yield from found

    def _is_bare(self) -> bool:
        """Whether not even our mark lies there, or there is no folder at all."""
        try:
            return not any(self._root.iterdir())
        except FileNotFoundError:
            return True

    def _walked(self, prefix: str) -> Iterator[str]:
        """Keys of all files in the folder that a prefix leads into; one that cannot be read is not an empty one."""

        def unless_gone(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise error

        for folder, _, names in os.walk(self._path(prefix.rpartition("/")[0]), onerror=unless_gone):
            at = Path(folder).relative_to(self._root.resolve())
            yield from (
                (at / name).as_posix()
                for name in names
                if name != MARKER_FILE and not name.startswith(TEMPORARY_PREFIX)
            )

    def link(self, key: str) -> str:
        return self._path(key).as_uri()

    def _path(self, key: str) -> Path:
        with self._told(f"Object {key} cannot be looked for in"):
            root = self._root.resolve()
            path = (root / key).resolve()
        if not path.is_relative_to(root):
            raise PermanentError(f"Object key {key!r} leads out of the object store")
        return path

    @contextmanager
    def _told(self, tried: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PermanentError(
                f"{tried} {self._root}: {error.strerror or type(error).__name__}; see that it is a folder which this "
                "user can read and write, with room on its disk"
            ) from error


def _create_temporary_file(folder: Path) -> Path:
    """An empty file in a folder, which is made where it is missing, also when a deletion takes it away meanwhile."""
    for _ in range(MAX_ATTEMPTS):
        with suppress(FileNotFoundError):
            _make_folder(folder)
            handle, name = tempfile.mkstemp(dir=folder, prefix=TEMPORARY_PREFIX)
            os.close(handle)
            return Path(name)
    raise FileNotFoundError(errno.ENOENT, "its folders are taken away again and again")


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
