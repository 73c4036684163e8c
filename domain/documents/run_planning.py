"""Run planning: which waiting uploads get a run of their own, and which share one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol


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
    def deferred(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class RunRequestPlan:
    """One run to request. The key makes asking twice asking once; a retry is another attempt and another key."""

    document_id: str
    version: int
    attempt: int

    @property
    def run_key(self) -> str:
        return f"{self.document_id}:{self.version}:{self.attempt}"

    @classmethod
    def from_key(cls, run_key: str) -> RunRequestPlan:
        document_id, version, attempt = run_key.split(":")
        return cls(document_id, int(version), int(attempt))


@dataclass(frozen=True, slots=True)
class GroupRequestPlan:
    """One run to request for many documents, each of which ends for itself."""

    runs: tuple[RunRequestPlan, ...]

    @property
    def run_key(self) -> str:
        """Asking again for the same ones is asking once."""
        return "group:" + hashlib.sha256("\n".join(run.run_key for run in self.runs).encode()).hexdigest()[:32]


GROUP_OP = "processed_documents"  # the op of a group's run, whose config names the documents
SINGLE_RUN_THRESHOLD = 8  # so many get a run each: their checks, retries and logs are a page of their own in the UI
MAX_GROUP_DOCUMENTS = 50  # documents of a group: a crash has so many done again at most
SMALL_BYTES = 2**20  # a larger file would hold up those behind it


def plan_runs(waiting: Iterable[Waiting], places: int = 1) -> list[RunRequestPlan | GroupRequestPlan]:
    """A few uploads get a run each; many share runs, in the order of upload, at least as many as there are `places`.

    Each document counts with its newest waiting version. What was tried before has a run of its own, so that it
    cannot harm others again; so have large files and those that may wait for a service.
    """
    newest: dict[str, Waiting] = {}
    for upload in waiting:
        known = newest.get(upload.document_id)
        if known is None or known.version < upload.version:
            newest[upload.document_id] = upload
    alike = [one for one in newest.values() if one.attempt == 1 and not one.deferred and one.byte_size <= SMALL_BYTES]
    if len(alike) <= SINGLE_RUN_THRESHOLD:
        return [_run(one) for one in newest.values()]
    together = {one.document_id for one in alike}
    alone = [_run(one) for one in newest.values() if one.document_id not in together]
    return [*alone, *(GroupRequestPlan(tuple(map(_run, share))) for share in _shares(alike, places))]


def _run(upload: Waiting) -> RunRequestPlan:
    return RunRequestPlan(upload.document_id, upload.version, upload.attempt)


def _shares(uploads: Sequence[Waiting], places: int) -> list[Sequence[Waiting]]:
    """Neighbours, in shares that differ by one at most.

    As few as MAX_GROUP_DOCUMENTS allows, but work for every place.
    """
    count = min(len(uploads), max(places, -(-len(uploads) // MAX_GROUP_DOCUMENTS)))
    cuts = [len(uploads) * number // count for number in range(count + 1)]
    return [uploads[first:last] for first, last in pairwise(cuts)]
