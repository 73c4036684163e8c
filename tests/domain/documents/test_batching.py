"""Which batches are embedded together, and how a bill is shared among them."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents.batching import PlannedBatch, request_groups, shares
from tests.domain.documents.examples import patiently

planned = st.lists(st.integers(0, 300), max_size=60).map(
    lambda inputs: [PlannedBatch(number, count) for number, count in enumerate(inputs, 1)]
)


@patiently
@given(planned, st.integers(1, 512))
def test_every_batch_is_in_one_group_in_the_order_of_the_plan(batches: list[PlannedBatch], limit: int) -> None:
    groups = list(request_groups(batches, limit))
    assert [number for group in groups for number in group] == [batch.batch_number for batch in batches]
    assert all(groups)


@patiently
@given(planned, st.integers(1, 512))
def test_a_group_is_a_request_full_or_one_batch(batches: list[PlannedBatch], limit: int) -> None:
    """A batch larger than a request is not split: it is the unit of durability."""
    inputs = {batch.batch_number: batch.planned_inputs for batch in batches}
    for group in request_groups(batches, limit):
        with_inputs = [number for number in group if inputs[number]]
        assert sum(inputs[number] for number in group) <= limit or len(with_inputs) == 1


@patiently
@given(planned, st.integers(1, 512))
def test_neighbours_that_fit_into_one_request_share_it(batches: list[PlannedBatch], limit: int) -> None:
    inputs = {batch.batch_number: batch.planned_inputs for batch in batches}
    groups = list(request_groups(batches, limit))
    for group, following in pairwise(groups):
        assert sum(inputs[number] for number in group) + inputs[following[0]] > limit


def test_a_file_of_which_one_percent_changed_costs_full_requests() -> None:
    """10,000 rows, 100 changed, one a batch: one request instead of a hundred."""
    batches = [PlannedBatch(number, 1) for number in range(1, 101)]
    assert [len(group) for group in request_groups(batches, 256)] == [100]


def test_a_first_upload_is_packed_without_splitting() -> None:
    batches = [PlannedBatch(number, 100) for number in range(1, 6)]
    assert list(request_groups(batches, 256)) == [[1, 2], [3, 4], [5]]


def test_long_texts_are_packed_by_their_tokens() -> None:
    """Thirty texts of 5,000 tokens a batch: two batches would exceed what a request may hold."""
    batches = [PlannedBatch(number, 30, 150_000) for number in range(1, 4)] + [PlannedBatch(4, 30, 60_000)]
    assert list(request_groups(batches, 256)) == [[1], [2], [3, 4]]


def test_no_batch_no_group() -> None:
    assert list(request_groups([], 256)) == []


def test_groups_are_made_while_the_plan_is_read() -> None:
    """A plan of a million rows is not read to its end before the first request goes out (law 9)."""
    read = []

    def plan() -> Iterator[PlannedBatch]:
        for number in range(1, 10):
            read.append(number)
            yield PlannedBatch(number, 100)

    assert next(request_groups(plan(), 200)) == [1, 2]
    assert read == [1, 2, 3]


@patiently
@given(st.integers(0, 10**9), st.lists(st.integers(0, 2048), min_size=1, max_size=40))
def test_shares_add_up_and_are_fair(total: int, weights: list[int]) -> None:
    """The tokens of the batches are the tokens of the bill, to the last one."""
    parts = shares(total, weights)
    assert len(parts) == len(weights)
    assert sum(parts) == total
    assert all(part >= 0 for part in parts)
    whole = sum(weights)
    if whole:
        fair = [total * weight / whole for weight in weights]
        assert all(abs(part - wanted) <= 1 for part, wanted in zip(parts, fair, strict=True))
        assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if not weight)


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [(10, [1, 1, 2], [2, 3, 5]), (7, [0, 0], [7, 0]), (0, [3, 4], [0, 0]), (5, [9], [5]), (0, [], [])],
)
def test_shares_by_hand(total: int, weights: list[int], parts: list[int]) -> None:
    assert shares(total, weights) == parts
