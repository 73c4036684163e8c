"""Requests as the service sees them: limits, order, culprits, settings."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from domain.errors import ConfigurationError
from resources.embedders.openai import PRICES, OpenAIEmbedder, split_rejected
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai_embeddings import REFUSED_MARK, Refusal, check, vector
from tests.stand_ins.openai_server import KEY, OpenAIServer

Connect = Callable[..., OpenAIEmbedder]


def expected(texts: list[str], dimension: int = 1536) -> np.ndarray:
    return np.stack([vector(text, dimension) for text in texts])


def test_vectors_are_bit_for_bit_what_the_service_sent(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    texts = [f"row {number}" for number in range(300)]
    answer = openai.embed(texts)
    assert np.array_equal(answer.vectors, expected(texts))
    assert (answer.requests, answer.tokens) == (2, server.stats.tokens)
    assert [len(body["input"]) for body in server.bodies_seen] == [256, 44]


def test_an_answer_out_of_order_is_put_in_order(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    server.faults.append(Fault("out_of_order"))
    answer = openai.embed(["a", "b", "c"])
    assert np.array_equal(answer.vectors, expected(["a", "b", "c"]))
    assert answer.requests == 1


def test_a_server_that_answers_plain_numbers_is_understood(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    server.faults.append(Fault("floats"))
    assert np.array_equal(openai.embed(["a", "b"]).vectors, expected(["a", "b"]))


def test_usage_that_is_not_reported_is_unknown_rather_than_zero(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    server.faults.append(Fault("no_usage"))
    assert openai.embed(["a"]).tokens is None


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({}, None),
        ({"dimension": 1536}, None),
        ({"dimension": 256}, 256),
        ({"model": "text-embedding-3-large"}, None),
        ({"model": "text-embedding-3-large", "dimension": 1024}, 1024),
        ({"model": "text-embedding-ada-002"}, None),
    ],
)
def test_dimensions_are_sent_only_where_they_differ_from_the_models_own(
    settings: dict[str, object], sent: int | None, connect: Connect, server: OpenAIServer
) -> None:
    embedder = connect(**settings)
    assert embedder.embed(["a"]).vectors.shape == (1, embedder.model.dimension)
    assert server.bodies_seen[0].get("dimensions") == sent
    assert server.bodies_seen[0]["encoding_format"] == "base64"


def test_a_request_stays_under_the_token_limit(connect: Connect, server: OpenAIServer) -> None:
    texts = [f"{number} " + "lorem ipsum " * 1_500 for number in range(60)]  # about 6,000 tokens each
    answer = connect(request_inputs=2048).embed(texts)
    assert answer.refused == {}
    assert server.stats.requests == 2


def test_a_token_count_that_we_estimated_too_low_is_halved(connect: Connect, server: OpenAIServer) -> None:
    server.faults.append(Fault("too_many_tokens"))
    texts = [f"row {number}" for number in range(10)]
    answer = connect().embed(texts)
    assert np.array_equal(answer.vectors, expected(texts))
    assert (answer.requests, answer.refused) == (3, {})


@pytest.mark.parametrize("bad", [{0}, {255}, {7, 8}, {0, 100, 255}])
def test_the_culprits_of_a_refused_request_are_found_and_the_others_kept(
    bad: set[int], openai: OpenAIEmbedder, server: OpenAIServer
) -> None:
    texts = [f"row {number}" + REFUSED_MARK * (number in bad) for number in range(256)]
    answer = openai.embed(texts)
    assert set(answer.refused) == bad
    assert all("is invalid" in reason for reason in answer.refused.values())
    good = [number for number in range(256) if number not in bad]
    assert np.array_equal(answer.vectors[good], expected([texts[number] for number in good]))
    assert not answer.vectors[sorted(bad)].any()
    assert answer.requests <= 2 + 16 * len(bad)


def test_an_input_that_looks_too_long_travels_alone_so_that_its_refusal_costs_one_request(
    openai: OpenAIEmbedder, server: OpenAIServer
) -> None:
    openai.embed(["warm"])
    server.reset()
    texts = ["row", "word " * 8_000, *[f"row {number}" for number in range(254)]]
    answer = openai.embed(texts)
    assert list(answer.refused) == [1]
    assert "maximum context length is 8192 tokens" in answer.refused[1]
    assert server.stats.requests == 2


def test_a_culprit_that_the_service_names_is_believed_after_one_request_of_its_own() -> None:
    assert split_rejected([4, 5, 6, 7], input_index=2) == [[6], [4, 5, 7]]
    assert split_rejected([4, 5, 6, 7], input_index=None) == [[4, 5], [6, 7]]
    assert split_rejected([4, 5, 6], input_index=9) == [[4], [5, 6]]


def test_a_service_that_refuses_everything_blames_the_settings_and_not_the_rows(
    openai: OpenAIEmbedder, server: OpenAIServer
) -> None:
    """vLLM answers 400 without `param` where a model cannot cut its dimension; halving would ask 511 times."""
    server.faults.extend([Fault("refused", message="Model does not support matryoshka representation")] * 600)
    with pytest.raises(ConfigurationError, match="EMBEDDING_DIMENSIONS: Model does not support matryoshka"):
        openai.embed([f"row {number}" for number in range(256)])
    assert server.stats.requests == 2


def test_a_refused_dimension_names_its_setting(connect: Connect) -> None:
    embedder = connect(dimension=256)
    embedder._options["dimensions"] = 4096
    with pytest.raises(ConfigurationError, match=r"EMBEDDING_DIMENSIONS asks for: .*at most 1536"):
        embedder.embed(["a"])


def test_requests_in_flight_are_bounded_over_all_embedders_of_the_process(
    connect: Connect, server: OpenAIServer
) -> None:
    server.fixed_ms = 20
    pair = [connect(in_flight=3), connect(in_flight=3)]
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda number: pair[number % 2].embed([f"{number}"]), range(24)))
    assert np.array_equal(np.concatenate([answer.vectors for answer in answers]), expected([f"{n}" for n in range(24)]))
    assert 2 <= server.stats.at_once <= 3


def test_the_sdk_takes_no_key_and_no_organization_from_the_environment(
    connect: Connect, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_WEBHOOK_SECRET")
    for name in names:
        monkeypatch.setenv(name, "from-elsewhere")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    connect().embed(["a"])
    seen = {name.lower(): value for name, value in server.headers_seen[0].items()}
    assert seen["authorization"] == f"Bearer {KEY}"
    assert "from-elsewhere" not in seen.values()
    assert not {"openai-organization", "openai-project"} & set(seen)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"api_key": " "}, "OPENAI_API_KEY is empty"),
        ({"api_key": "sk-abc\ndef"}, "OPENAI_API_KEY is empty or holds"),
        ({"api_key": "sk-비밀"}, "OPENAI_API_KEY is empty or holds"),
        ({"base_url": "api.example.com/v1"}, "OPENAI_BASE_URL must begin with"),
        ({"base_url": "http://"}, "OPENAI_BASE_URL is no address"),
        ({"base_url": "https://:8080/v1"}, "OPENAI_BASE_URL is no address"),
        ({"base_url": "https://models:port/v1"}, "OPENAI_BASE_URL is no address"),
        ({"base_url": "https://[::1/v1"}, "OPENAI_BASE_URL is no address"),
        ({"model": "my-model"}, "my-model is not one we know; set EMBEDDING_DIMENSIONS"),
        ({"dimension": 2000}, "EMBEDDING_DIMENSIONS is 2000; .* must be 1 to 1536"),
        ({"dimension": 0}, "EMBEDDING_DIMENSIONS is 0"),
        ({"model": "text-embedding-ada-002", "dimension": 512}, "must be 1536"),
        ({"request_inputs": 2049}, "EMBED_REQUEST_INPUTS is 2049"),
        ({"in_flight": 0}, "BATCHES_IN_FLIGHT is 0"),
    ],
)
def test_a_setting_that_cannot_work_is_named_before_any_request(
    settings: dict[str, object], sentence: str, connect: Connect, server: OpenAIServer
) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        connect(**settings)
    assert server.stats.requests == 0
    assert "abc" not in str(caught.value)


def test_a_key_pasted_with_a_newline_at_its_end_works(connect: Connect) -> None:
    assert connect(api_key=f" {KEY}\n").embed(["a"]).refused == {}


def test_known_models_have_a_price_and_others_none(connect: Connect) -> None:
    assert {model: connect(model=model).price_per_million_tokens() for model in PRICES} == PRICES
    assert connect(model="bge-m3", dimension=1024).price_per_million_tokens() is None


def test_an_own_model_needs_its_dimension_and_is_asked_without_it(connect: Connect) -> None:
    embedder = connect(model="bge-m3", dimension=1024)
    assert embedder.model.key == "openai/bge-m3/1024"
    assert embedder._options == {}


def test_the_stand_in_runs_on_its_own_and_takes_faults_over_http(connect: Connect) -> None:
    """Benchmarks and the kill tests run it as a process."""
    command = [sys.executable, "-m", "tests.stand_ins.openai_server", "0", "--fixed-ms", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            root = process.stdout.readline().strip()
            assert root.startswith("http://127.0.0.1:"), "it tells where it listens"
            fault = json.dumps([{"kind": "server_error"}]).encode()
            urllib.request.urlopen(urllib.request.Request(f"{root}/faults", fault)).close()
            embedder = connect(base_url=f"{root}/v1", api_key="any")
            assert embedder.embed(["a"]).requests == 2
            with urllib.request.urlopen(f"{root}/stats") as answer:
                assert json.load(answer)["inputs"] == 1
        finally:
            process.kill()  # whatever a test before has done to the signals that processes inherit


def test_the_stand_in_refuses_what_the_service_refuses() -> None:
    """A stand-in that is too kind would let our own limits rot."""
    model = {"model": "text-embedding-3-small"}
    for given, code in [
        ({"input": [""]}, None),
        ({"input": []}, None),
        ({"input": ["a"] * 2049}, "array_above_max_length"),
        ({"input": ["a" * 30_000]}, "context_length_exceeded"),
        ({"input": ["a" * 20_000] * 60}, "max_tokens_per_request"),
        ({"input": ["a"], "dimensions": 2000}, None),
    ]:
        with pytest.raises(Refusal) as caught:
            check(model | given)
        assert (caught.value.status, caught.value.body["error"]["code"]) == (400, code)
