"""Uploads to S3: in one request or in parts, under checksums, whole or not there, and never in memory."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile

import pytest

from domain.errors import InvalidRequest, PermanentError, TransientError
from resources.objects.s3 import S3ObjectStore
from settings.settings import PROJECT_ROOT
from tests.grids import kinds
from tests.resources.objects.bad_days import FEW, LARGE, failure, hurried, read, written
from tests.stand_ins.faults import Fault
from tests.stand_ins.s3_server import BUCKET, S3Server

pytestmark = pytest.mark.usefixtures("no_file_left")


def test_a_large_object_goes_in_parts_each_under_its_checksum(store: S3ObjectStore, s3: S3Server):
    stored = store.put("a/b", io.BytesIO(LARGE))
    assert stored.byte_size == len(LARGE)
    assert (s3.stats.operations["part"], s3.stats.operations["complete"], s3.stats.operations["put"]) == (2, 1, 0)
    assert read(store, "a/b") == LARGE
    written(store, LARGE[::-1])
    assert read(store, "a/b") == LARGE[::-1]
    assert s3.unfinished() == []


@pytest.mark.parametrize("size", [5 * 2**20 - 1, 5 * 2**20, 5 * 2**20 + 1])
def test_sizes_around_a_part_are_stored_whole(store: S3ObjectStore, s3: S3Server, size: int):
    store.put("a/b", io.BytesIO(LARGE[:size]))
    assert s3.body("rowline/a/b") == LARGE[:size]
    assert s3.stats.operations["part"] == (-(-size // FEW.part_bytes) if size > FEW.part_bytes else 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", kinds(["server_error", "reset_before", "reset_after", "truncated", "timeout", "quota_full"])
)
@pytest.mark.parametrize("operation", ["create_upload", "part", "complete"])
def test_an_upload_in_parts_that_fails_leaves_no_part_and_no_object(
    store: S3ObjectStore, s3: S3Server, kind: str, operation: str
):
    """Parts that nobody completes are in no list of objects, and are paid for every month."""
    s3.faults.append(Fault(kind, operation, always=True))
    failure(lambda: written(hurried(store, kind), LARGE))
    assert s3.unfinished() == []
    if (operation, kind) not in {("complete", "reset_after"), ("complete", "truncated")}:  # those were applied
        assert s3.stored() == []
    s3.faults.clear()
    written(store, LARGE)
    assert read(store, "a/b") == LARGE


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds(["server_error", "reset_before", "reset_after", "truncated", "timeout"]))
@pytest.mark.parametrize("operation", ["create_upload", "part", "complete"])
def test_an_upload_in_parts_survives_one_fault(store: S3ObjectStore, s3: S3Server, kind: str, operation: str):
    """Also the lost answer to the last request: the second try finds nothing left to complete."""
    s3.faults.append(Fault(kind, operation))
    written(hurried(store, kind), LARGE)
    assert read(store, "a/b") == LARGE
    assert s3.unfinished() == []
    assert not s3.faults


def test_a_completion_that_is_lost_is_not_taken_for_one_that_never_was(store: S3ObjectStore, s3: S3Server):
    """Somebody ended the upload: nothing was stored, whatever lay there before."""
    store.put("a/b", io.BytesIO(b"old"))
    real = store.bucket.client.complete_multipart_upload

    def ended(**arguments: object) -> object:
        target = {name: arguments[name] for name in ("Bucket", "Key", "UploadId")}
        store.bucket.client.abort_multipart_upload(**target)
        return real(**arguments)

    store.bucket.client.complete_multipart_upload = ended
    error = failure(lambda: written(store, LARGE))
    assert "NoSuchUpload" in str(error)
    assert read(store, "a/b") == b"old"


def test_bytes_that_change_on_their_way_are_refused_by_the_service(
    store: S3ObjectStore, s3: S3Server, monkeypatch: pytest.MonkeyPatch
):
    """The checksum is that of what we read, not of what happens to be sent."""
    from resources.objects import s3_upload

    real = s3_upload._put
    monkeypatch.setattr(s3_upload, "_put", lambda *given: real(given[0], given[1], b"other", given[3]))
    error = failure(lambda: store.put("a/b", io.BytesIO(b"bytes")))
    assert isinstance(error, TransientError)
    assert "did not arrive as they were sent (BadDigest)" in str(error)
    assert s3.stored() == []


def test_a_stream_that_is_too_large_or_breaks_costs_no_request(store: S3ObjectStore, s3: S3Server):
    with pytest.raises(InvalidRequest, match="larger than the 1 MiB that are accepted"):
        store.put("a/b", io.BytesIO(LARGE), max_bytes=2**20)
    assert s3.stats.requests == 0


def test_a_full_temporary_folder_is_told(store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch):
    store.put("a/b", io.BytesIO(b"x"))
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    for call in (lambda: store.put("a/b", io.BytesIO(LARGE)), lambda: read(store, "a/b"), lambda: written(store, b"")):
        error = failure(call)
        assert isinstance(error, PermanentError)
        assert "by way of /nowhere: No such file or directory" in str(error)


# -- memory -----------------------------------------------------------------------------------------------------

MEASURE = """
import io, json, resource, sys
from resources.objects.s3 import S3ObjectStore
from tests.grids import kinds

class Stream(io.RawIOBase):
    left = 160
    def read(self, size=-1):
        self.left -= 1
        return bytes([self.left % 251]) * size if self.left >= 0 else b""

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

store = S3ObjectStore(sys.argv[1], sys.argv[2])
store.put("small", io.BytesIO(b"x" * 9_000_000))
before = peak()
size = store.put("large", Stream()).byte_size
with store.local("large") as path:
    read = path.stat().st_size
print(json.dumps({"grown": peak() - before, "stored": size, "read": read}))
"""


@pytest.mark.slow
def test_memory_holds_a_few_parts_and_never_the_file(s3: S3Server):
    """160 MiB up and down in a process of its own (the stand-in keeps objects in ours)."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, f"s3://{BUCKET}/rowline", s3.endpoint_url],
        env=dict(os.environ),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    error = json.loads(done.stdout)
    assert (error["stored"], error["read"]) == (160 * 2**20, 160 * 2**20)
    assert error["grown"] < 64  # four parts of 8 MiB, and what the sockets hold
