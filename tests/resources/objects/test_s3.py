"""Objects in S3 on bad days: every fault becomes one sentence, nothing is half there, no secret is shown."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import ConfigurationError, ObjectStoreUnavailable, RowlineError, TransientError
from resources.objects.s3 import S3ObjectStore
from resources.objects.s3_bucket import Bucket
from resources.objects.s3_errors import AlteredObject, StorageFull
from tests.resources.objects.bad_days import FEW, LARGE, failure, hurried, read
from tests.stand_ins.faults import Fault
from tests.stand_ins.s3_server import BUCKET, S3Server

pytestmark = pytest.mark.usefixtures("no_file_left")


# -- faults -----------------------------------------------------------------------------------------------------

CALLS: dict[str, tuple[str, Callable[[S3ObjectStore], object]]] = {
    "put": ("Object a/b cannot be written in", lambda store: store.put("a/b", io.BytesIO(b"new"))),
    "get": ("Object a/b cannot be read in", lambda store: read(store, "a/b")),
    "delete": ("Object a/b cannot be deleted in", lambda store: store.delete("a/b")),
    "list": ("Objects cannot be listed in", lambda store: list(store.keys(""))),
}
ERRORS: dict[str, tuple[type[RowlineError], str]] = {
    "rate_limit": (ObjectStoreUnavailable, "the service is busy (SlowDown); try again later"),
    "server_error": (ObjectStoreUnavailable, "the service failed (InternalError); try again later"),
    "unavailable": (ObjectStoreUnavailable, "the service is busy (ServiceUnavailable); try again later"),
    "reset_before": (ObjectStoreUnavailable, "the connection broke; try again"),
    "reset_after": (ObjectStoreUnavailable, "the connection broke; try again"),
    "truncated": (ObjectStoreUnavailable, "the connection broke; try again"),
    "timeout": (ObjectStoreUnavailable, "the service did not answer in time; try again later"),
    "wrong_key": (
        ConfigurationError,
        "the access key is not known there; check AWS_ACCESS_KEY_ID, or the profile or role in its place",
    ),
    "wrong_signature": (ConfigurationError, "the secret key does not fit the access key; check AWS_SECRET_ACCESS_KEY"),
    "access_denied": (
        ConfigurationError,
        "the credentials do not allow it; they need s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and "
        "s3:AbortMultipartUpload",
    ),
    "missing": (ConfigurationError, "there is no such bucket; create it, or correct OBJECT_STORE"),
    "quota_full": (
        StorageFull,
        "the storage there is full or its quota used up; make room or raise the quota, then try again",
    ),
    "clock_skew": (ConfigurationError, "the clock of this computer is more than 15 minutes off; set it"),
    "wrong_region": (
        ConfigurationError,
        "the bucket is in another region (eu-west-1); set AWS_DEFAULT_REGION to the bucket's",
    ),
}
PASSING = [kind for kind, (failure_type, _) in ERRORS.items() if failure_type is ObjectStoreUnavailable]


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("operation", CALLS)
def test_a_fault_that_stays_is_told_in_a_sentence(store: S3ObjectStore, s3: S3Server, kind: str, operation: str):
    tried, call = CALLS[operation]
    expected, why = ERRORS[kind]
    store.put("a/b", io.BytesIO(b"old"))
    s3.stats.operations.clear()
    s3.faults.append(Fault(kind, operation, always=True))
    if operation == "list" and kind == "truncated":
        why = "the service failed (500); try again later"  # so botocore calls half a document
    error = failure(lambda: call(hurried(store, kind)))
    assert (type(error), str(error)) == (expected, f"{tried} s3://{BUCKET}/rowline: {why}")
    # botocore asks once more in the region that the service names
    assert s3.stats.operations[operation] == (2 if kind in [*PASSING, "wrong_region"] else 1)
    s3.faults.clear()
    if operation != "delete":
        assert read(store, "a/b") in (b"old", b"new")


@pytest.mark.parametrize("kind", [*PASSING, "slow"])
@pytest.mark.parametrize("operation", CALLS)
def test_a_fault_that_passes_is_not_even_seen(store: S3ObjectStore, s3: S3Server, kind: str, operation: str):
    """Whether the request was applied before the connection broke or not."""
    store.put("a/b", io.BytesIO(b"old"))
    s3.faults.append(Fault(kind, operation, seconds=0.05 if kind == "slow" else 0.0))
    CALLS[operation][1](hurried(store, kind))
    assert not s3.faults
    assert s3.stored() == ([] if operation == "delete" else ["rowline/a/b"])
    if operation == "put":
        assert read(store, "a/b") == b"new"


@pytest.mark.parametrize("operation", ["put", "get", "list", "part", "create_upload", "complete"])
def test_an_answer_of_somebody_else_is_never_believed(store: S3ObjectStore, s3: S3Server, operation: str):
    """A proxy's page with status 200 is no stored object, no content and no empty list."""
    store.put("a/b", io.BytesIO(b"old"))
    s3.faults.append(Fault("garbage", operation, always=True))
    call = CALLS[operation][1] if operation in CALLS else lambda store: store.put("a/b", io.BytesIO(LARGE))
    error = failure(lambda: call(store))
    assert isinstance(error, TransientError)
    assert "the answer is not one of S3; check S3_ENDPOINT_URL and proxies" in str(error)
    s3.faults.clear()
    assert read(store, "a/b") == b"old"
    assert s3.unfinished() == []


