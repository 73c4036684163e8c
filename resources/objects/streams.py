"""Streams of bytes on their way into an object store: hashed, counted, bounded."""

import hashlib
from pathlib import Path
from typing import BinaryIO

from domain.errors import TooLarge

CHUNK = 1 << 20


def copy_stream(body: BinaryIO, out: BinaryIO, at_most: int | None = None) -> tuple[int, bytes]:
    """Copy a stream a chunk at a time; its size in bytes and its SHA-256.

    Raises TooLarge as soon as the stream is longer than `at_most` bytes.
    """
    digest, size = hashlib.sha256(), 0
    while chunk := body.read(CHUNK):
        size += len(chunk)
        check_size(size, at_most)
        digest.update(chunk)
        out.write(chunk)
    return size, digest.digest()


def check_size(size: int, at_most: int | None) -> None:
    """Raises TooLarge where a file is larger than is accepted."""
    if at_most is not None and size > at_most:
        raise TooLarge(f"The file is larger than the {at_most / 2**20:.0f} MiB that are accepted")


def measure_file(path: Path) -> tuple[int, bytes]:
    """Size in bytes and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return file.tell(), digest
