"""Law 4: doing it twice is doing it once."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from domain.documents.templates import WorkbookTemplate
from resources.embedders.protocol import EmbeddingResult
from resources.ledger.documents.documents import Version
from resources.ledger.indexing.embeddings import Group
from tests.laws.deployment import Deployment, csv_bytes, items, template


def whole_ledger(rowline: Deployment) -> dict[str, Any]:
    """Everything but the run ids and times."""
    return {
        "versions": rowline.sql("SELECT document_id, version, status, result, plan_key FROM versions ORDER BY 1, 2"),
        "batches": rowline.sql(
            "SELECT document_id, version, batch_number, status, processed_rows, vectors_created, embedded_inputs "
            "FROM batches ORDER BY 1, 2, 3"
        ),
        "lineage": rowline.sql(
            "SELECT document_id, version, row_position, outcome, vector_id, namespace FROM lineage ORDER BY 1, 2, 3"
        ),
        "namespaces": rowline.sql("SELECT * FROM document_namespaces ORDER BY 1, 2, 3"),
        "vectors": rowline.stored(),
    }


def test_a_document_processed_twice_is_as_if_processed_once(rowline: Deployment):
    """Nothing is embedded again, nothing is written twice, and the result stays."""
    version = rowline.index(items("anvil", "bellows", "anvil"))
    before, asked = whole_ledger(rowline), len(rowline.services.embedder.asked)
    again = rowline.process(version.document_id)
    assert again.status == "completed"
    assert whole_ledger(rowline) == before
    assert len(rowline.services.embedder.asked) == asked


def test_the_same_bytes_uploaded_twice_to_a_document_are_one_version(rowline: Deployment):
    """Also before and while it is processed; the second copy of the bytes is not kept."""
    first = rowline.upload(items("anvil"))
    second = rowline.upload(items("anvil"), first.document_id)
    assert (second.version, second.upload.object_key) == (1, first.upload.object_key)
    rowline.process(first.document_id)
    third = rowline.upload(items("anvil"), first.document_id)
    assert (third.version, third.status) == (1, "completed")
    assert list(rowline.services.objects.keys("uploads/")) == [first.upload.object_key]


@pytest.mark.parametrize(
    "change",
    [
        {"template": template(skipDuplicates=False)},
        {"mode": "employee_split", "template": template(employeeIdentifier="item")},
    ],
)
def test_the_same_bytes_read_another_way_are_a_new_version(rowline: Deployment, change: dict[str, Any]):
    """Twice is once only where nothing else changed."""
    first = rowline.upload(items("anvil"))
    assert rowline.upload(items("anvil"), first.document_id, **change).version == 2


def test_a_failed_version_can_be_uploaded_again(rowline: Deployment):
    """The same bytes after a failure are another try, not the failure again."""
    first = rowline.upload(items("anvil"))
    rowline.services.ledger.documents.fail(first.document_id, 1, "no luck")
    assert rowline.upload(items("anvil"), first.document_id).version == 2


def test_an_upload_key_is_honoured_once(rowline: Deployment):
    """An event or inbox file delivered again finds the document it made, whatever comes with it."""
    first = rowline.upload(items("anvil"), upload_key="event-1")
    again = rowline.upload(items("bellows"), upload_key="event-1")
    assert (again.document_id, again.version) == (first.document_id, 1)
    assert len(rowline.sql("SELECT 1 AS n FROM documents")) == 1


def test_an_upload_key_delivered_by_several_at_once_is_honoured_once(rowline: Deployment):
    """Two deliveries of an event meet in the database: both are told of the same document."""
    start = threading.Barrier(6)

    def deliver(_: int) -> Version:
        start.wait(10)
        return rowline.upload(items("anvil"), upload_key="event-1")

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(deliver, range(6)))
    assert len({version.document_id for version in told}) == 1
    assert len(rowline.sql("SELECT 1 AS n FROM versions")) == 1
    assert len(list(rowline.services.objects.keys("uploads/"))) == 1


def test_new_versions_uploaded_by_several_at_once_are_numbered_one_by_one(rowline: Deployment):
    first = rowline.upload(items("anvil"))
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda n: rowline.upload(items(f"item {n}"), first.document_id), range(4)))
    assert sorted(version.version for version in told) == [2, 3, 4, 5]


def test_two_runs_of_one_document_at_once_end_as_one(rowline: Deployment):
    """Nothing hinders a person from `rowline process` in two terminals; each step takes its turn."""
    uploaded = rowline.upload(items(*"abcdefghijkl"))
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda _: rowline.quick(uploaded.document_id), range(2)))
    assert [version.status for version in ended] == ["completed", "completed"]
    assert sorted(rowline.services.embedder.asked) == sorted(set(rowline.services.embedder.asked))
    assert ended[0].result["embeddedInputs"] == 12
    assert set(rowline.stored()) == rowline.promised()
    assert len(rowline.stored()) == 12


def test_two_documents_with_the_same_texts_in_another_order_are_kept_side_by_side(rowline: Deployment):
    """Both paid for the same texts at once: keeping them must not deadlock, or one payment is lost."""
    count = 4_000
    hashes = [n.to_bytes(16, "big") for n in range(count)]
    vectors = np.ones((count, 64), dtype=np.float32)
    versions = [rowline.upload(items(name)) for name in ("anvil", "bellows")]
    start = threading.Barrier(2)

    def keep(version: Version, order: list[bytes]) -> None:
        start.wait(10)
        group = Group([1], [""] * count, order, [1] * count)
        rowline.services.ledger.embeddings.save_response(
            version, group, EmbeddingResult(range(count), vectors, {}, 0, 1), "run"
        )

    with ThreadPoolExecutor(2) as pool:
        kept = [pool.submit(keep, versions[0], hashes), pool.submit(keep, versions[1], hashes[::-1])]
        for future in kept:
            future.result(60)
    assert rowline.sql("SELECT count(*) AS n FROM embeddings") == [{"n": count}]


def test_a_name_that_is_no_unicode_is_taken_all_the_same(rowline: Deployment):
    """Korean file names out of a zip made on Windows are cp949 bytes: Python sees half surrogates."""
    name = "직원.csv".encode("cp949").decode("utf-8", "surrogateescape")
    version = rowline.services.uploads.upload(
        io.BytesIO(csv_bytes(items("anvil"))), name, "acme", WorkbookTemplate(), "company_wide"
    ).version
    assert version.filename.endswith(".csv")
    version.filename.encode()  # tells if anything is left that no database takes
