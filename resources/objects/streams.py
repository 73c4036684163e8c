"""Streams of bytes into and out of an object store: hashed, counted, bounded."""

import hashlib
from pathlib import Path
from typing import BinaryIO

from domain.errors import TooLarge

CHUNK = 1 << 20


def copy_stream(body: BinaryIO, out: BinaryIO, max_bytes: int | None = None) -> tuple[int, bytes]:
    """Copy a stream a chunk at a time; returns its size in bytes and its SHA-256.

    Raises TooLarge as soon as the stream is longer than `max_bytes`.
    """
    digest, size = hashlib.sha256(), 0
    while chunk := body.read(CHUNK):
        size += len(chunk)
        check_size(size, max_bytes)
        digest.update(chunk)
        out.write(chunk)
    return size, digest.digest()


def check_size(size: int, max_bytes: int | None) -> None:
    """Raises TooLarge if a file is larger than `max_bytes`."""
    if max_bytes is not None and size > max_bytes:
        raise TooLarge(f"The file is larger than the {max_bytes / 2**20:.0f} MiB that are accepted")


def measure_file(path: Path) -> tuple[int, bytes]:
    """Size in bytes and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return file.tell(), digest
