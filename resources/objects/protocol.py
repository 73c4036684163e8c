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
    """Objects by key (`a/b/c`). A put is whole or not there, and safe on disk before it returns (law 6)."""

    def put(self, key: str, body: BinaryIO, at_most: int | None = None) -> StoredObject:
        """Store a stream. Raises PermanentFailure where it is longer than `at_most` bytes or cannot be written."""
        ...

    def local(self, key: str) -> AbstractContextManager[Path]:
        """The object as a file to read. Raises PermanentFailure where there is none."""
        ...

    def writing(self, key: str) -> AbstractContextManager[Path]:
        """A path to write to; it becomes the object when the block ends without an exception."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; an unknown key is fine."""
        ...

    def keys(self, prefix: str) -> Iterator[str]: ...

    def link(self, key: str) -> str:
        """Where a person finds the object: a file or https address."""
        ...
