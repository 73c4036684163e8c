"""Law 2: a search never returns a row that is not live, nor one of another organization or employee."""

from __future__ import annotations

from typing import Any

from domain.errors import PermanentError
from operations.documents.search import Scope
from tests.laws.deployment import Deployment, items, template
from tests.laws.doubles import Watched, watched_ledger

STAFF = template(employeeIdentifier="no", embeddingTemplate="{{no}} {{task}}")


def names(found: list[str]) -> set[str]:
    """The first word of each row's own column."""
    return {text.split("\n")[0].removeprefix("item: ") for text in found}


def test_equal_rows_of_two_organizations_never_meet(rowline: Deployment):
    """The same file in two organizations: two vectors, two payments, and each finds its own only."""
    ours = rowline.index(items("anvil", "bellows"))
    theirs = rowline.index(items("anvil", "secret"), organization="rival")

    assert len(rowline.stored()) == 4
    assert theirs.result["embeddedInputs"] == 2
    for organization, own in (("acme", ours), ("rival", theirs)):
        hits = rowline.find("anvil secret bellows", organization=organization)
        assert {source["document_id"] for hit in hits for source in hit.sources} == {own.document_id}
        assert {hit.match.namespace for hit in hits} == {f"org_{organization}"}
    assert rowline.find("anvil", organization="nobody") == []


def test_an_organization_that_shares_a_namespace_by_name_still_finds_its_own_rows_only(rowline: Deployment):
    """The store is never trusted about owners: a vector in our namespace that lineage gives to others is no hit."""
    rowline.index(items("anvil"))
    rowline.index(items("secret"), organization="rival")
    rowline.sql("UPDATE vectors SET namespace = 'org_acme'")
    assert names(rowline.found("secret")) == {"anvil"}


def test_an_employee_finds_only_rows_of_that_employee(rowline: Deployment):
    rowline.employees("E1", "E2")
    table = [["no", "task"], ["E1", "welding steel"], ["E2", "welding iron"], ["E1", "sawing"], ["E2", "painting"]]
    rowline.index(table, template=STAFF, mode="employee_split")
    rowline.index(items("welding"))

    assert set(rowline.found("welding", employee_id="E1")) == {"E1 welding steel", "E1 sawing"}
    assert set(rowline.found("welding", employee_id="E2")) == {"E2 welding iron", "E2 painting"}
    assert rowline.found("welding", employee_id="E3") == []
    assert len(rowline.found("welding")) == 5


def test_two_employees_who_share_a_namespace_still_find_their_own_rows_only(rowline: Deployment):
    """A row of one employee that the store would offer to the other is filtered by lineage."""
    rowline.employees("E1", "E2")
    table = [["no", "task"], ["E1", "welding"], ["E2", "painting"]]
    rowline.index(table, template=STAFF, mode="employee_split")
    rowline.sql("UPDATE vectors SET namespace = 'org_acme/employee_E1'")
    assert rowline.found("painting", employee_id="E1") == ["E1 welding"]


def test_a_document_scope_finds_that_documents_rows_however_many_others_are_nearer(rowline: Deployment):
    """Asking is widened until enough of the wanted document's rows are found."""
    wanted = rowline.index(items("anvil"))
    rowline.index(items(*[f"bellows {n}" for n in range(60)]))
    hits = rowline.find("bellows", document_id=wanted.document_id, k=1)
    assert [source["document_id"] for hit in hits for source in hit.sources] == [wanted.document_id]


def test_a_search_at_any_moment_of_a_switch_sees_one_whole_version(rowline: Deployment):
    """While the new version is embedded, stored, flipped and swept, a search sees all of the old one or of the new."""
    old, new = {"anvil", "bellows", "chisel"}, {"anvil", "drill", "easel"}
    first = rowline.index(items(*sorted(old)))
    seen: list[tuple[str, frozenset[str]]] = []

    def look(name: str, _: Any) -> None:
        seen.append((name, frozenset(names(rowline.found("colour")))))

    services = rowline.services
    ledger = watched_ledger(services.ledger, look, "plans", "embeddings", "lineage", "live_versions", "garbage")
    rowline.upload(items(*sorted(new)), first.document_id)
    rowline.quick(first.document_id, ledger=ledger, vectors=Watched(services.vectors, look))
    look("end", None)

    moments = [name for name, _ in seen]
    for moment in ("write", "save_response", "upsert", "make_live", "superseded", "delete"):
        assert moment in moments
    flip = moments.index("make_live")
    assert {found for _, found in seen[: flip + 1]} == {frozenset(old)}
    assert {found for _, found in seen[flip + 1 :]} == {frozenset(new)}


