"""The graph from a workbook to searchable vectors: every number, every record, every outcome."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.documents.identifiers import content_hash
from tests.laws.deployment import Deployment, csv_bytes, items, template, xlsx_bytes

MODEL = "test/words/64"
STAFF = template(employeeIdentifier="no")
PAY = [["no", "task", "hours"], ["E1", "welding", 3], ["E2", "painting", 4], ["E9", "digging", 5], ["E1", "sawing", 6]]


def result(version, *names: str) -> dict[str, object]:
    """The result (B10) without its time; or only these of its fields."""
    found = {name: value for name, value in version.result.items() if name != "processingTimeMs"}
    return {name: found[name] for name in names} if names else found


def test_a_company_wide_table_becomes_vectors_in_the_namespace_of_its_organization(rowline: Deployment):
    """B4, B10: every row goes to `org_<organization>`; the result counts all of them."""
    version = rowline.index(items("anvil", "bellows", "chisel", "drill", "easel"))

    told = result(version)
    assert told.pop("tokens") > 0
    assert told.pop("costUsd") == pytest.approx(version.result["tokens"] * 2 / 1e6)
    assert told == {
        "totalRows": 5,
        "processedRows": 5,
        "skippedRows": 0,
        "errorRows": 0,
        "unchangedRows": 0,
        "duplicateRows": 0,
        "vectorsCreated": 5,
        "vectorsDeleted": 0,
        "namespacesUpdated": ["org_acme"],
        "embeddedInputs": 5,
        "errors": [],
    }
    assert isinstance(version.result["processingTimeMs"], int)
    assert version.live_version == version.version == 1
    assert {(model, namespace) for model, namespace, _ in rowline.stored()} == {(MODEL, "org_acme")}
    assert len(rowline.stored()) == 5


def test_batches_are_recorded_with_their_rows_and_their_outcome(rowline: Deployment):
    """B3: numbers, first and last row as seen in the sheet, status, counts and both times of every batch."""
    version = rowline.index(items(*"abcdefghij"))

    told = [
        (b["batchNumber"], b["totalBatches"], b["startRow"], b["endRow"], b["processedRows"], b["vectorsCreated"])
        for b in rowline.batches(version)
    ]
    assert told == [(1, 3, 2, 5, 4, 4), (2, 3, 6, 9, 4, 4), (3, 3, 10, 11, 2, 2)]
    for batch in rowline.batches(version):
        assert batch["status"] == "completed"
        assert batch["errors"] == []
        assert batch["startedAt"] <= batch["completedAt"]


def test_every_row_has_a_lineage_record_that_names_where_it_came_from(rowline: Deployment):
    """B9: document, vector, namespace, source row and number, embedded text, run and content hash."""
    uploaded = rowline.upload(items("anvil", "bellows"))
    run = rowline.run(uploaded.document_id)
    version = rowline.services.ledger.documents.latest(uploaded.document_id)

    first, second = rowline.lineage(version)
    assert (first["sheet"], first["row_number"], first["batch_number"]) == ("csv", 2, 1)
    assert first["source_row"] == {"item": "anvil", "colour": "colour of anvil"}
    assert first["content"] == "item: anvil\ncolour: colour of anvil"
    assert first["content_hash"] == content_hash(first["content"])
    assert (first["namespace"], first["employee_id"], first["outcome"]) == ("org_acme", None, "kept")
    assert first["run_id"] == run.run_id
    assert second["row_number"] == 3
    traced = rowline.services.ledger.lineage.trace(str(first["vector_id"]))
    assert [(row["document_id"], row["row_number"], row["live"]) for row in traced] == [(version.document_id, 2, True)]
    assert (traced[0]["model"], traced[0]["dimension"], traced[0]["run_id"]) == (MODEL, 64, run.run_id)
    assert traced[0]["embedded_at"] is not None


def test_rows_go_to_their_employees_and_an_unknown_employee_is_an_error_of_its_row(rowline: Deployment):
    """B5: each group to its namespace; the row of an unknown employee is told with number and reason."""
    rowline.employees("E1", "E2")
    version = rowline.index(PAY, template=STAFF, mode="employee_split")

    assert rowline.outcomes(version) == [(2, "kept"), (3, "kept"), (4, "error"), (5, "kept")]
    assert result(version, "totalRows", "processedRows", "errorRows", "vectorsCreated") == {
        "totalRows": 4,
        "processedRows": 3,
        "errorRows": 1,
        "vectorsCreated": 3,
    }
    assert version.result["errors"] == [
        {"sheet": "csv", "rowNumber": 4, "message": "employee E9 (column no) is not in the employee list"}
    ]
    assert version.result["namespacesUpdated"] == ["org_acme/employee_E1", "org_acme/employee_E2"]
    assert rowline.batches(version)[0]["errors"] == version.result["errors"]
    assert sorted(namespace for _, namespace, _ in rowline.stored()) == [
        "org_acme/employee_E1",
        "org_acme/employee_E1",
        "org_acme/employee_E2",
    ]
    assert {metadata["employeeId"] for metadata in rowline.stored().values()} == {"E1", "E2"}


def test_the_employee_document_record_keeps_vector_ids_and_count(rowline: Deployment):
    """B5: which employees a document reached, with which vectors."""
    rowline.employees("E1", "E2")
    version = rowline.index(PAY, template=STAFF, mode="employee_split")

    records = rowline.sql("SELECT * FROM document_namespaces ORDER BY namespace")
    held = rowline.stored()
    assert [(r["document_id"], r["version"], r["employee_id"], r["vector_count"]) for r in records] == [
        (version.document_id, 1, "E1", 2),
        (version.document_id, 1, "E2", 1),
    ]
    for record in records:
        assert {(MODEL, record["namespace"], str(id_)) for id_ in record["vector_ids"]} == {
            key for key in held if key[1] == record["namespace"]
        }


def test_the_namespace_of_an_employee_list_is_used(rowline: Deployment):
    """B5: an employee's own namespace, where the list names one."""
    from domain.documents.employees import Employee

    rowline.services.ledger.organizations.put_employees("acme", [Employee("E1", "Kim", "team-blue")])
    rowline.index(PAY[:2], template=STAFF, mode="employee_split")
    assert [namespace for _, namespace, _ in rowline.stored()] == ["team-blue"]
    assert rowline.found("welding", employee_id="E1") == ["no: E1\ntask: welding\nhours: 3"]


