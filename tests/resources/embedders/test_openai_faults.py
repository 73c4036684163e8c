"""The bad days of an embedding service, each ending in the right kind of failure, with no secret in it."""

import time
import traceback
from collections.abc import Callable

import numpy as np
import pytest

from domain.errors import ConfigurationError, PermanentError, RowlineError, TransientError
from resources.embedders.concurrency_limiter import ConcurrencyLimiter
from resources.embedders.errors import MAX_REASON_LENGTH, ServiceError, redact
from resources.embedders.openai import OpenAIEmbedder
from resources.embedders.openai_client import MAX_RETRY_AFTER_SECONDS
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai_embeddings import vector
from tests.stand_ins.openai_server import KEY, OpenAIServer

Connect = Callable[..., OpenAIEmbedder]
UNPAID = ["rate_limit", "server_error", "unavailable"]
# worked on and billed, as far as one can tell from here
LOST = ["reset_before", "reset_after", "gateway_timeout", "garbage", "truncated", "wrong_count", "same_index"]
LOST += ["nan", "infinite", "zero", "short_vector"]


@pytest.mark.parametrize("kind", UNPAID)
def test_trouble_that_passes_is_waited_out(
    kind: str, openai: OpenAIEmbedder, server: OpenAIServer, pauses: list[float]
) -> None:
    server.faults.extend([Fault(kind), Fault(kind)])
    answer = openai.embed(["one", "two"])
    assert np.array_equal(answer.vectors, [vector("one", 1536), vector("two", 1536)])
    assert (answer.requests, answer.refused) == (3, {})
    assert pauses == [0.5, 1.0]


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_answer_is_asked_for_once_more(
    kind: str, openai: OpenAIEmbedder, server: OpenAIServer, pauses: list[float]
) -> None:
    server.faults.append(Fault(kind))
    answer = openai.embed(["one", "two"])
    assert np.array_equal(answer.vectors, [vector("one", 1536), vector("two", 1536)])
    assert (answer.requests, answer.refused, pauses) == (2, {}, [0.5])


@pytest.mark.parametrize("kind", LOST)
def test_an_answer_that_is_lost_twice_is_left_to_a_person(
    kind: str, openai: OpenAIEmbedder, server: OpenAIServer
) -> None:
    """A link that loses answers would be paid fifteen-fold: by five tries in each of the step's three."""
    server.faults.append(Fault(kind, always=True))
    with pytest.raises(PermanentError, match=r"The embedding service .* Both tries .* may have been billed"):
        list(openai.embed_batches(["one", "two"]))
    assert server.stats.requests == 2
    with pytest.raises(TransientError):  # a question costs next to nothing, and a person asks again anyway
        openai.embed(["one", "two"])
    assert server.stats.requests == 4


def test_refusals_between_do_not_make_a_third_try_of_a_lost_answer(
    openai: OpenAIEmbedder, server: OpenAIServer
) -> None:
    server.faults.extend(map(Fault, ["server_error", "reset_after", "rate_limit", "truncated", "none"]))
    with pytest.raises(PermanentError, match="may have been billed"):
        list(openai.embed_batches(["one"]))
    assert (server.stats.requests, server.stats.inputs) == (4, 2)


@pytest.mark.parametrize("kind", UNPAID)
def test_trouble_that_stays_is_transient_after_the_retries(
    kind: str, connect: Connect, server: OpenAIServer, pauses: list[float]
) -> None:
    server.faults.extend([Fault(kind)] * 3)
    with pytest.raises(TransientError, match="The embedding service"):
        connect(max_retries=2).embed(["one", "two"])
    assert server.stats.requests == 3
    assert pauses == [0.5, 1.0]


def test_pauses_double_up_to_eight_seconds_and_jitter_only_shortens_them(
    connect: Connect, server: OpenAIServer, pauses: list[float]
) -> None:
    server.faults.extend([Fault("server_error")] * 6)
    connect(max_retries=6, jitter=lambda: 1.0).embed(["one"])
    assert pauses == [0.375, 0.75, 1.5, 3.0, 6.0, 6.0]


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Sat, 21 Nov 2026 06:00:09 GMT", "date": "Sat, 21 Nov 2026 06:00:00 GMT"}, 9.0),
        ({"retry-after": "Sat, 21 Nov 2026 06:00:00 GMT", "date": "Sat, 21 Nov 2026 06:00:09 GMT"}, 0.5),
        ({"retry-after": "soon"}, 0.5),
        ({"retry-after": "-3"}, 0.5),
    ],
)
def test_the_pause_is_the_one_that_the_service_asks_for(
    headers: dict[str, str], pause: float, openai: OpenAIEmbedder, server: OpenAIServer, pauses: list[float]
) -> None:
    server.faults.append(Fault("rate_limit", headers=headers))
    openai.embed(["one"])
    assert pauses == [pause]


