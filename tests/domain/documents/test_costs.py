"""Costs: a careful estimate before, the exact sum after."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents.costs import BYTES_PER_TOKEN, cost_usd, estimated_tokens
from tests.domain.documents.examples import patiently


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (3, 1), (4, 2), (300, 100)])
def test_tokens_are_estimated_from_bytes_and_rounded_up(size: int, tokens: int) -> None:
    assert estimated_tokens(size) == tokens


@patiently
@given(st.integers(0, 10**12))
def test_an_estimate_covers_every_byte_and_not_a_token_more(size: int) -> None:
    tokens = estimated_tokens(size)
    assert tokens * BYTES_PER_TOKEN >= size > (tokens - 1) * BYTES_PER_TOKEN


def test_a_price_is_per_million_tokens() -> None:
    assert cost_usd(1_000_000, 0.02) == pytest.approx(0.02)
    assert cost_usd(1, 0.02) == pytest.approx(2e-8)


def test_a_model_that_runs_here_costs_nothing() -> None:
    assert cost_usd(10**9, 0.0) == 0.0


def test_a_price_that_is_not_known_is_not_free() -> None:
    assert cost_usd(10**9, None) is None


def test_tokens_that_could_wait_cost_half() -> None:
    assert cost_usd(1_000_000, 0.02, economy_tokens=1_000_000) == pytest.approx(0.01)
    assert cost_usd(1_000_000, 0.02, economy_tokens=400_000) == pytest.approx(0.016)