def test_every_sheet_is_read_and_no_batch_spans_two(rowline: Deployment):
    """B1, B3: batches end with their sheet; row numbers start anew in each."""
    body = xlsx_bytes({"north": items(*"abcde"), "south": items(*"vwxyz")})
    version = rowline.index(body, filename="items.xlsx")

    assert [(b["startRow"], b["endRow"]) for b in rowline.batches(version)] == [(2, 5), (6, 6), (2, 5), (6, 6)]
    assert [(row["sheet"], row["row_number"]) for row in rowline.lineage(version)] == [
        (sheet, number) for sheet in ("north", "south") for number in range(2, 7)
    ]
    assert result(version, "totalRows", "vectorsCreated") == {"totalRows": 10, "vectorsCreated": 10}


def test_equal_rows_of_a_document_share_one_vector(rowline: Deployment):
    """B8: a row whose content the namespace holds already is not embedded again."""
    version = rowline.index(items("anvil", "bellows", "anvil", "anvil"))

    assert rowline.outcomes(version) == [(2, "kept"), (3, "kept"), (4, "duplicate"), (5, "duplicate")]
    assert result(version, "processedRows", "skippedRows", "duplicateRows", "vectorsCreated", "embeddedInputs") == {
        "processedRows": 2,
        "skippedRows": 2,
        "duplicateRows": 2,
        "vectorsCreated": 2,
        "embeddedInputs": 2,
    }
    hit = rowline.find("anvil", k=1)[0]
    assert [source["row_number"] for source in hit.sources] == [2, 4, 5]


def test_equal_rows_of_two_documents_share_one_vector_and_one_payment(rowline: Deployment):
    """B8 over documents: the second document pays nothing for what the first one embedded."""
    first = rowline.index(items("anvil", "bellows"))
    second = rowline.index(items("anvil", "chisel"))

    assert rowline.outcomes(second) == [(2, "duplicate"), (3, "kept")]
    assert result(second, "embeddedInputs", "vectorsCreated", "duplicateRows") == {
        "embeddedInputs": 1,
        "vectorsCreated": 1,
        "duplicateRows": 1,
    }
    assert len(rowline.stored()) == 3
    hit = rowline.find("anvil", k=1)[0]
    assert [source["document_id"] for source in hit.sources] == [first.document_id, second.document_id]


def test_equal_rows_in_two_namespaces_have_a_vector_each_and_one_payment(rowline: Deployment):
    """Blobs are addressed per namespace; the embedding is paid for once per organization."""
    rowline.employees("E1", "E2")
    words = template(employeeIdentifier="no", embeddingTemplate="{{task}}")
    table = [["no", "task"], ["E1", "welding"], ["E2", "welding"]]
    version = rowline.index(table, template=words, mode="employee_split")

    assert rowline.outcomes(version) == [(2, "kept"), (3, "kept")]
    assert result(version, "embeddedInputs", "vectorsCreated") == {"embeddedInputs": 1, "vectorsCreated": 2}
    assert len({namespace for _, namespace, _ in rowline.stored()}) == 2


def test_without_skip_duplicates_each_copy_keeps_a_vector_of_its_own(rowline: Deployment):
    """skipDuplicates false: no row is skipped, yet equal texts are still paid for once."""
    apart = template(skipDuplicates=False)
    version = rowline.index(items("anvil", "anvil", "bellows"), template=apart)

    assert rowline.outcomes(version) == [(2, "kept"), (3, "kept"), (4, "kept")]
    assert result(version, "vectorsCreated", "skippedRows", "embeddedInputs") == {
        "vectorsCreated": 3,
        "skippedRows": 0,
        "embeddedInputs": 2,
    }
    assert len(rowline.stored()) == 3
    other = rowline.index(items("anvil"), template=apart)
    assert rowline.outcomes(other) == [(2, "kept")]
    assert len(rowline.stored()) == 4


