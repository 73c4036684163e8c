"""What Rowline needs of object storage."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What was stored: its key, size in bytes and SHA-256."""

    key: str
    byte_size: int
    sha256: bytes


class ObjectStore(Protocol):
    """Objects by key (`a/b/c`). A put is atomic, and on disk before it returns: what was accepted survives a crash."""

    def put(self, key: str, body: BinaryIO, max_bytes: int | None = None) -> StoredObject:
        """Store a stream. Raises PermanentError if it is longer than `max_bytes` or cannot be written."""
        ...

    def local(self, key: str) -> AbstractContextManager[Path]:
        """The object as a file to read. Raises PermanentError if there is none."""
        ...

    def writing(self, key: str) -> AbstractContextManager[Path]:
        """A path to write to; it becomes the object when the block ends without an exception."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; an unknown key is fine."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys that begin with the prefix, in ascending order."""
        ...

    def link(self, key: str) -> str:
        """The file or https URL at which a person finds the object."""
        ...
