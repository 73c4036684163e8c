"""The machine: hypothesis draws what happens next, the model follows, and after every step all three are compared."""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.life.agreement import agree
from tests.life.deeds import Deeds
from tests.life.files import EDITS, NOTES, NUMBERS, TASKS, TEMPLATES, Cells, File, edited
from tests.life.model import ModelDocument
from tests.life.world import ORGANIZATIONS, Crash, World

MOST_DOCUMENTS, MOST_ROWS = 4, 16

ROWS: st.SearchStrategy[Cells] = st.tuples(st.sampled_from(NUMBERS), st.sampled_from(TASKS), st.sampled_from(NOTES))
TABLES = st.lists(ROWS, min_size=1, max_size=12).map(tuple)
NAMES = st.sampled_from(list(TEMPLATES))
MODES = st.sampled_from(["company_wide", "employee_split"])
Change = tuple[str, int, Cells]
CHANGES: st.SearchStrategy[Change] = st.tuples(st.sampled_from(EDITS), st.integers(0, 11), ROWS)
LOSSES: st.SearchStrategy[Change] = st.tuples(st.sampled_from(["changed", "halved"]), st.integers(0, 11), ROWS)
FILES = st.builds(File, TABLES, NAMES, MODES, st.just(False))
PICKS = st.integers(0, 11)
CRASHES = st.none() | st.builds(Crash, at=st.integers(1, 40), for_good=st.booleans())
STRANGE_PLACES = st.sampled_from(["org_acme", "org_rival/employee_E1", "org_gone"])


