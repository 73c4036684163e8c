"""Decisions of the sensors: which runs to request, which files of an inbox are taken, which refused."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from pipelines.failures import Misuse, RowlineFailure, UnreadableFile


class Waiting(Protocol):
    """A version that waits for its run."""

    @property
    def document_id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def byte_size(self) -> int: ...
    @property
    def economy(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class RunWanted:
    """One run to request. The key makes asking twice asking once; a retry is another attempt and another key."""

    document_id: str
    version: int
    attempt: int

    @property
    def run_key(self) -> str:
        return f"{self.document_id}:{self.version}:{self.attempt}"

    @classmethod
    def from_key(cls, run_key: str) -> RunWanted:
        document_id, version, attempt = run_key.split(":")
        return cls(document_id, int(version), int(attempt))


@dataclass(frozen=True, slots=True)
class GroupWanted:
    """One run to request for many documents, each of which ends for itself."""

    runs: tuple[RunWanted, ...]

    @property
    def run_key(self) -> str:
        """Asking again for the same ones is asking once."""
        return "group:" + hashlib.sha256("\n".join(run.run_key for run in self.runs).encode()).hexdigest()[:32]


FEW = 8  # so many get a run each: their checks, retries and logs are a page of their own in the UI
GROUP_AT_MOST = 50  # documents of a group: a crash has so many done again at most
SMALL_BYTES = 2**20  # a larger file would hold up those behind it


def runs_wanted(waiting: Iterable[Waiting], places: int = 1) -> list[RunWanted | GroupWanted]:
    """A few uploads get a run each; many share runs, in the order of upload, at least as many as there are `places`.

    Each document counts with its newest waiting version. What was tried before has a run of its own, so that it
    cannot harm others again; so have large files and those that may wait for a service.
    """
    newest: dict[str, Waiting] = {}
    for upload in waiting:
        known = newest.get(upload.document_id)
        if known is None or known.version < upload.version:
            newest[upload.document_id] = upload
    alike = [one for one in newest.values() if one.attempt == 1 and not one.economy and one.byte_size <= SMALL_BYTES]
    if len(alike) <= FEW:
        return [_run(one) for one in newest.values()]
    together = {one.document_id for one in alike}
    alone = [_run(one) for one in newest.values() if one.document_id not in together]
    return [*alone, *(GroupWanted(tuple(map(_run, share))) for share in _shares(alike, places))]


def _run(upload: Waiting) -> RunWanted:
    return RunWanted(upload.document_id, upload.version, upload.attempt)


def _shares(uploads: Sequence[Waiting], places: int) -> list[Sequence[Waiting]]:
    """Neighbours, in shares that differ by one at most: as few as GROUP_AT_MOST allows, but work for every place."""
    count = min(len(uploads), max(places, -(-len(uploads) // GROUP_AT_MOST)))
    cuts = [len(uploads) * number // count for number in range(count + 1)]
    return [uploads[first:last] for first, last in pairwise(cuts)]


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
    """The template's name, of `<organization>/[<template>/]<file>`. Raises Misuse where it is neither."""
    if "\0" in path:
        raise Misuse(f"{path!r} holds a NUL, which no name may; rename the file")
    folders = path.split("/")[1:-1]
    if len(folders) > 1:
        raise Misuse(f"{path} lies too deep; the inbox is <organization>/<template>/<file>")
    return folders[0] if folders else None


def is_about_the_file(failure: RowlineFailure) -> bool:
    """Whether a file is to be refused for it; any other failure says nothing of the file, which stays in the inbox."""
    return isinstance(failure, Misuse | UnreadableFile)


def shortened(name: str, most_bytes: int = 255) -> str:
    """A name of at most so many bytes that still ends as it did."""
    return name.encode("utf-8", "surrogateescape")[-most_bytes:].decode("utf-8", "ignore")


def complete_files(seen: Collection[InboxFile], before: Mapping[str, str]) -> list[InboxFile]:
    """Files that have not changed since the look before; a file still being copied grows or gets younger."""
    return [file for file in seen if before.get(file.path) == file.signature]


def ignored_name(name: str) -> bool:
    """Names that programs give to files that are not there to be read: hidden, partial, lock files of Office."""
    return name.startswith((".", "~$")) or name.endswith((".part", ".crdownload", ".tmp", ".filepart"))
