"""Probes: what a check leaves behind for a moment, and takes away again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from domain.errors import RowlineError


def probe_key() -> str:
    """The key of an object that nobody has."""
    return f"rowline-doctor-{uuid4().hex}"


@contextmanager
def left_clean(clean: Callable[[], None]) -> Iterator[None]:
    """Clean up after the block: a call without an answer may have been applied. The block's own failure is raised."""
    try:
        yield
    except BaseException:
        with suppress(RowlineError):
            clean()
        raise
    clean()