# -- credentials and addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "the access key is not known there"),
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "the secret key does not fit the access key"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "there are no credentials"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "there are no credentials"),
        ({"AWS_PROFILE": "nobody"}, "the profile of AWS_PROFILE is not in the AWS configuration"),
    ],
)
def test_wrong_credentials_are_told_with_the_setting_to_correct(
    store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], why: str
):
    """No fault is staged: the stand-in checks the signature."""
    for name, value in changed.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    error = failure(lambda: store.put("a", io.BytesIO(b"x")))
    assert isinstance(error, ConfigurationError)
    assert why in str(error)
    assert not any(value and value in str(error) for name, value in changed.items() if name != "AWS_PROFILE")


def test_a_service_that_nobody_runs_is_told(s3: S3Server):
    store = S3ObjectStore(f"s3://{BUCKET}", "http://127.0.0.1:9", FEW)
    error = failure(lambda: list(store.keys("")))
    assert isinstance(error, TransientError)
    assert str(error) == (
        f"Objects cannot be listed in s3://{BUCKET}: the service could not be reached; check S3_ENDPOINT_URL and the "
        "network"
    )


def test_a_bucket_that_does_not_exist_is_told(s3: S3Server):
    """Without a fault: so moto says it."""
    store = S3ObjectStore("s3://not-there", s3.endpoint_url, FEW)
    for _, call in CALLS.values():
        error = failure(lambda call=call: call(store))  # type: ignore[misc]
        assert isinstance(error, ConfigurationError)
        assert "there is no such bucket; create it, or correct OBJECT_STORE" in str(error)


@pytest.mark.parametrize(
    "address",
    [
        *("s3://", "s3:///prefix", "s3://a", "s3://Bucket?region=x", "s3://AKIA:secret@bucket/x", "s3://bucket//x"),
        *("s3://bucket/../x", "s3://bucket/./x", "s3://bucket/a b?versionId=1", "s3://bucket/x#y", "S3://bucket"),
    ],
)
def test_an_address_that_names_no_bucket_is_a_wrong_setting_and_not_shown(address: str):
    with pytest.raises(ConfigurationError, match=r"OBJECT_STORE must be a folder or `s3://bucket/prefix`") as error:
        S3ObjectStore(address)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "endpoint",
    ["host:9000", "ftp://host", "http://", "http://key:secret@host", "https://host?X=1", "https://host:port", "x"],
)
def test_an_endpoint_that_is_no_address_is_a_wrong_setting_and_not_shown(endpoint: str):
    with pytest.raises(ConfigurationError, match=r"S3_ENDPOINT_URL must be an address like https://host:9000") as error:
        S3ObjectStore("s3://bucket", endpoint)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "endpoint", "link"),
    [
        ("s3://bucket/p/q/", None, "https://s3.console.aws.amazon.com/s3/object/bucket?prefix=p/q/a/%EA%B0%80"),
        ("s3://bucket", "https://minio.local:9000/", "https://minio.local:9000/bucket/a/%EA%B0%80"),
    ],
)
def test_a_link_is_an_address_that_nobody_signed(address: str, endpoint: str | None, link: str):
    assert S3ObjectStore(address, endpoint).link("a/가") == link


