"""What every body of object storage must do; a body is added to `BODIES` and to nothing else.

With ROWLINE_REAL_SERVICES=1 and OBJECT_STORE=s3://… the real service is a body as well, under a prefix of its own.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from domain.errors import PermanentError
from resources.objects.folder import FolderObjectStore
from resources.objects.protocol import ObjectStore
from resources.objects.s3 import S3ObjectStore

ADDRESS, ENDPOINT = os.environ.get("OBJECT_STORE", ""), os.environ.get("S3_ENDPOINT_URL")
IS_REAL = os.environ.get("ROWLINE_REAL_SERVICES") == "1" and ADDRESS.startswith("s3://")


def folder(request: pytest.FixtureRequest) -> ObjectStore:
    return FolderObjectStore(request.getfixturevalue("tmp_path") / "objects")


def s3(request: pytest.FixtureRequest) -> ObjectStore:
    return request.getfixturevalue("s3_store")


def real_s3(request: pytest.FixtureRequest) -> ObjectStore:
    store = S3ObjectStore(f"{ADDRESS.rstrip('/')}/contract-{uuid4().hex}", ENDPOINT)
    request.addfinalizer(lambda: [store.delete(key) for key in list(store.keys(""))])
    return store


BODIES: list[Callable[[pytest.FixtureRequest], ObjectStore]] = [folder, s3, *([real_s3] if IS_REAL else [])]


@pytest.fixture(params=BODIES, ids=lambda body: body.__name__)
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return request.param(request)


def read(store: ObjectStore, key: str) -> bytes:
    with store.local(key) as path:
        return path.read_bytes()


def test_what_was_put_can_be_read_and_its_size_and_hash_are_told(store: ObjectStore):
    body = b"x" * 3_000_000
    stored = store.put("a/b/c", io.BytesIO(body))
    assert (stored.key, stored.byte_size, stored.sha256) == ("a/b/c", 3_000_000, hashlib.sha256(body).digest())
    assert read(store, "a/b/c") == body


def test_an_empty_object_is_an_object(store: ObjectStore):
    assert store.put("empty", io.BytesIO(b"")).byte_size == 0
    assert read(store, "empty") == b""


def test_a_put_replaces_what_was_there(store: ObjectStore):
    store.put("a", io.BytesIO(b"a long first body"))
    store.put("a", io.BytesIO(b"short"))
    assert read(store, "a") == b"short"
    assert list(store.keys("")) == ["a"]


def test_an_object_that_is_too_large_is_refused_and_leaves_nothing(store: ObjectStore):
    with pytest.raises(PermanentError, match=r"larger than the 1 MiB that are accepted"):
        store.put("a", io.BytesIO(b"x" * (2**20 + 1)), max_bytes=2**20)
    assert list(store.keys("")) == []
    assert store.put("a", io.BytesIO(b"x" * 2**20), max_bytes=2**20).byte_size == 2**20


def test_a_stream_that_breaks_leaves_nothing_and_keeps_what_was_there(store: ObjectStore):
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ValueError("connection lost")

    store.put("a", io.BytesIO(b"before"))
    with pytest.raises(ValueError, match="connection lost"):
        store.put("a", Broken())
    assert read(store, "a") == b"before"
    assert list(store.keys("")) == ["a"]


def test_an_unknown_object_is_told_with_what_to_do(store: ObjectStore):
    with pytest.raises(PermanentError, match=r"Object a/b is not in .*; upload the file again"), store.local("a/b"):
        pass


def test_an_object_written_in_parts_appears_when_the_block_ends(store: ObjectStore):
    with store.writing("a/b") as path:
        path.write_bytes(b"half")
        assert list(store.keys("")) == []
    assert read(store, "a/b") == b"half"


def test_a_block_that_fails_leaves_what_was_there(store: ObjectStore):
    store.put("a", io.BytesIO(b"before"))

    def fail() -> None:
        with store.writing("a") as path:
            path.write_bytes(b"half")
            raise KeyError("no luck")

    with pytest.raises(KeyError):
        fail()
    assert read(store, "a") == b"before"
    assert list(store.keys("")) == ["a"]


def test_keys_are_listed_by_prefix(store: ObjectStore):
    for key in ("uploads/a", "uploads/b/c", "documents/d", "uploads-old/e"):
        store.put(key, io.BytesIO(b"x"))
    assert sorted(store.keys("uploads/")) == ["uploads/a", "uploads/b/c"]
    assert len(list(store.keys(""))) == 4


def test_delete_removes_and_an_unknown_key_is_fine(store: ObjectStore):
    store.put("a/b", io.BytesIO(b"x"))
    store.delete("a/b")
    store.delete("a/b")
    assert list(store.keys("")) == []


@pytest.mark.parametrize("key", ["../out", "a/../../out", "/etc/out"])
def test_no_key_leads_out_of_the_store(store: ObjectStore, key: str, tmp_path: Path):
    with pytest.raises(PermanentError, match="leads out of the object store"):
        store.put(key, io.BytesIO(b"x"))
    assert not (tmp_path / "out").exists()


def test_an_object_has_an_address_a_person_can_open(store: ObjectStore):
    store.put("a/b", io.BytesIO(b"x"))
    assert store.link("a/b").split(":")[0] in {"file", "http", "https"}
