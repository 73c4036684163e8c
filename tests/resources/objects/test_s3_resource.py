"""dagster-aws's S3 resource: its client is the object store's, in a run and for assets of a user."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from botocore.exceptions import ClientError
from dagster_aws.s3 import S3Resource

from pipelines import resources
from resources.objects.s3 import S3ObjectStore
from resources.objects.s3_resource import BucketResource
from tests.stand_ins.faults import Fault
from tests.stand_ins.s3_server import BUCKET, KEY, SECRET, S3Server


@pytest.fixture
def in_bucket(s3: S3Server, clean_environment: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of a deployment over the bucket, as a run's process finds them."""
    monkeypatch.setenv("OBJECT_STORE", f"s3://{BUCKET}/rowline")
    monkeypatch.setenv("S3_ENDPOINT_URL", s3.endpoint_url)
    for opened in (resources.services, resources.s3_resource):
        opened.cache_clear()
    yield
    for opened in (resources.services, resources.s3_resource):
        opened.cache_clear()


@pytest.mark.parametrize("endpoint_url", [None, "http://127.0.0.1:9"])
def test_the_client_has_every_option_of_the_object_store(s3: S3Server, endpoint_url: str | None):
    """Timeouts, attempts, pool, path style, checksums; and region, endpoint and keys as boto3 finds them."""
    ours = S3ObjectStore(f"s3://{BUCKET}", endpoint_url).bucket.client
    theirs = BucketResource(endpoint_url=endpoint_url).get_client()
    assert vars(theirs.meta.config) == vars(ours.meta.config)
    assert (theirs.meta.region_name, theirs.meta.endpoint_url) == (ours.meta.region_name, ours.meta.endpoint_url)
    assert theirs.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "a"}).count(KEY) == 1


def test_the_object_store_of_a_run_has_its_client_from_the_resource(
    in_bucket: None, s3: S3Server, monkeypatch: pytest.MonkeyPatch
):
    made: list[Any] = []
    get_client = BucketResource.get_client
    monkeypatch.setattr(BucketResource, "get_client", lambda self: made.append(get_client(self)) or made[-1])
    objects = resources.services().objects
    assert made == []  # made when first used
    objects.put("a/b", io.BytesIO(b"body"))
    assert isinstance(objects, S3ObjectStore)
    assert made == [objects.bucket.client]
    assert s3.stored() == ["rowline/a/b"]


def test_an_asset_of_a_user_reads_the_bucket_through_the_resource(in_bucket: None, s3_store: S3ObjectStore):
    s3_store.put("a/b", io.BytesIO("금액".encode()))

    @dg.asset
    def what_lies_there(s3: S3Resource) -> str:
        return s3.get_client().get_object(Bucket=BUCKET, Key="rowline/a/b")["Body"].read().decode()

    result = dg.materialize([what_lies_there], resources={"s3": resources.RESOURCES["s3"]})
    assert result.output_for_node("what_lies_there") == "금액"


def test_fields_of_the_resource_come_before_the_environment(s3: S3Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
    BucketResource(endpoint_url=s3.endpoint_url, **keys).get_client().put_object(Bucket=BUCKET, Key="a", Body=b"x")
    assert s3.stored() == ["a"]
    anonymous = BucketResource(endpoint_url=s3.endpoint_url, use_unsigned_session=True, **keys).get_client()
    with pytest.raises(ClientError):  # sent without a signature, which the stand-in refuses
        anonymous.put_object(Bucket=BUCKET, Key="b", Body=b"x")


@pytest.mark.parametrize(("resource", "requests"), [(BucketResource, 2), (S3Resource, 3)])
def test_max_attempts_counts_the_first_request(s3: S3Server, resource: type[S3Resource], requests: int):
    """As its description says; S3Resource's own client counts retries. When that is mended, ours may go."""
    s3.faults.append(Fault("server_error", "put", always=True))
    client = resource(
        endpoint_url=s3.endpoint_url, max_attempts=2, aws_access_key_id=KEY, aws_secret_access_key=SECRET
    ).get_client()
    with pytest.raises(ClientError):
        client.put_object(Bucket=BUCKET, Key="a", Body=b"x", ContentLength=1)
    assert s3.stats.operations["put"] == requests
