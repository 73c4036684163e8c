"""How texts are cut into jobs, what they are called there, and when a job is looked at again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents.embedding_jobs import (
    INITIAL_POLL_INTERVAL_SECONDS,
    JOB_BYTES,
    MAX_POLL_INTERVAL_SECONDS,
    input_name,
    job_ranges,
    named_input,
    seconds_to_next_poll,
    waiting_sentence,
)
from tests.domain.documents.examples import patiently


@patiently
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 40))), st.integers(1, 6), st.integers(1, 60))
def test_every_text_is_in_one_order_and_every_order_within_both_limits(
    steps: list[tuple[int, int]], most_inputs: int, most_bytes: int
) -> None:
    position, sizes = 0, {}
    for step, size in steps:
        position += step
        sizes[position] = size
    ranges = list(job_ranges(sizes.items(), most_inputs, most_bytes))
    held = [[at for at in sizes if part.first <= at <= part.last] for part in ranges]
    assert [at for part in held for at in part] == list(sizes)
    for part, positions in zip(ranges, held, strict=True):
        assert (part.first, part.last, part.inputs) == (positions[0], positions[-1], len(positions))
        assert len(positions) <= most_inputs
        assert len(positions) == 1 or sum(sizes[at] for at in positions) <= most_bytes


def test_a_file_of_the_most_awkward_texts_is_within_200_megabytes() -> None:
    """A control character is one byte of UTF-8 and six of JSON; 50,000 lines have 250 bytes around their texts."""
    assert 6 * JOB_BYTES + 50_000 * 250 < 200 * 10**6


@given(st.integers(0, 2**31 - 1), st.binary(min_size=16, max_size=16))
def test_an_input_is_found_again_by_its_name(position: int, digest: bytes) -> None:
    name = input_name(position, digest)
    assert named_input(name) == (position, digest)
    assert len(name) <= 64


def test_looks_become_rarer() -> None:
    assert [seconds_to_next_poll(looks) for looks in range(4)] == [
        INITIAL_POLL_INTERVAL_SECONDS * n for n in (1, 2, 4, 8)
    ]
    assert seconds_to_next_poll(50) == MAX_POLL_INTERVAL_SECONDS


@pytest.mark.parametrize(
    ("jobs", "inputs", "told"),
    [
        (1, 1, "1 text at the lower price (1 batch job, up to 24 hours)"),
        (2, 61_000, "61,000 texts at the lower price (2 batch jobs, up to 24 hours)"),
    ],
)
def test_what_a_document_waits_for_is_told_in_numbers(jobs: int, inputs: int, told: str) -> None:
    assert waiting_sentence(jobs, inputs) == f"waits for the embedding service to work on {told}"
