"""The whole of Rowline with its objects in a bucket: the same outcome, nothing left on the local disk."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from resources.objects.s3 import S3ObjectStore
from resources.objects.s3_client import LIMITS
from settings.settings import Settings
from tests.laws.command import Command
from tests.laws.deployment import Deployment, csv_bytes, items
from tests.laws.test_secrets import every_file_under, everything_in
from tests.stand_ins.faults import Fault
from tests.stand_ins.s3_server import BUCKET, KEY, SECRET, S3Server


@pytest.fixture
def settings(settings: Settings, s3: S3Server) -> Settings:
    return settings.model_copy(update={"object_store": f"s3://{BUCKET}/rowline", "s3_endpoint_url": s3.endpoint_url})


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def left_in(folder: Path) -> list[str]:
    """Every file, of us or of the reading process; Dagster's own folder for a run stays, empty."""
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_document_goes_all_the_way_and_leaves_nothing_on_the_local_disk(
    rowline: Deployment, s3: S3Server, temporary_folder: Path
):
    first = rowline.index(items("anvil", "bellows"))
    second = rowline.index(items("anvil", "chisel"), first.document_id)
    assert (second.result["unchangedRows"], second.result["vectorsDeleted"]) == (1, 1)
    assert sorted(rowline.found("anvil")) == [
        "item: anvil\ncolour: colour of anvil",
        "item: chisel\ncolour: colour of chisel",
    ]
    assert f"rowline/{first.upload.object_key}" in s3.stored()
    assert len(s3.stored()) == 4  # each version's file and rows
    assert not rowline.services.settings.objects_folder.exists()
    assert left_in(temporary_folder) == []


def test_the_file_is_linked_without_a_signature(rowline: Deployment, s3: S3Server):
    version = rowline.upload(items("anvil"))
    run = rowline.run(version.document_id)
    (made,) = [
        event.step_materialization_data.materialization
        for event in run.get_asset_materialization_events()
        if event.asset_key and event.asset_key.to_user_string() == "parsed_rows"
    ]
    addresses = [value.value for value in made.metadata.values() if str(value.value).startswith("http")]
    assert addresses == [f"{s3.endpoint_url}/{BUCKET}/rowline/{version.upload.object_key}"]


@pytest.mark.parametrize("operation", ["get", "put"])
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("server_error", "the service failed (InternalError); try again later (tried 3 times)"),
        ("quota_full", "make room or raise the quota, then try again"),
        ("wrong_key", "check AWS_ACCESS_KEY_ID, or the profile or role in its place"),
    ],
)
def test_a_run_that_storage_fails_says_why_and_a_retry_ends_well(
    rowline: Deployment, s3: S3Server, temporary_folder: Path, operation: str, kind: str, why: str
):
    version = rowline.upload(items("anvil", "bellows"))
    s3.faults.append(Fault(kind, operation, always=True))
    failed = rowline.process(version.document_id)
    assert failed.status == "failed"
    assert failed.error.endswith(why)
    assert left_in(temporary_folder) == []
    s3.faults.clear()
    rowline.services.ledger.documents.retry(version.document_id)
    assert rowline.process(version.document_id).result["totalRows"] == 2
    assert len(rowline.found("anvil")) == 2


def test_an_object_that_was_lost_or_altered_fails_the_document_and_not_its_live_version(
    rowline: Deployment, s3: S3Server
):
    """Law 8: what cannot be read is no empty table."""
    first = rowline.index(items("anvil"))
    rowline.upload(items("bellows"), first.document_id)
    newest = rowline.services.ledger.documents.latest(first.document_id)
    s3.damage(f"rowline/{newest.upload.object_key}")
    failed = rowline.process(first.document_id)
    assert (failed.status, failed.live_version) == ("failed", 1)
    assert "is not what was stored there" in failed.error
    assert rowline.found("anvil") == ["item: anvil\ncolour: colour of anvil"]


def test_an_upload_that_storage_refuses_is_not_accepted(rowline: Deployment, s3: S3Server):
    """Law 6 the other way round: what was not stored is in no ledger."""
    impatient = S3ObjectStore(f"s3://{BUCKET}/rowline", s3.endpoint_url, replace(LIMITS, attempts=2, read_seconds=0.3))
    uploads = replace(rowline.services.uploads, objects=impatient)
    rowline.services.__dict__["uploads"] = uploads
    for kind in ("reset_before", "reset_after", "timeout", "truncated", "garbage", "quota_full", "missing"):
        s3.faults.append(Fault(kind, "put", always=True))
        with pytest.raises(Exception, match=r"^Object uploads/.* cannot be written in s3://"):
            rowline.upload(items("anvil"))
        s3.faults.clear()
    assert rowline.sql("SELECT * FROM versions") == []
    assert rowline.index(items("anvil")).result["totalRows"] == 1


# -- the command ------------------------------------------------------------------------------------------------


@pytest.fixture
def command(rowline_command: Command, s3: S3Server) -> Command:
    bucket = {"OBJECT_STORE": f"s3://{BUCKET}/rowline", "S3_ENDPOINT_URL": s3.endpoint_url}
    return replace(rowline_command, environment={**rowline_command.environment, **bucket})


def test_the_command_works_over_a_bucket_and_tells_no_secret(command: Command, s3: S3Server):
    document = command.indexed(command.file("items.csv", csv_bytes(items("anvil", "bellows"))))
    hits = command.json("search", "anvil", "--org", "acme")["hits"]
    assert {hit["text"] for hit in hits} == {
        "item: anvil\ncolour: colour of anvil",
        "item: bellows\ncolour: colour of bellows",
    }
    s3.faults.append(Fault("wrong_signature", "get", always=True))
    command.json(
        "upload", command.file("more.csv", csv_bytes(items("chisel"))), "--org", "acme", "--document", document
    )
    told = command.json("process", document, code=1)
    assert "check AWS_SECRET_ACCESS_KEY" in told["error"]["message"]
    kept = everything_in(command.environment["DATABASE_URL"]) + every_file_under(command.folder) + str(told)
    assert KEY not in kept
    assert SECRET not in kept


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "mistyped"}, "check AWS_SECRET_ACCESS_KEY"),
        ({"OBJECT_STORE": "s3://not-there"}, "there is no such bucket; create it, or correct OBJECT_STORE"),
        ({"OBJECT_STORE": "gs://bucket/rowline"}, "must be a folder or s3://bucket/prefix"),
        ({"OBJECT_STORE": "s3://"}, "OBJECT_STORE must be a folder or `s3://bucket/prefix`"),
        ({"S3_ENDPOINT_URL": "localhost:9000"}, "S3_ENDPOINT_URL must be an address like https://host:9000"),
    ],
)
def test_a_mistake_in_the_settings_is_one_sentence(command: Command, changed: dict[str, str], sentence: str):
    said = command("upload", command.file("items.csv", csv_bytes(items("anvil"))), "--org", "acme", **changed)
    assert said.code in (1, 2)
    assert sentence in said.sentence