def test_a_version_that_failed_half_way_is_never_found(rowline: Deployment):
    """Some of its vectors are in the store already; the live version is still the old one, whole."""
    first = rowline.index(items("anvil", "bellows"))

    def fail_at_the_flip(name: str, _: Any) -> None:
        if name == "make_live":
            raise PermanentError("the disk is full")

    ledger = rowline.services.ledger
    rowline.upload(items("chisel", "drill"), first.document_id)
    version = rowline.process(first.document_id, ledger=watched_ledger(ledger, fail_at_the_flip))
    assert (version.status, version.error, version.live_version) == ("failed", "the disk is full", 1)
    assert len(rowline.stored()) == 4
    assert names(rowline.found("chisel")) == {"anvil", "bellows"}


def test_vectors_of_an_old_version_that_the_store_still_holds_are_never_found(rowline: Deployment):
    """An eventually consistent store, or a sweep that has not run: deleted vectors may come back in answers."""
    first = rowline.index(items("anvil", "bellows"))
    late = Watched(rowline.services.vectors, lambda *_: None)
    late.delete = lambda *_: 0  # type: ignore[attr-defined]
    rowline.upload(items("anvil", "chisel"), first.document_id)
    version = rowline.quick(first.document_id, vectors=late)

    assert version.live_version == 2
    assert len(rowline.stored()) == 3
    assert names(rowline.found("bellows")) == {"anvil", "chisel"}


def test_another_model_is_not_compared_with_and_is_told(rowline: Deployment):
    """Vectors of two models never meet; documents that a question cannot reach are named."""
    from tests.laws.doubles import WordEmbedder

    old = rowline.index(items("anvil"))
    services = type(rowline.services)(rowline.services.settings)
    services.__dict__.update(rowline.services.__dict__, embedder=WordEmbedder(name="other"))
    for derived in ("uploads", "search"):
        services.__dict__.pop(derived, None)
    other = Deployment(services, rowline.dagster)
    other.index(items("bellows"))

    assert names(other.found("anvil")) == {"bellows"}
    assert services.search.unsearchable(Scope("acme")) == [old.document_id]
    assert names(rowline.found("anvil")) == {"anvil"}


def test_a_change_of_the_store_is_told_and_processing_brings_the_vectors_over(rowline: Deployment):
    """Settings that name another store must not make documents vanish silently; nothing is paid again."""
    version = rowline.index(items("anvil", "bellows"))
    asked = len(rowline.services.embedder.asked)
    rowline.sql("DELETE FROM vectors")
    rowline.sql("UPDATE versions SET indexed_in_store = 'pinecone/before'")
    assert rowline.services.search.unsearchable(Scope("acme")) == [version.document_id]
    rowline.process(version.document_id)
    assert rowline.services.search.unsearchable(Scope("acme")) == []
    assert rowline.stored().keys() == rowline.promised()
    assert len(rowline.services.embedder.asked) == asked


def test_a_trace_says_whether_a_row_is_live(rowline: Deployment):
    """Live, superseded, and never live: always a plain yes or no."""
    first = rowline.index(items("anvil", "bellows"))
    gone = str(rowline.lineage(first)[1]["vector_id"])
    second = rowline.index(items("anvil"), first.document_id)
    kept = str(rowline.lineage(second)[0]["vector_id"])
    trace = rowline.services.ledger.lineage.trace
    assert [(row["version"], row["live"]) for row in trace(kept)] == [(2, True), (1, False)]
    assert [(row["version"], row["live"]) for row in trace(gone)] == [(1, False)]
    assert trace(kept, "rival") == []

    never = rowline.upload(items("chisel"))
    for step in ("parsed_rows", "batches"):
        rowline.step(step, never.document_id, "run")
    (row,) = rowline.lineage(never)
    assert [found["live"] for found in trace(str(row["vector_id"]))] == [False]
