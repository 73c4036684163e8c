"""Embedding jobs: texts that a service embeds in its own time, at a lower price (OpenAI's Batch API)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

JOB_INPUTS = 50_000
# UTF-8 of the texts of one file of at most 200 MB: JSON may write a character of one byte as six (\u0000).
JOB_BYTES = 30 * 10**6
INITIAL_POLL_INTERVAL_SECONDS = 60.0
MAX_POLL_INTERVAL_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class RowRange:
    """Positions of the first and the last row of a job, and how many texts are to be embedded between them."""

    first: int
    last: int
    inputs: int


def job_ranges(
    sizes: Iterable[tuple[int, int]], max_inputs: int = JOB_INPUTS, max_bytes: int = JOB_BYTES
) -> Iterator[RowRange]:
    """Cuts (row position, UTF-8 bytes) of the texts, in order, into files that the service takes."""
    first = last = inputs = load = 0
    for position, size in sizes:
        if inputs and (inputs == max_inputs or load + size > max_bytes):
            yield RowRange(first, last, inputs)
            inputs = load = 0
        first = position if not inputs else first
        last, inputs, load = position, inputs + 1, load + size
    if inputs:
        yield RowRange(first, last, inputs)


def seconds_to_next_poll(polls: int) -> float:
    """A minute after submission, then twice as long each time up to a quarter of an hour: a job takes hours."""
    return float(min(INITIAL_POLL_INTERVAL_SECONDS * 2**polls, MAX_POLL_INTERVAL_SECONDS))


def input_name(row_position: int, text_hash: bytes) -> str:
    """What an input is called in a job: answers come in any order."""
    return f"{row_position}-{text_hash.hex()}"


def named_input(name: str) -> tuple[int, bytes]:
    """The row position and text hash of `input_name`. Raises ValueError for any other text."""
    position, _, digest = name.partition("-")
    return int(position), bytes.fromhex(digest)


def waiting_sentence(jobs: int, inputs: int) -> str:
    """What a document waits for, as a sentence for people."""
    return (
        f"waits for the embedding service to work on {inputs:,} text{'s'[: inputs != 1]} at the lower price "
        f"({jobs} batch job{'s'[: jobs != 1]}, up to 24 hours)"
    )
