"""What every embedder promises, asked of every body (and of the real service where its key is given: README)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.embedders.inputs import screen_inputs, split_requests
from resources.embedders.protocol import Embedder, Model

Near = Callable[[np.ndarray, np.ndarray], bool]
TEXTS = [
    "Office furniture for the regional hospital, 120 chairs",
    "지역 병원 사무용 가구, 의자 120개",
    "Q3-2026 | 1,204.50 EUR | B-77",
    "🙂 emoji and ﬁ ligature",
    "tab\tnewline\nnul\x00 inside",
]


def test_a_model_is_named_by_provider_name_and_dimension() -> None:
    assert Model("openai", "text-embedding-3-small", 1536).key == "openai/text-embedding-3-small/1536"


def test_the_answer_is_one_unit_vector_per_text_in_one_block_of_float32(embedder: Embedder) -> None:
    answer = embedder.embed(TEXTS)
    assert answer.vectors.shape == (len(TEXTS), embedder.model.dimension)
    assert answer.vectors.dtype == np.float32
    assert answer.vectors.flags.c_contiguous
    assert np.allclose(np.linalg.norm(answer.vectors, axis=1), 1, atol=1e-5)
    assert answer.refused == {}


def test_vectors_come_in_the_order_of_the_texts_and_do_not_depend_on_the_neighbours(
    embedder: Embedder, near: Near
) -> None:
    together = embedder.embed(TEXTS).vectors
    backwards = embedder.embed(TEXTS[::-1]).vectors[::-1]
    alone = np.concatenate([embedder.embed([text]).vectors for text in TEXTS])
    assert near(together, backwards)
    assert near(together, alone)
    assert np.all(together @ together.T - np.eye(len(TEXTS)) < 0.99)


def test_the_same_call_twice_gives_the_same_vectors(embedder: Embedder, near: Near) -> None:
    assert near(embedder.embed(TEXTS).vectors, embedder.embed(TEXTS).vectors)


def test_answers_settle_every_text_once_and_say_what_they_cost(embedder: Embedder) -> None:
    """What was refused comes with a reason and a row of zeros; the sum of all answers is `embed`."""
    texts = [*TEXTS, " ", TEXTS[0]]
    answers = list(embedder.embed_batches(texts))
    assert sorted(position for answer in answers for position in answer.positions) == list(range(len(texts)))
    for answer in answers:
        assert answer.vectors.shape == (len(answer.positions), embedder.model.dimension)
        refused = [position in answer.refused for position in answer.positions]
        assert list(answer.vectors.any(axis=1)) == [not was for was in refused]
    assert {position for answer in answers for position in answer.refused} == {len(TEXTS)}
    assert sum(answer.requests for answer in answers) == embedder.embed(texts).requests
    assert list(embedder.embed_batches([])) == []


def test_no_texts_give_no_vectors_and_no_request(embedder: Embedder) -> None:
    answer = embedder.embed([])
    assert answer.vectors.shape == (0, embedder.model.dimension)
    assert (answer.refused, answer.requests) == ({}, 0)


@pytest.mark.parametrize("bad", ["", "   \n\t", "\u200b\ufeff", "half a pair \ud800"])
def test_a_text_that_nobody_can_embed_is_refused_alone(embedder: Embedder, near: Near, bad: str) -> None:
    answer = embedder.embed([TEXTS[0], bad, TEXTS[1]])
    assert list(answer.refused) == [1]
    assert answer.refused[1].startswith("the text is ")
    assert not answer.vectors[1].any()
    assert near(answer.vectors[[0, 2]], embedder.embed(TEXTS[:2]).vectors)


def test_only_refused_texts_need_no_model(embedder: Embedder) -> None:
    answer = embedder.embed(["", " "])
    assert list(answer.refused) == [0, 1]
    assert answer.requests == 0


def test_a_text_too_long_for_the_model_is_refused_alone(embedder: Embedder) -> None:
    answer = embedder.embed([TEXTS[0], "contract award " * 2_000, TEXTS[1]])
    assert list(answer.refused) == [1]
    assert "characters" in answer.refused[1] or "8192 tokens" in answer.refused[1]
    assert np.allclose(np.linalg.norm(answer.vectors, axis=1), [1, 0, 1], atol=1e-5)


def test_threads_get_what_one_thread_gets(embedder: Embedder, near: Near) -> None:
    calls = [[f"{text}, lot {lot}" for text in TEXTS] for lot in range(8)]
    expected = [embedder.embed(texts).vectors for texts in calls]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(embedder.embed, calls))
    for answer, vectors in zip(found, expected, strict=True):
        assert near(answer.vectors, vectors)


def test_the_price_of_a_known_model_is_told_without_a_network(embedder: Embedder) -> None:
    assert embedder.price_per_million_tokens() == (0.0 if embedder.model.provider == "local" else 0.02)


@given(texts=st.lists(st.text(max_size=8)))
def test_every_text_is_either_sent_or_refused_with_a_reason(texts: list[str]) -> None:
    positions, refused = screen_inputs(texts)
    assert sorted([*positions, *refused]) == list(range(len(texts)))
    assert all(texts[position].strip() for position in positions)


@given(sizes=st.lists(st.integers(1, 50)), max_inputs=st.integers(1, 5), tokens=st.integers(20, 60))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_requests_keep_both_limits_and_lose_nothing(sizes: list[int], max_inputs: int, tokens: int) -> None:
    parts = list(split_requests(enumerate(sizes), max_inputs, tokens, alone_above=20))
    assert sorted(position for part in parts for position in part) == list(range(len(sizes)))
    for part in parts:
        assert 1 <= len(part) <= max_inputs
        assert len(part) == 1 or sum(sizes[position] for position in part) <= tokens
        assert len(part) == 1 or max(sizes[position] for position in part) <= 20
