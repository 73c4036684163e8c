"""Files of an inbox: whose they are, which template they name, which are complete, which are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from domain.errors import InvalidRequest, RowlineError, UnreadableFile


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A file of an inbox as it was seen: its size in bytes, time of change in nanoseconds and, in a bucket, ETag."""

    organization_id: str
    path: str
    byte_size: int
    changed_ns: int
    etag: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def signature(self) -> str:
        return f"{self.byte_size}:{self.changed_ns}" + (f":{self.etag}" if self.etag else "")

    @property
    def upload_key(self) -> str:
        """The same file is taken once, also when the process dies between taking and moving it."""
        return f"{'bucket' if self.etag else 'inbox'}:{self.path}:{self.signature}"

    @property
    def mark(self) -> str:
        """A name for this file alone: the time is not enough, a bucket's clock has whole seconds."""
        digest = hashlib.sha256(self.upload_key.encode("utf-8", "surrogateescape")).hexdigest()
        return f"{self.changed_ns}-{digest[:8]}"


def organization_of(path: str) -> str | None:
    """Whose file it is, of `<organization>/…/<file>`; None for what is not there to be read."""
    folders = path.split("/")
    return None if len(folders) < 2 or any(map(ignored_name, folders)) else folders[0]


def template_folder(path: str) -> str | None:
    """The template's name, of `<organization>/[<template>/]<file>`. Raises InvalidRequest if it is neither."""
    if "\0" in path:
        raise InvalidRequest(f"{path!r} holds a NUL, which no name may; rename the file")
    folders = path.split("/")[1:-1]
    if len(folders) > 1:
        raise InvalidRequest(f"{path} lies too deep; the inbox is <organization>/<template>/<file>")
    return folders[0] if folders else None


def is_about_the_file(failure: RowlineError) -> bool:
    """Whether a file is to be refused for it; any other failure says nothing of the file, which stays in the inbox."""
    return isinstance(failure, InvalidRequest | UnreadableFile)


def shortened(name: str, most_bytes: int = 255) -> str:
    """A name of at most so many bytes that still ends as it did."""
    return name.encode("utf-8", "surrogateescape")[-most_bytes:].decode("utf-8", "ignore")


def complete_files(seen: Collection[InboxFile], before: Mapping[str, str]) -> list[InboxFile]:
    """Files that have not changed since the look before; a file still being copied grows or gets younger."""
    return [file for file in seen if before.get(file.path) == file.signature]


def ignored_name(name: str) -> bool:
    """Names that programs give to files that are not there to be read: hidden, partial, lock files of Office."""
    return name.startswith((".", "~$")) or name.endswith((".part", ".crdownload", ".tmp", ".filepart"))