def test_the_embedding_template_makes_the_text_and_metadata_fields_travel_with_the_vector(rowline: Deployment):
    """B6, B7: `{{column}}` places by field name; metadata holds document, row, hash and the chosen fields."""
    chosen = template(
        columnMapping={"품목": "item"}, embeddingTemplate="{{item}} costs {{price}}", metadataFields=["price", "item"]
    )
    version = rowline.index([["품목", "price"], ["모루", 120]], template=chosen)

    (row,) = rowline.lineage(version)
    assert row["content"] == "모루 costs 120"
    assert row["source_row"] == {"item": "모루", "price": "120"}
    ((_, vector_id), metadata) = next(((k[1], k[2]), m) for k, m in rowline.stored().items())
    assert UUID(vector_id) == row["vector_id"]
    assert metadata == {
        "documentId": version.document_id,
        "sheet": "csv",
        "rowNumber": 2,
        "contentHash": row["content_hash"].hex(),
        "price": "120",
        "item": "모루",
    }


def test_rows_that_differ_only_in_metadata_are_two_vectors_and_one_payment(rowline: Deployment):
    """The address holds what travels with the vector, so that no row's metadata is another's."""
    chosen = template(embeddingTemplate="{{item}}", metadataFields=["price"])
    version = rowline.index([["item", "price"], ["anvil", 1], ["anvil", 2]], template=chosen)
    assert result(version, "vectorsCreated", "embeddedInputs") == {"vectorsCreated": 2, "embeddedInputs": 1}
    assert sorted(metadata["price"] for metadata in rowline.stored().values()) == ["1", "2"]


def test_a_row_without_text_is_an_error_row_and_the_rest_goes_on(rowline: Deployment):
    """Law 3: a row that the template finds nothing in is told, not lost."""
    chosen = template(embeddingTemplate="{{item}}")
    version = rowline.index([["item", "price"], ["anvil", 1], ["", 2], ["chisel", 3]], template=chosen)
    assert rowline.outcomes(version) == [(2, "kept"), (3, "error"), (4, "kept")]
    assert version.result["errors"] == [
        {"sheet": "csv", "rowNumber": 3, "message": "the embedding template finds no text in this row"}
    ]


def test_a_csv_in_cp949_is_read_as_korean(rowline: Deployment):
    """Korean Excel still writes cp949; one such file must not turn into mojibake in the store."""
    table = [["이름", "부서", "메모"], ["김철수", "영업부", "서울 본사 근무"], ["이영희", "개발부", "부산 지사 근무"]]
    version = rowline.index(csv_bytes(table, "cp949"), filename="직원.csv")
    assert version.filename == "직원.csv"
    assert [row["source_row"]["이름"] for row in rowline.lineage(version)] == ["김철수", "이영희"]
    assert rowline.found("영업부", k=1) == ["이름: 김철수\n부서: 영업부\n메모: 서울 본사 근무"]


def test_an_unchanged_row_of_a_new_version_costs_nothing(rowline: Deployment):
    """A re-uploaded file embeds what is new, keeps what is unchanged, and deletes what is gone."""
    first = rowline.index(items("anvil", "bellows", "chisel"))
    before = set(rowline.stored())
    second = rowline.index(items("anvil", "chisel", "drill"), first.document_id)

    assert (second.version, second.live_version, second.state.base_version) == (2, 2, 1)
    assert rowline.outcomes(second) == [(2, "unchanged"), (3, "unchanged"), (4, "kept")]
    assert result(second, "unchangedRows", "vectorsCreated", "vectorsDeleted", "embeddedInputs", "processedRows") == {
        "unchangedRows": 2,
        "vectorsCreated": 1,
        "vectorsDeleted": 1,
        "embeddedInputs": 1,
        "processedRows": 3,
    }
    assert len(before & set(rowline.stored())) == 2
    assert set(rowline.stored()) == rowline.promised()
    assert sorted(rowline.found("bellows")) == sorted(row["content"] for row in rowline.lineage(second))


def test_a_refused_text_fails_alone(rowline: Deployment):
    """One input that the service refuses is an error of its rows; the others are kept."""
    version = rowline.index(items("anvil", "REFUSED", "chisel", "REFUSED"))
    assert rowline.outcomes(version) == [(2, "kept"), (3, "error"), (4, "kept"), (5, "error")]
    assert version.result["errors"] == [
        {"sheet": "csv", "rowNumber": n, "message": "not embedded: the model does not like it"} for n in (3, 5)
    ]
    assert set(rowline.stored()) == rowline.promised()


def test_documents_have_a_status_all_the_way(rowline: Deployment):
    """B2: pending at upload, processing while a run works on it, completed after."""
    seen = []
    embedder = rowline.services.embedder
    uploaded = rowline.upload(items("anvil"))
    embedder.before = lambda _: seen.append(  # type: ignore[attr-defined]
        (
            rowline.services.ledger.documents.latest(uploaded.document_id).status,
            rowline.batches(uploaded)[0]["status"],
        )
    )
    assert uploaded.status == "pending"
    assert rowline.process(uploaded.document_id).status == "completed"
    assert seen == [("processing", "processing")]