@pytest.mark.parametrize("headers", [{"retry-after": f"{MAX_RETRY_AFTER_SECONDS + 1}"}, {"x-should-retry": "false"}])
def test_a_wait_too_long_or_in_vain_is_left_to_the_run(
    headers: dict[str, str], openai: OpenAIEmbedder, server: OpenAIServer, pauses: list[float]
) -> None:
    server.faults.append(Fault("rate_limit", headers=headers))
    with pytest.raises(ServiceError, match="asks us to slow down: Rate limit reached"):
        openai.embed(["one"])
    assert (server.stats.requests, pauses) == (1, [])


def test_after_a_429_the_whole_process_waits_and_asks_half_as_much(
    connect: Connect, server: OpenAIServer, pauses: list[float]
) -> None:
    """Of two embedders of one process the second has met no limit itself; it pauses all the same."""
    first, second = connect(in_flight=4, max_retries=0), connect(in_flight=4)
    server.faults.append(Fault("rate_limit", headers={"retry-after": "3"}))
    with pytest.raises(ServiceError):
        first.embed(["one"])
    assert pauses == []
    second.embed(["two"])
    assert pauses == [3.0]
    assert second._client._limiter is first._client._limiter


def test_requests_at_once_are_halved_for_a_burst_and_grow_again_one_by_one() -> None:
    pace = ConcurrencyLimiter(8)
    pace.on_overload(started=1.0, now=2.0)
    pace.on_overload(started=1.5, now=2.1)  # was under way when the first was refused: the same burst
    assert pace.allowed == 4
    pace.on_overload(started=3.0, now=4.0)
    assert pace.allowed == 2
    grown = []
    for _ in range(2 + 3 + 4 + 5 + 6 + 7 + 8):
        pace.on_success()
        grown.append(pace.allowed)
    assert grown == [2, 3, 3, 3, 4, 4, 4, 4, 5, *[5] * 4, 6, *[6] * 5, 7, *[7] * 6, 8, *[8] * 8]


def test_a_service_that_is_slow_but_in_time_is_waited_for(connect: Connect, server: OpenAIServer) -> None:
    server.faults.append(Fault("slow", seconds=0.05))
    assert connect(timeout=5.0).embed(["one"]).requests == 1


def test_a_service_that_is_too_slow_is_transient(connect: Connect, server: OpenAIServer) -> None:
    server.faults.append(Fault("timeout"))
    with pytest.raises(TransientError, match="did not answer in time"):
        connect(timeout=0.1, max_retries=0).embed(["one"])


def test_a_service_that_is_not_there_is_asked_as_often_as_one_may(connect: Connect, pauses: list[float]) -> None:
    """Nothing was sent, so nothing was billed."""
    with pytest.raises(TransientError, match=r"could not be reached.*OPENAI_BASE_URL"):
        list(connect(base_url="http://127.0.0.1:1/v1", max_retries=3).embed_batches(["one"]))
    assert pauses == [0.5, 1.0, 2.0]


def test_who_asks_a_question_waits_twenty_seconds_and_a_document_as_long_as_it_takes(
    openai: OpenAIEmbedder, server: OpenAIServer, pauses: list[float]
) -> None:
    asked_to_wait = [Fault("unavailable", headers={"retry-after": "15"})] * 2
    server.faults.extend(asked_to_wait)
    with pytest.raises(TransientError, match="failed with HTTP 503"):
        openai.embed(["one"])
    assert pauses == [15.0]
    server.faults.extend(asked_to_wait)
    assert len(list(openai.embed_batches(["one"]))) == 1
    assert pauses == [15.0] * 4  # the first of them for what the question met


def test_a_question_waits_for_no_turn_that_comes_too_late(
    openai: OpenAIEmbedder, server: OpenAIServer, pauses: list[float]
) -> None:
    server.faults.append(Fault("rate_limit", headers={"retry-after": "100"}))
    for sentence in ("asks us to slow down", "no slot became free in time"):
        with pytest.raises(TransientError, match=sentence):
            openai.embed(["one"])
    assert (server.stats.requests, pauses) == (1, [])


