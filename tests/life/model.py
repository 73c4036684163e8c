"""What must be true of every document: a few sets in memory, changed by the same events as the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field

from tests.life.files import File, Identity, Said, said

ON_THE_WAY = ("pending", "processing")


@dataclass
class ModelVersion:
    number: int
    file: File
    object_key: str
    rows: list[Said]
    status: str = "pending"
    completed: bool = False  # it was live once
    planned: bool = False  # its rows are in the ledger
    forgotten: bool = False  # a clean-up that died had begun with it
    outcomes: list[str] | None = None  # of its rows, as they were to be when it was planned
    inputs: int = 0  # texts paid for and kept

    @property
    def needed(self) -> set[str]:
        """Texts that want an embedding."""
        return {row.text for row in self.rows if row.namespace is not None}

    @property
    def identities(self) -> set[Identity]:
        return {row.identity for row in self.rows if row.identity is not None}


@dataclass
class ModelDocument:
    document_id: str
    organization: str
    versions: dict[int, ModelVersion] = field(default_factory=dict)
    latest: int = 0
    live: int | None = None
    target: int | None = None  # a rollback that died aimed at it: it is still owed
    removed: bool = False
    unfinished: tuple[str, int] | None = None  # what died half way, and is to be done again

    @property
    def current(self) -> ModelVersion:
        """The version that a person means: the newest that was not rolled back."""
        return max(self.versions.values(), key=lambda v: (v.status != "rolled_back", v.number))

    @property
    def under_way(self) -> bool:
        return any(v.status in ON_THE_WAY for v in self.versions.values())

    @property
    def live_version(self) -> ModelVersion | None:
        return self.versions[self.live] if self.live else None

    @property
    def completed(self) -> list[int]:
        """What can be gone back to."""
        return sorted(n for n, v in self.versions.items() if v.completed and not v.forgotten)

    @property
    def others_completed(self) -> list[int]:
        return [n for n in self.completed if n != self.live]

    def facts(self) -> tuple[int | None, bool, dict[int, str]]:
        return self.live, self.removed, {n: v.status for n, v in sorted(self.versions.items())}

    def owed(self) -> Iterator[ModelVersion]:
        """Versions whose vectors may stay in the store: live, on their way, or the newest, which may be tried again."""
        for number, v in self.versions.items():
            if not self.removed and (
                number in (self.live, self.target)
                or v.status in ON_THE_WAY
                or (v.status == "failed" and number == self.latest)
            ):
                yield v

    # -- what happens ---------------------------------------------------------------------------------------------

    def uploaded(self, number: int, file: File, object_key: str) -> None:
        self.latest = number
        rows = [] if file.broken else said(file, self.organization, self.document_id)
        self.versions[number] = ModelVersion(number, file, object_key, rows)

    def holds(self, file: File) -> bool:
        """Whether uploading the file now is uploading it again."""
        v = self.current
        return (
            self.target is None
            and v.file == file
            and v.status not in ("failed", "rolled_back")
            and not (v.completed and any(row.identity is None for row in v.rows))
        )

    def begun(self) -> None:
        current = self.current
        for v in self.versions.values():
            if v.number < current.number and v.status in ON_THE_WAY:
                v.status = "failed"
        if not current.completed:
            current.status = "processing"

    def failed(self) -> None:
        self.begun()
        self.current.status = "failed"

    def went_live(self) -> None:
        self.begun()
        current = self.current
        if not current.completed:
            self.live = current.number
        current.status, current.completed, current.planned = "completed", True, True
        self.unfinished = self.target = None

    def may_go_back_to(self, number: int) -> bool:
        here = number == self.live and self.target is None
        return not self.removed and number in self.completed and not self.under_way and not here

    def went_back_to(self, number: int) -> None:
        self.live, self.unfinished, self.target = number, None, None
        for v in self.versions.values():
            if v.number > number and v.status not in ON_THE_WAY:  # what came meanwhile goes on
                v.status = "rolled_back"
            elif v.status == "rolled_back":
                v.status = "completed" if v.completed else "failed"

    def old(self, keep: int) -> list[int]:
        """Versions that nobody needs, beyond the newest completed ones."""
        owed = {v.number for v in self.owed()}
        done = [n for n, v in self.versions.items() if v.status == "completed"]
        return [
            n for n, v in self.versions.items() if n not in owed and (v.forgotten or sum(d > n for d in done) >= keep)
        ]

    def forgot(self, old: list[int]) -> None:
        for number in old:
            del self.versions[number]
            self.unfinished = None

    def withdrawn(self) -> None:
        self.removed, self.live, self.target = True, None, None

    def copy(self) -> ModelDocument:
        return deepcopy(self)


class Model:
    """All documents, and the texts that each organization has paid for."""

    def __init__(self) -> None:
        self.documents: dict[str, ModelDocument] = {}
        self.kept: dict[str, set[str]] = {}
        self.drifted = False  # somebody changed the store behind the ledger's back

    def live(self) -> list[tuple[ModelDocument, ModelVersion]]:
        return [(d, d.live_version) for d in self.documents.values() if d.live_version]

    def promised(self) -> set[Identity]:
        return {identity for _, v in self.live() for identity in v.identities}

    def tolerated(self) -> set[Identity]:
        """What the store may hold beside what is promised: of versions on their way, and of work that died."""
        return {
            identity
            for d in self.documents.values()
            for v in (d.versions.values() if d.unfinished else d.owed())
            for identity in v.identities
        }

    def plan(self, document: ModelDocument) -> list[str]:
        """The outcome of every row of the document's current version, were it planned now (law 3)."""
        base = document.live_version
        before = base.identities if base else set()
        elsewhere = {i for d, v in self.live() if d is not document for i in v.identities}
        seen: set[Identity] = set()
        outcomes = []
        for row in document.current.rows:
            if row.identity is None:
                outcomes.append("error")
            elif row.identity in seen:
                outcomes.append("duplicate")
            else:
                outcomes.append(
                    "unchanged" if row.identity in before else "duplicate" if row.identity in elsewhere else "kept"
                )
                seen.add(row.identity)
        return outcomes

    def forget(self, organization: str) -> None:
        """Texts that no kept version of the organization says are not kept either."""
        mine = [d for d in self.documents.values() if d.organization == organization]
        texts = {row.text for d in mine for v in d.versions.values() if v.planned for row in v.rows}
        self.kept[organization] = self.kept.get(organization, set()) & texts