def test_opening_a_store_sends_nothing_and_looks_for_no_key(monkeypatch: pytest.MonkeyPatch):
    """Services are opened by commands that may never need them."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert str(Bucket.parse("s3://bucket/prefix/", None)) == "s3://bucket/prefix"
    S3ObjectStore("s3://bucket/prefix")


# -- downloads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["small", "large"])
def test_a_download_that_breaks_off_is_tried_again_and_never_a_shorter_file(
    store: S3ObjectStore, s3: S3Server, body: bytes
):
    store.put("a/b", io.BytesIO(body))
    s3.faults.append(Fault("truncated", "get"))
    assert read(store, "a/b") == body
    s3.faults.append(Fault("truncated", "get", always=True))
    assert isinstance(failure(lambda: read(store, "a/b")), TransientError)


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["small", "large"])
def test_an_object_that_was_altered_in_store_is_told_and_not_read(store: S3ObjectStore, s3: S3Server, body: bytes):
    """A disk that flips a bit: the service gives it with status 200 and the right length."""
    store.put("a/b", io.BytesIO(body))
    s3.damage("rowline/a/b")
    error = failure(lambda: read(store, "a/b"))
    assert isinstance(error, AlteredObject)
    assert str(error) == (
        f"Object a/b in s3://{BUCKET}/rowline is not what was stored there ({len(body):,} bytes were read, their "
        "SHA-256 is another); upload the file again"
    )


def test_an_object_that_is_altered_on_its_way_is_fetched_again(store: S3ObjectStore, s3: S3Server):
    store.put("a/b", io.BytesIO(b"some text"))
    s3.faults.append(Fault("altered", "get"))
    assert read(store, "a/b") == b"some text"
    assert s3.stats.operations["get"] == 2


def test_an_object_that_somebody_else_put_there_is_not_taken_for_ours(store: S3ObjectStore, s3: S3Server):
    """Without the SHA-256 that we store beside ours, nothing proves what it is."""
    s3.drop("rowline/a/b", b"foreign")
    assert isinstance(failure(lambda: read(store, "a/b")), AlteredObject)


def test_a_file_that_was_read_is_its_owners_alone_and_gone_after_the_block(store: S3ObjectStore):
    store.put("a/b", io.BytesIO(b"x"))

    def fails() -> Path:
        with store.local("a/b") as path:
            assert path.stat().st_mode & 0o077 == 0
            seen.append(path)
            raise KeyError

    seen: list[Path] = []
    with pytest.raises(KeyError):
        fails()
    assert not seen[0].exists()


# -- lists ------------------------------------------------------------------------------------------------------


def test_a_list_goes_on_after_a_page(s3_store: S3ObjectStore, s3: S3Server):
    for number in range(2_100):
        s3.drop(f"rowline/uploads/{number:04}", b"")
    s3.drop("rowline/uploads/", b"")  # a "folder" that a console made
    s3.drop("rowline-too/uploads/x", b"")
    assert list(s3_store.keys("uploads/")) == [f"uploads/{number:04}" for number in range(2_100)]
    assert s3.stats.operations["list"] == 3


def test_a_list_whose_second_page_fails_is_no_shorter_list(s3_store: S3ObjectStore, s3: S3Server):
    """Whoever deletes what is not in the list must not be handed half of it."""
    for number in range(1_001):
        s3.drop(f"rowline/{number:04}", b"")
    keys = s3_store.keys("")
    assert next(keys) == "0000"
    s3.faults.append(Fault("server_error", "list", always=True))
    with pytest.raises(ObjectStoreUnavailable, match="Objects cannot be listed in"):
        list(keys)
