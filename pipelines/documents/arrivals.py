"""Decisions of the sensors: which runs to request, which files of the inbox are complete."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


class Waiting(Protocol):
    """A version that waits for its run."""

    @property
    def document_id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def attempt(self) -> int: ...


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


def runs_wanted(waiting: Iterable[Waiting]) -> list[RunWanted]:
    """One run a document, for its newest waiting version, in the order of upload."""
    newest: dict[str, RunWanted] = {}
    for upload in waiting:
        known = newest.get(upload.document_id)
        if known is None or known.version < upload.version:
            newest[upload.document_id] = RunWanted(upload.document_id, upload.version, upload.attempt)
    return list(newest.values())


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A file of the inbox as it was seen: its size in bytes and time of change in nanoseconds."""

    organization_id: str
    path: str
    byte_size: int
    changed_ns: int

    @property
    def signature(self) -> str:
        return f"{self.byte_size}:{self.changed_ns}"

    @property
    def upload_key(self) -> str:
        """The same file is taken once, also when the process dies between taking and moving it."""
        return f"inbox:{self.path}:{self.signature}"


def complete_files(seen: Collection[InboxFile], before: Mapping[str, str]) -> list[InboxFile]:
    """Files that have not changed since the look before; a file still being copied grows or gets younger."""
    return [file for file in seen if before.get(file.path) == file.signature]


def ignored_name(name: str) -> bool:
    """Names that programs give to files that are not there to be read: hidden, partial, lock files of Office."""
    return name.startswith((".", "~$")) or name.endswith((".part", ".crdownload", ".tmp", ".filepart"))
