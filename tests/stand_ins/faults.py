"""Faults: what a stand-in does to the next request, in one vocabulary for every service.

rate_limit · server_error · unavailable · reset_before (cut before the request is applied) · reset_after (applied,
then cut) · timeout (no answer) · slow (late, but in time) · truncated (half an answer) · garbage (200 with something
else) · wrong_key · missing (the index, bucket, model or database is not there) · quota_full.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble; with an `operation` it waits for that kind of request, `always` it stays."""

    kind: str
    operation: str = ""
    always: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0  # how long "slow" takes
    message: str = ""  # in place of the usual one

    def hits(self, operation: str) -> bool:
        return self.operation in ("", operation)


NONE = Fault("none")


def next_fault(faults: deque[Fault], operation: str) -> Fault:
    """The first fault that hits this kind of request, taken from the queue unless it stays; else `NONE`."""
    for fault in faults:
        if fault.hits(operation):
            if not fault.always:
                faults.remove(fault)
            return fault
    return NONE
