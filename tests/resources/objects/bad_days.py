"""What the tests of S3 share: limits, a body of two parts, and what a failure may show."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.errors import RowlineError
from resources.objects.s3 import S3ObjectStore
from resources.objects.s3_client import LIMITS
from tests.stand_ins.s3_server import KEY, SECRET

FEW = replace(LIMITS, attempts=2, part_bytes=5 * 2**20)  # S3 takes no smaller parts
LARGE = random.Random(7).randbytes(6 * 2**20)  # two parts


def hurried(store: S3ObjectStore, kind: str) -> S3ObjectStore:
    """A store that waits 0.3 s, for a fault that is waited for; any other may take the time of a busy computer."""
    limits = replace(FEW, read_seconds=0.3)
    return S3ObjectStore(str(store.bucket), store.bucket.endpoint_url, limits) if kind == "timeout" else store


def read(store: S3ObjectStore, key: str) -> bytes:
    with store.local(key) as path:
        return path.read_bytes()


def written(store: S3ObjectStore, body: bytes) -> None:
    with store.writing("a/b") as path:
        path.write_bytes(body)


def failure(call: Callable[[], object]) -> RowlineError:
    """What a call raises: never with a key or secret, in the sentence or in what hangs on it."""
    with pytest.raises(RowlineError) as error:
        call()
    shown = "".join(traceback.format_exception(error.value))
    assert KEY not in shown
    assert SECRET not in shown
    return error.value
