"""What is done to documents: each deed to the real Rowline and to the model, with what must be true right after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import dagster as dg
import pytest

from domain.documents.identifiers import content_hash
from domain.errors import InvalidRequest
from tests.life.agreement import agree, counts_are_right
from tests.life.files import File
from tests.life.model import ON_THE_WAY, Model, ModelDocument
from tests.life.world import Crash, Place, World

IN_FLIGHT, REQUEST_INPUTS = 2, 8  # of the settings that tests run with


class Deeds:
    def __init__(self, world: World) -> None:
        self.world, self.model = world, Model()
        world.empty()

    # -- uploads --------------------------------------------------------------------------------------------------

    def upload(self, file: File, organization: str) -> ModelDocument:
        version = self.world.upload(file, organization, None)
        document = ModelDocument(version.document_id, organization)
        document.uploaded(version.version, file, version.upload.object_key)
        self.model.documents[version.document_id] = document
        return document

    def upload_next(self, document: ModelDocument, file: File) -> None:
        if document.removed:
            with pytest.raises(InvalidRequest):
                self.world.upload(file, document.organization, document.document_id)
            return
        again = document.holds(file)
        version = self.world.upload(file, document.organization, document.document_id)
        expected = document.current.number if again else document.latest + 1
        assert version.version == expected, "uploading twice is uploading once"
        if not again:
            document.uploaded(version.version, file, version.upload.object_key)

    # -- runs -----------------------------------------------------------------------------------------------------

    def process(self, document: ModelDocument, crash: Crash | None = None) -> None:
        if document.removed:
            with pytest.raises((InvalidRequest, dg.Failure)):
                self.world.process(document.document_id)
        elif document.current.file.unreadable:
            with suppress(dg.Failure):
                if not self.world.process(document.document_id, crash):  # died before it could read
                    self.world.process(document.document_id)
            document.failed()
        else:
            self._process(document, crash)

    def _process(self, document: ModelDocument, crash: Crash | None) -> None:
        version = document.current
        if not version.planned:
            version.outcomes = self.model.plan(document)
        new, asked = not version.completed, len(self.world.embedder.asked)
        ended = self.world.process(document.document_id, crash)
        self._pay(document, self.world.embedder.asked[asked:], ended)
        if ended:
            document.went_live()
        else:
            self._either(document, ("process", 0), lambda d: d.begun(), lambda d: d.went_live())
        version = self.model.documents[document.document_id].versions[version.number]
        if version.completed and new:
            counts_are_right(self.world, version, document)

    def _pay(self, document: ModelDocument, paid: list[str], ended: bool) -> None:
        """No text is paid for twice; a crash may cost what was in flight (law 5)."""
        version, kept = document.current, self.model.kept.setdefault(document.organization, set())
        wanted = set() if version.completed else version.needed - kept
        refused = {text for text in wanted if "REFUSED" in text}
        assert max(Counter(paid).values(), default=0) <= 1, "a text was embedded twice in one run"
        assert {*paid} <= wanted, "a text was embedded that was paid for before"
        hashes = {text_hash for organization, text_hash in self.world.kept() if organization == document.organization}
        now = {text for text in wanted if content_hash(text) in hashes}
        assert now == {*paid} - refused if ended else now <= {*paid}, "kept is what was paid for"
        assert len({*paid} - now - refused) <= IN_FLIGHT * REQUEST_INPUTS, "a crash cost more than what was in flight"
        told = self.world.rowline.services.ledger.documents.batches(document.document_id, version.number)
        counted = sum(batch["embeddedInputs"] for batch in told) - version.inputs
        assert len(now) <= counted <= len(paid), "what was paid for is not what the batches say"
        version.inputs += counted
        kept |= now

    def give_up(self, document: ModelDocument) -> None:
        """Somebody noticed that the run is no more."""
        current = document.current
        self.world.rowline.services.ledger.documents.fail(document.document_id, current.number, "the run was lost")
        if current.status in ON_THE_WAY:
            current.status = "failed"

    def retry(self, document: ModelDocument) -> None:
        retried = self.world.rowline.services.ledger.documents.retry
        if document.current.status != "failed" or document.removed:
            with pytest.raises(InvalidRequest):
                retried(document.document_id)
        else:
            retried(document.document_id)
            document.current.status = "pending"

    # -- going back, clean-up -------------------------------------------------------------------------------------

    def roll_back(self, document: ModelDocument, to: int, crash: Crash | None = None) -> None:
        asked = len(self.world.embedder.asked)
        if document.may_go_back_to(to):
            if self.world.roll_back(document.document_id, to, crash):
                document.went_back_to(to)
            else:
                self._either(document, ("roll back", to), lambda d: d.went_back_to(to))
                aimed = self.world.target(document.document_id)
                assert aimed in (None, document.target, to)
                self.model.documents[document.document_id].target = aimed
        elif document.unfinished and to == document.live:  # its sweep may have been done, or is done now
            with suppress(InvalidRequest):
                self.world.roll_back(document.document_id, to)
                document.went_back_to(to)
        else:
            with pytest.raises(InvalidRequest):
                self.world.roll_back(document.document_id, to)
        assert len(self.world.embedder.asked) == asked, "going back embeds nothing"

    def roll_back_and_upload(self, document: ModelDocument, to: int, file: File) -> None:
        """An upload that is accepted in the middle of a rollback is processed after it (law 6)."""

        def meanwhile() -> None:
            document.target = to
            self.upload_next(document, file)

        self.world.roll_back_while(document.document_id, to, meanwhile)
        document.went_back_to(to)

    def clean_up(self, document: ModelDocument, crash: Crash | None = None) -> None:
        if self.world.clean_up(document.document_id, crash) or self.world.facts(document.document_id) is None:
            del self.model.documents[document.document_id]
            self.model.forget(document.organization)
        else:
            self._either(document, ("clean up", 0), lambda d: d.withdrawn())

    def clean_up_old(self, document: ModelDocument, keep: int, crash: Crash | None = None) -> None:
        old = document.old(keep)
        if self.world.clean_up_old(document.document_id, keep, crash):
            document.forgot(old)
        elif old:
            self._either(document, ("clean up old", keep), lambda d: d.forgot(old))
        self.model.forget(document.organization)

    def _either(
        self, document: ModelDocument, work: tuple[str, int], *changes: Callable[[ModelDocument], None]
    ) -> None:
        """After a crash the document is as it was, or as one of the changes makes it: never in between."""
        facts, planned = self.world.facts(document.document_id), self.world.planned(document.document_id)
        forgotten = self.world.forgotten(document.document_id)
        states = [document.copy()]
        for change in changes:
            states.append(document.copy())
            change(states[-1])
        possible = [state for state in states if state.facts() == facts]
        assert possible, f"half way: {facts} is none of {[state.facts() for state in states]}"
        for version in possible[0].versions.values():
            version.planned = version.number in planned
            version.forgotten = version.number in forgotten
        possible[0].unfinished = work
        self.model.documents[document.document_id] = possible[0]

    # -- the store ------------------------------------------------------------------------------------------------

    def lose(self, places: list[Place]) -> None:
        self.world.shelf.lose(places)
        self.model.drifted = True

    def add_stranger(self, place: Place) -> None:
        self.world.shelf.add(place)
        self.model.drifted = True

    def sync(self, repair: bool, crash: Crash | None = None) -> None:
        self.world.sync(repair, crash)

    def sync_while_removing(self, document: ModelDocument) -> None:
        """What is being restored of a document that is being removed goes as well."""
        if self.world.sync_while_removing(document.document_id):
            del self.model.documents[document.document_id]
            self.model.forget(document.organization)

    # -- coming to rest -------------------------------------------------------------------------------------------

    def quiet(self) -> None:
        """Whatever was begun is ended, what drifted is repaired: now ledger, store and model agree exactly."""
        for document_id in list(self.model.documents):
            self._end(document_id)
        self.world.shelf.settle()
        if self.model.drifted:
            self.world.sync(repair=True)
            self.world.shelf.settle()
            self.model.drifted = False
        agree(self.model, self.world, quiet=True)
        found = self.world.sync(repair=False)
        assert found
        assert (found.missing, found.orphaned, found.stale) == (0, 0, 0), "sync sees what the model does not"

    def _end(self, document_id: str) -> None:
        """As a person would: what died is done again, what waits or failed is run."""
        document = self.model.documents[document_id]
        work, number = document.unfinished or ("", 0)
        if work == "clean up":
            self.clean_up(document)
            return
        if work == "process" or document.current.status != "completed":
            self.process(document)
        if work == "roll back" and document.unfinished and not document.under_way:
            self.roll_back(document, number)
        if work == "clean up old":
            self.clean_up_old(document, number)
        document.unfinished = None
