"""The table of the fault matrix: a line a cell, shown when the session ends."""

from __future__ import annotations

WIDTH = 100  # letters of a reason
HEAD = "fault matrix: service, point, fault, how long, the version, after a retry"


def fault_line(
    service: str, point: str, kind: str, always: bool, end: str, after: str, error: str | None = None
) -> str:
    how = "always" if always else "once"
    return f"{service:11s} {point:11s} {kind:13s} {how:7s} {end:21s} {after}  {(error or '')[:WIDTH]}".rstrip()
