"""What one file may cost: bytes, memory, seconds, columns, characters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost. The defaults let every real file of a 3,679-file corpus through (docs/reading.md)."""

    file_bytes: int = 256 * 2**20
    zip_members: int = 2_000
    zip_bytes: int = 2**30  # all members, expanded
    zip_part_bytes: int = 512 * 2**20
    zip_ratio: int = 200  # asked only of members over 10 MiB
    memory_bytes: int = 2**30  # address space of the child
    cpu_seconds: int = 240  # of one child
    wall_seconds: float = 60.0  # the longest silence of a child; the reader's own pauses do not count
    columns: int = 1_024
    cell_chars: int = 32_767
    row_chars: int = 1_000_000
    text_bytes: int = 2**30  # all the text one file gives
    warnings: int = 100  # of one sort per sheet, the rest is counted