class Life(RuleBasedStateMachine):
    """Several documents of two organizations that live through everything."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.deeds = Deeds(world)

    @property
    def documents(self) -> dict[str, ModelDocument]:
        return self.deeds.model.documents

    def pick(self, number: int) -> ModelDocument:
        return list(self.documents.values())[number % len(self.documents)]

    @precondition(lambda self: len(self.documents) < MOST_DOCUMENTS)
    @rule(organization=st.sampled_from(ORGANIZATIONS), file=FILES, crash=CRASHES)
    def new_document(self, organization: str, file: File, crash: Crash | None) -> None:
        self.deeds.process(self.deeds.upload(file, organization), crash)

    @precondition(lambda self: 0 < len(self.documents) < MOST_DOCUMENTS)
    @rule(number=PICKS, organization=st.sampled_from(ORGANIZATIONS))
    def the_same_file_as_another_document(self, number: int, organization: str) -> None:
        self.deeds.process(self.deeds.upload(self.pick(number).current.file, organization))

    @precondition(lambda self: self.documents)
    @rule(number=PICKS, edits=st.lists(CHANGES, min_size=1, max_size=3), crash=CRASHES)
    def edited_file(self, number: int, edits: list[Change], crash: Crash | None) -> None:
        """One version or some, each run; the last run may die."""
        document = self.pick(number)
        for change in edits:
            self.deeds.process(document)
            self._upload(document, change)
        self.deeds.process(document, crash)

    @precondition(lambda self: self.documents)
    @rule(number=PICKS, change=CHANGES)
    def waiting_file(self, number: int, change: Change) -> None:
        self._upload(self.pick(number), change)

    def _upload(self, document: ModelDocument, change: Change) -> None:
        self.deeds.upload_next(document, self._edited(document, change))

    def _edited(self, document: ModelDocument, change: Change) -> File:
        file = document.current.file
        cells = edited(file.cells, *change)[:MOST_ROWS]
        return file._replace(cells=cells, broken=False)

    @precondition(lambda self: self.documents)
    @rule(number=PICKS, template=NAMES, mode=MODES)
    def read_otherwise(self, number: int, template: str, mode: Any) -> None:
        document = self.pick(number)
        file = document.current.file._replace(template=template, mode=mode, broken=False)
        self.deeds.upload_next(document, file)

    @precondition(lambda self: self.documents)
    @rule(number=PICKS)
    def broken_file(self, number: int) -> None:
        document = self.pick(number)
        self.deeds.upload_next(document, document.current.file._replace(broken=True))

    @precondition(lambda self: self.documents)
    @rule(number=PICKS, crash=CRASHES)
    def process(self, number: int, crash: Crash | None) -> None:
        self.deeds.process(self.pick(number), crash)

    @precondition(lambda self: self.documents)
    @rule(number=PICKS)
    def give_up(self, number: int) -> None:
        self.deeds.give_up(self.pick(number))

    @precondition(lambda self: self.documents)
    @rule(number=PICKS)
    def retry(self, number: int) -> None:
        self.deeds.retry(self.pick(number))

    @precondition(lambda self: self.documents)
    @rule(number=PICKS, to=st.integers(0, 8), change=LOSSES, crash=CRASHES)
    def roll_back(self, number: int, to: int, change: Change, crash: Crash | None) -> None:
        """To a version that can be gone back to, which is made first, as a rule; else to any."""
        document = self.pick(number)
        if to and not document.others_completed:
            self.deeds.process(document)
            self._upload(document, change)
            self.deeds.process(document)
        choices = document.others_completed
        self.deeds.roll_back(document, choices[to % len(choices)] if choices else to, crash)

    @precondition(lambda self: self.documents)
    @rule(number=PICKS, to=st.integers(0, 8), change=CHANGES)
    def roll_back_and_upload(self, number: int, to: int, change: Change) -> None:
        document = self.pick(number)
        if choices := [n for n in document.completed if document.may_go_back_to(n)]:
            self.deeds.roll_back_and_upload(document, choices[to % len(choices)], self._edited(document, change))

    @precondition(lambda self: self.documents)
    @rule(number=PICKS, change=CHANGES, back=st.booleans())
    def dies_before_its_sweep(self, number: int, change: Change, back: bool) -> None:
        """What the old version alone needed is deleted by a repair; then it may be live again, or its rows are."""
        document = self.pick(number)
        self.deeds.process(document)
        before = document.live
        self._upload(document, change)
        self.deeds.process(document, Crash(1, for_good=True, call="collection_lock"))
        self.deeds.sync(repair=True)
        document = self.documents[document.document_id]
        if back and before and document.may_go_back_to(before):
            self.deeds.roll_back(document, before)

    @precondition(lambda self: len(self.documents) > 1)
    @rule(number=PICKS, picks=st.lists(PICKS, min_size=1, max_size=4))
    def removed_during_sync(self, number: int, picks: list[int]) -> None:
        self.vectors_are_lost(picks)
        self.deeds.sync_while_removing(self.pick(number))

    @precondition(lambda self: len(self.documents) > 1)
    @rule(number=PICKS, shared=st.booleans(), crash=CRASHES)
    def clean_up(self, number: int, shared: bool, crash: Crash | None) -> None:
        """Where `shared`, its rows are another document's first."""
        document = self.pick(number)
        if shared:
            self.deeds.process(document)
            self.deeds.process(self.deeds.upload(document.current.file, document.organization))
        self.deeds.clean_up(document, crash)

    @precondition(lambda self: self.documents)
    @rule(number=PICKS, keep=st.integers(1, 3), crash=CRASHES)
    def clean_up_old(self, number: int, keep: int, crash: Crash | None) -> None:
        self.deeds.clean_up_old(self.pick(number), keep, crash)

    @precondition(lambda self: self.documents)
    @rule(picks=st.lists(PICKS, min_size=1, max_size=4))
    def vectors_are_lost(self, picks: list[int]) -> None:
        if places := sorted(self.deeds.world.shelf.held()):
            self.deeds.lose(sorted({places[pick % len(places)] for pick in picks}))

    @precondition(lambda self: self.documents)
    @rule(vector_id=st.uuids(version=4), namespace=STRANGE_PLACES)
    def a_stranger_is_added(self, vector_id: UUID, namespace: str) -> None:
        self.deeds.add_stranger((namespace, str(vector_id)))

    @precondition(lambda self: self.documents)
    @rule(repair=st.booleans(), crash=CRASHES)
    def sync(self, repair: bool, crash: Crash | None) -> None:
        self.deeds.sync(repair, crash)

    @precondition(lambda self: self.documents)
    @rule()
    def quiet(self) -> None:
        self.deeds.quiet()

    @invariant()
    def agrees(self) -> None:
        agree(self.deeds.model, self.deeds.world)

    def teardown(self) -> None:
        """Every sequence comes to rest, unless it has failed already."""
        if sys.exc_info()[0] is None:
            self.deeds.quiet()
