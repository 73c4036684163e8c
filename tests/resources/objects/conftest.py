"""A store in the stand-in's bucket that gives up soon, and a temporary folder that must be empty in the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.objects.s3 import S3ObjectStore
from tests.resources.objects.bad_days import FEW
from tests.stand_ins.s3_server import BUCKET, S3Server


@pytest.fixture
def store(s3: S3Server) -> S3ObjectStore:
    """The contract has a `store` of its own, over every body."""
    return S3ObjectStore(f"s3://{BUCKET}/rowline", s3.endpoint_url, FEW)


@pytest.fixture
def no_file_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test does, no temporary file is left of it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert list(tmp_path.iterdir()) == []
