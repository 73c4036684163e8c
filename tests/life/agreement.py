"""Ledger, store and model compared: every difference is a broken law."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from domain.documents.identifiers import content_hash
from operations.documents.search import Scope
from tests.laws.doubles import word_vector
from tests.life.files import EMPLOYEES, Identity
from tests.life.model import Model, ModelDocument, ModelVersion
from tests.life.world import ORGANIZATIONS, Place, World


def agree(model: Model, world: World, quiet: bool = False) -> None:
    """Raises AssertionError where they differ. `quiet`: nothing is half done, so the store holds what is promised."""
    for document_id, document in model.documents.items():
        facts = world.facts(document_id)
        assert facts == document.facts(), f"statuses: {facts}, not {document.facts()}"
    lineage = world.lineage()
    rows_are_said(model, lineage)
    places = places_of(model, lineage)
    only_what_is_known(model, world)
    if not world.rowline.services.vectors.strongly_consistent:
        searches_stay_within(model, world, set())  # while what was written is not seen yet
        world.shelf.settle()
    held = world.shelf.held()
    if world.rowline.services.vectors.shared:  # what lies where the ledger has no word of is other programs'
        known = set(world.rowline.services.ledger.reconciliation.namespaces())
        held = {place: numbers for place, numbers in held.items() if place[0] in known}
    store_agrees(model, held, places, quiet)
    missing = {identity for identity, place in places.items() if place not in held}
    assert model.drifted or not missing & model.promised(), "a promised vector is not in the store"
    searches_stay_within(model, world, missing, exactly=True)
    for identity in model.promised() - missing:
        numbers_are_right(str(identity[1]), held[places[identity]])


def rows_are_said(model: Model, lineage: list[dict[str, Any]]) -> None:
    """Every row of every version that was planned, with its number, place and text, and a right end (laws 2 and 3)."""
    told: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in lineage:
        told[row["document_id"], row["version"]].append(row)
    planned = {
        (d.document_id, v.number): (d, v) for d in model.documents.values() for v in d.versions.values() if v.planned
    }
    assert {*told} == {at for at, (_, v) in planned.items() if v.rows}, "versions with rows"
    for at, rows in told.items():
        document, version = planned[at]
        assert [(r["row_number"], r["employee_id"], r["namespace"], r["content"]) for r in rows] == [
            (said.row_number, said.employee, said.namespace, said.text) for said in version.rows
        ], "rows"
        assert {r["live"] or False for r in rows} == {document.live == version.number}
        if version.completed:
            assert [r["outcome"] == "error" for r in rows] == [said.identity is None for said in version.rows], "errors"
            assert version.outcomes in (None, [r["outcome"] for r in rows]), "outcomes"


def places_of(model: Model, lineage: list[dict[str, Any]]) -> dict[Identity, Place]:
    """Where each content lies: one vector for it, and of no other."""
    places: dict[Identity, Place] = {}
    by_row = {
        (d.document_id, v.number, said.row_number): said
        for d in model.documents.values()
        for v in d.versions.values()
        for said in v.rows
    }
    for row in lineage:
        said = by_row[row["document_id"], row["version"], row["row_number"]]
        if said.refused:
            continue
        assert (said.identity is None) == (row["vector_id"] is None), "a vector for every row that is no error"
        if said.identity is not None:
            place = row["namespace"], row["vector_id"]
            assert places.setdefault(said.identity, place) == place, "one content has two vectors"
    assert len({*places.values()}) == len(places), "two contents share a vector"
    return places


def only_what_is_known(model: Model, world: World) -> None:
    """Nothing of a removed document is left, and no text that nobody says any more."""
    versions = [(d, v) for d in model.documents.values() for v in d.versions.values()]
    for table in ("documents", "versions", "batches", "lineage", "document_namespaces"):
        ids = {row["document_id"] for row in world.rowline.sql(f"SELECT DISTINCT document_id FROM {table}")}
        assert ids <= model.documents.keys(), table
    known = {v.object_key for _, v in versions}
    folders = {f"documents/{d.document_id}/{v.number}" for d, v in versions}
    keys = [*world.rowline.services.objects.keys("")]
    assert [key for key in keys if key not in known and key.rpartition("/")[0] not in folders] == [], "objects"
    lost = known - {*keys}
    assert lost <= {v.object_key for d, v in versions if d.unfinished or v.forgotten}, "uploaded files"
    kept = {(org, content_hash(text)) for org, texts in model.kept.items() for text in texts}
    assert world.kept() == kept, "kept embeddings"


def store_agrees(model: Model, held: dict[Place, np.ndarray], places: dict[Identity, Place], quiet: bool) -> None:
    """No vector that is not explained; and when it is quiet, exactly those that are promised (law 1)."""
    promised = {places[identity] for identity in model.promised()}
    if quiet:
        owed = {places[i] for d in model.documents.values() for v in d.owed() for i in v.identities if i in places}
        assert held.keys() - owed == promised - owed, "the store does not hold exactly what is promised"
    elif not model.drifted:
        tolerated = {places[identity] for identity in model.tolerated() if identity in places}
        assert held.keys() - tolerated <= promised, "a vector in the store that nothing explains"


def searches_stay_within(model: Model, world: World, missing: set[Identity], exactly: bool = False) -> None:
    """Searches show live rows of their scope only; `exactly`: all of them, but for those whose vectors are lost."""
    for scope in scopes(model):
        rows = {
            (d.document_id, row.row_number, row.namespace, row.text)
            for d, v in model.live()
            if d.organization == scope.organization_id and scope.document_id in (None, d.document_id)
            for row in v.rows
            if row.identity is not None and row.identity not in missing and scope.employee_id in (None, row.employee)
        }
        found = world.found(scope)
        assert found <= rows, f"{scope}: a row that is not live there"
        assert not exactly or found == rows, f"{scope}: rows that are not found"


def scopes(model: Model) -> list[Scope]:
    documents = [Scope(d.organization, None, d.document_id) for d in model.documents.values()]
    return [Scope(o, e) for o in ORGANIZATIONS for e in (None, *EMPLOYEES)] + documents


def numbers_are_right(text: str, vector: np.ndarray) -> None:
    """The vector is that of the text: not of another row of the same id."""
    import re

    right = sum(word_vector(word) for word in re.findall(r"\w+", text.lower()))
    similarity = float(np.dot(vector, right) / (np.linalg.norm(vector) * np.linalg.norm(right)))
    assert similarity > 0.999, f"the vector of {text!r} is another one's"


def counts_are_right(world: World, version: ModelVersion, document: ModelDocument) -> None:
    """Law 3 and B10: the result and the batches of a version that has just been completed add up, to the last text."""
    told = world.rowline.services.ledger.documents.get(document.document_id, version.number)
    result, batches = told.result or {}, world.rowline.batches(told)
    errors = sum(said.identity is None for said in version.rows)
    parts = [result[name] for name in ("vectorsCreated", "unchangedRows", "duplicateRows", "errorRows")]
    assert (sum(parts), result["totalRows"], result["errorRows"]) == (len(version.rows), len(version.rows), errors), (
        "counts"
    )
    assert len(result["errors"]) == errors
    assert result["processedRows"] == parts[0] + parts[1]
    if version.outcomes:
        assert parts == [version.outcomes.count(o) for o in ("kept", "unchanged", "duplicate", "error")], "result"
    assert {batch["status"] for batch in batches} <= {"completed"}, "batches"
    assert sum(batch["rows"] for batch in batches) == len(version.rows)
    assert sum(batch["processedRows"] for batch in batches) == result["processedRows"]
    assert sum(batch["vectorsCreated"] for batch in batches) == result["vectorsCreated"]
    assert sum(len(batch["errors"]) for batch in batches) == errors
    assert sum(batch["embeddedInputs"] for batch in batches) == result["embeddedInputs"] == version.inputs, "inputs"
