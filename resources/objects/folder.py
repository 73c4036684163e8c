"""Object storage in a folder: the embedded default."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from domain.errors import ErrorCode, PermanentError
from resources.objects.protocol import StoredObject
from resources.objects.streams import copy_stream

MAX_ATTEMPTS = 100
TEMPORARY_PREFIX = ".writing-"  # of a file that is not an object yet
MARKER_FILE = (
    ".rowline"  # is in every folder that was written to: a folder without it may be a disk that is not mounted
)


class FolderObjectStore:
    """`ObjectStore` over a folder.

    A write goes to a temporary file beside the target, which is renamed when it is on disk.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, body: BinaryIO, max_bytes: int | None = None) -> StoredObject:
        with self.writing(key) as path, path.open("wb") as out:
            size, sha256 = copy_stream(body, out, max_bytes)
        return StoredObject(key, size, sha256)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        with self._translate_errors(f"Object {key} cannot be read in"):
            try:
                path.open("rb").close()
            except (FileNotFoundError, IsADirectoryError):
                raise PermanentError(
                    f"Object {key} is not in {self._root}; upload the file again", code=ErrorCode.OBJECT_MISSING
                ) from None
        yield path

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        target = self._path(key)
        with self._translate_errors(f"Object {key} cannot be written in"):
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
        with self._translate_errors(f"Object {key} cannot be deleted in"):
            if self._is_empty():
                raise PermanentError(
                    f"Object {key} cannot be deleted: {self._root} holds nothing at all; is its disk mounted?"
                )
            path, root = self._path(key), self._root.resolve()
            path.unlink(missing_ok=True)
            with suppress(OSError):  # stops at a folder that is not empty, or that another delete removed
                for folder in path.parents[: len(path.relative_to(root).parts) - 1]:
                    folder.rmdir()

    def keys(self, prefix: str) -> Iterator[str]:
        with self._translate_errors("Objects cannot be listed in"):
            keys = sorted(key for key in self._walk(prefix) if key.startswith(prefix))
        yield from keys

    def _is_empty(self) -> bool:
        """Whether the folder is missing, or holds nothing, not even our marker."""
        try:
            return not any(self._root.iterdir())
        except FileNotFoundError:
            return True

    def _walk(self, prefix: str) -> Iterator[str]:
        """Keys of all files in the folder of a prefix. Raises OSError if it cannot be read.

        That is not an empty folder.
        """

        def raise_unless_missing(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise error

        for folder, _, names in os.walk(self._path(prefix.rpartition("/")[0]), onerror=raise_unless_missing):
            parent = Path(folder).relative_to(self._root.resolve())
            yield from (
                (parent / name).as_posix()
                for name in names
                if name != MARKER_FILE and not name.startswith(TEMPORARY_PREFIX)
            )

    def link(self, key: str) -> str:
        return self._path(key).as_uri()

    def _path(self, key: str) -> Path:
        with self._translate_errors(f"Object {key} cannot be looked for in"):
            root = self._root.resolve()
            path = (root / key).resolve()
        if not path.is_relative_to(root):
            raise PermanentError(f"Object key {key!r} leads out of the object store")
        return path

    @contextmanager
    def _translate_errors(self, tried: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PermanentError(
                f"{tried} {self._root}: {error.strerror or type(error).__name__}; see that it is a folder which this "
                "user can read and write, with room on its disk"
            ) from error


def _create_temporary_file(folder: Path) -> Path:
    """An empty file in a folder, which is created if missing, also if a delete removes it at the same time."""
    for _ in range(MAX_ATTEMPTS):
        with suppress(FileNotFoundError):
            _make_folder(folder)
            handle, name = tempfile.mkstemp(dir=folder, prefix=TEMPORARY_PREFIX)
            os.close(handle)
            return Path(name)
    raise FileNotFoundError(errno.ENOENT, "its folders are deleted again and again")


def _make_folder(folder: Path) -> None:
    """A folder and its missing parents, each flushed to disk."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def _flush(path: Path) -> None:
    """Flush a file or folder to disk, so that it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
