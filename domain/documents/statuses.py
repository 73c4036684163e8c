"""The words about a version: its statuses, and the sentences for ends that nothing else explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

Status = Literal["pending", "processing", "completed", "failed", "rolled_back"]


class VersionOutcome(Protocol):
    """A version that may have a result."""

    @property
    def result(self) -> Mapping[str, Any] | None: ...


def unexplained_end(how: str, steps: Sequence[str], run_id: str) -> str:
    """The error of a document whose run ended (`how`) without an error of a step."""
    where = f" in {', '.join(steps)}" if steps else ""
    return f"The run {how}{where}; run {run_id[:8]} in Dagster has the details. Finished batches are kept: retry."


def process_gone_message(run_id: str, where: str = "") -> str:
    """The error of a document whose run's process died without reporting one."""
    return (
        f"The process of run {run_id[:8]}{where} is gone: killed, out of memory, or its machine stopped. "
        "Finished batches are kept: retry."
    )


def error_rows(version: VersionOutcome) -> int:
    """The number of rows of a completed version with an error; above 0 it is a partial success."""
    return int(version.result["errorRows"]) if version.result else 0


def describe_status(status: str, errors: int) -> str:
    """A status, with the number of error rows if there are some."""
    return f"{status} with {count_noun(errors, 'error row')}" if errors else status


def count_noun(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
