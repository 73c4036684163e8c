"""Which document a file belongs to: a new one, the one that is named, or the newest one of its name."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from resources.ledger.documents.uploads import SAME_NAME, Continued, ExternalId
from resources.ledger.documents.versions import Version
from tests.laws.command import Command
from tests.laws.deployment import Deployment, items, template


def test_a_file_of_the_same_name_is_a_new_version_and_only_what_changed_is_paid(rowline: Deployment):
    first = rowline.index(items("anvil", "bellows"), SAME_NAME)
    assert rowline.index(items("drill"), filename="other.csv").document_id != first.document_id
    second = rowline.index(items("anvil", "chisel"), SAME_NAME)
    assert (second.document_id, second.version) == (first.document_id, 2)
    assert (second.result["unchangedRows"], second.result["embeddedInputs"]) == (1, 1)
    assert set(rowline.stored()) == rowline.promised()


def test_it_is_the_newest_document_of_that_name_whatever_else_is_there(rowline: Deployment):
    """Of the same organization, template and name; not one that bears another name by now, or is being removed."""
    old, new = rowline.upload(items("anvil")), rowline.upload(items("bellows"))
    elsewhere = rowline.upload(items("chisel"), organization="bolt")
    other_template = rowline.upload(items("drill"), template=template(name="other"))
    assert rowline.upload(items("easel"), SAME_NAME).document_id == new.document_id
    rowline.upload(items("awl"), new.document_id, filename="renamed.csv")
    assert rowline.upload(items("file"), SAME_NAME).document_id == old.document_id
    rowline.services.ledger.removals.withdraw(old.document_id)
    third = rowline.upload(items("gauge"), SAME_NAME)
    assert third.version == 1
    assert third.document_id not in {d.document_id for d in (old, new, elsewhere, other_template)}
    for document in (elsewhere, other_template):
        assert rowline.services.ledger.documents.latest(document.document_id).version == 1


@pytest.mark.parametrize("document", [SAME_NAME, ExternalId("offer-7")], ids=["of a name", "of an external id"])
def test_files_of_a_new_document_at_once_are_its_versions(rowline: Deployment, document: Continued):
    start = threading.Barrier(4)

    def upload(number: int) -> Version:
        start.wait(60)
        return rowline.upload(items(f"item {number}"), document)

    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(upload, range(4)))
    assert len({version.document_id for version in versions}) == 1
    assert sorted(version.version for version in versions) == [1, 2, 3, 4]


def test_what_is_known_already_says_so_and_nothing_is_done(rowline: Deployment):
    first = rowline.upload_result(items("anvil"), SAME_NAME)
    again = rowline.upload_result(items("anvil"), SAME_NAME)
    assert (first.already_known, again.already_known) == (False, True)
    assert (again.version.document_id, again.version.version) == (first.version.document_id, 1)
    assert rowline.upload_result(items("bellows"), SAME_NAME).already_known is False


def test_the_command_finds_the_document_by_name_and_tells_what_is_known(rowline_command: Command):
    file = rowline_command.file("items.csv", "item,price\nanvil,1\n")
    document = rowline_command.indexed(file)
    said = rowline_command("upload", file, "--org", "acme", "--same-name")
    assert said.out == f"{document}  version 1  items.csv  completed · already known as version 1, nothing to do\n"
    rowline_command.file("items.csv", "item,price\nanvil,2\n")
    assert rowline_command("upload", file, "--org", "acme", "--same-name").out == (
        f"{document}  version 2  items.csv  pending\n"
    )
    assert rowline_command.json("upload", file, "--org", "acme")["documents"][0]["documentId"] != document
    both = rowline_command("upload", file, "--org", "acme", "--same-name", "--document", document)
    assert (both.code, "give one of them" in both.sentence) == (2, True)
