"""Batches: which embedding requests to make for what is still to be embedded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

PLAN_VERSION = "1"  # code_version of batches: bump when the same rows would be planned otherwise
# Estimated tokens of a request: a fifth under the services' limit of 300,000, because estimates are that far off.
REQUEST_TOKENS = 240_000


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """One unfinished batch of the plan, how many texts it has to embed, and their estimated tokens."""

    batch_number: int
    planned_inputs: int
    planned_tokens: int = 0


def request_groups(batches: Iterable[PlannedBatch], request_inputs: int) -> Iterator[list[int]]:
    """Batch numbers that are embedded and committed together.

    Neighbours are packed up to `request_inputs` texts or REQUEST_TOKENS, so that a file of which 1 % changed costs a
    few full requests and not one small one a batch. A batch is never split over groups: it is the unit of progress,
    and one that needs several requests is kept request by request.
    """
    group: list[int] = []
    inputs = tokens = 0
    for batch in batches:
        full = inputs + batch.planned_inputs > request_inputs or tokens + batch.planned_tokens > REQUEST_TOKENS
        if group and full:
            yield group
            group, inputs, tokens = [], 0, 0
        group.append(batch.batch_number)
        inputs += batch.planned_inputs
        tokens += batch.planned_tokens
    if group:
        yield group


def shares(total: int, weights: list[int]) -> list[int]:
    """`total` split in proportion to `weights`, in whole numbers that add up to it again."""
    whole = sum(weights)
    if not whole:
        return [total, *[0] * (len(weights) - 1)] if weights else []
    ends = [total * so_far // whole for so_far in accumulate(weights)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