def test_a_place_among_the_requests_is_not_waited_for_longer_than_the_patience() -> None:
    def sleep(_: float) -> None:
        raise AssertionError("there is no pause")

    with (
        pytest.raises(TransientError, match="no slot became free in time"),
        ConcurrencyLimiter(0).acquire(lambda: 5.0, sleep, deadline=5.01),
    ):
        pass


def test_a_question_that_is_not_answered_takes_no_longer_than_its_patience(
    connect: Connect, server: OpenAIServer
) -> None:
    server.faults.append(Fault("timeout", always=True))
    with pytest.raises(TransientError, match="did not answer in time"):
        connect(query_timeout=0.2, clock=time.monotonic).embed(["one"])
    assert server.stats.requests == 1


@pytest.mark.parametrize(
    ("kind", "failure", "sentence"),
    [
        ("wrong_key", ConfigurationError, "does not accept OPENAI_API_KEY"),
        ("forbidden", ConfigurationError, "does not accept OPENAI_API_KEY .*not supported"),
        ("quota_full", PermanentError, "has no quota left; add credit"),
        ("missing", PermanentError, "has no model text-embedding-3-small; check EMBEDDING_MODEL"),
    ],
)
def test_what_waiting_cannot_help_fails_at_once_and_for_good(
    kind: str,
    failure: type[PermanentError],
    sentence: str,
    openai: OpenAIEmbedder,
    server: OpenAIServer,
    pauses: list[float],
) -> None:
    server.faults.append(Fault(kind))
    with pytest.raises(failure, match=sentence):
        openai.embed(["one"])
    assert (server.stats.requests, pauses) == (1, [])


def test_a_model_that_is_not_there_names_the_setting(connect: Connect) -> None:
    with pytest.raises(PermanentError, match=r"no model text-embedding-9.*EMBEDDING_MODEL"):
        connect(model="text-embedding-9", dimension=8).embed(["one"])


def test_a_model_of_another_dimension_names_the_setting(connect: Connect, server: OpenAIServer) -> None:
    """A server that knows nothing of `dimensions` answers its own size, every time: no retry helps."""
    embedder = connect(dimension=256)
    embedder._options.clear()
    with pytest.raises(ConfigurationError, match="1536 numbers, not 256; correct EMBEDDING_DIMENSIONS"):
        embedder.embed(["one"])
    assert server.stats.requests == 1


@pytest.mark.parametrize(
    "said",
    [
        "Incorrect API key provided: {key}. Find yours at the site.",
        "Incorrect API key provided: sk-proj-abc_DEF-123.",
        "Incorrect API key provided: sk-stand*********cdef.",
        "Header was 'Authorization: Bearer {key}'",
    ],
)
def test_a_key_that_the_service_repeats_is_in_no_text_of_the_failure(
    said: str, connect: Connect, server: OpenAIServer
) -> None:
    """Dagster writes the message, the traceback and the causes of an exception to its event log."""
    for kind in ("wrong_key", "refused", "server_error", "rate_limit"):
        server.faults.append(Fault(kind, message=said.replace("{key}", KEY)))
        messages = everything_told(connect(max_retries=0))
        assert said.split(maxsplit=1)[0] in messages
        assert not any(piece in messages for piece in (KEY, KEY[:12], KEY[-6:], "abc_DEF", "cdef"))


def test_a_key_of_another_make_is_taken_out_too(connect: Connect, server: OpenAIServer) -> None:
    """Compatible servers hand out keys that do not begin with sk-."""
    server.faults.append(Fault("wrong_key"))
    assert "zebra-77" not in everything_told(connect(api_key="zebra-77", max_retries=0))


def everything_told(embedder: OpenAIEmbedder) -> str:
    """What a refused input's reason, or the failure with its traceback and causes, would show to a reader."""
    try:
        return repr(embedder.embed(["one"]).refused)
    except RowlineError as failure:
        return "".join(traceback.format_exception(failure)) + repr(failure)


def test_a_reason_is_kept_short() -> None:
    assert len(redact("word " * 200, KEY)) == MAX_REASON_LENGTH + 1


def test_a_lost_answer_is_asked_for_again_and_only_the_one_we_got_is_counted(
    openai: OpenAIEmbedder, server: OpenAIServer
) -> None:
    """The service bills both; we only know of the tokens that it reported."""
    server.faults.append(Fault("truncated"))
    answer = openai.embed(["abcdef"])
    assert (answer.tokens, server.stats.tokens, answer.requests) == (3, 6, 2)
