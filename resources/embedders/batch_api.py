"""OpenAI's Batch API: orders of embeddings, done within 24 hours at half the price.

Limits (API reference; contracts.md section 4): 50,000 inputs and 200 MB a file, which `domain.documents.embedding_jobs`
cuts for. A line holds one text, so that tokens are known for each, and one refusal costs no other text its vector.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, Literal, TypeVar

from domain.errors import ConfigurationError, PermanentError
from resources.embedders.errors import InputRefused, NotThere, ServiceTrouble
from resources.embedders.openai_client import OpenAIClient
from resources.embedders.protocol import JobResult, JobState, Model, ResultExpired
from resources.embedders.responses import embeddings_of

if TYPE_CHECKING:
    import openai

Answer = TypeVar("Answer")

ENDPOINT: Literal["/v1/embeddings"] = "/v1/embeddings"
KEY = "rowline_order"  # our name for an order, in the metadata of the service's batch
SKEW = timedelta(hours=1)  # how far the service's clock may be behind the database's
FILE_SECONDS = 30 * 24 * 3600  # the service deletes our files after that: nobody has to clean up
UNDER_WAY = ("validating", "in_progress", "finalizing")
ENDED = ("completed", "expired", "failed", "cancelled")
PAGE = 100
FILE_PAGE = 1000
BUFFER = 2**20


class BatchApi:
    """The body of `Orders` over the client of an OpenAI embedder."""

    def __init__(self, wire: OpenAIClient, model: Model, options: dict[str, Any]) -> None:
        self._wire = wire
        self._model = model
        self._options = options

    def submit(self, order_key: str, since: datetime, texts: Callable[[], Iterable[tuple[str, str]]]) -> str | None:
        """The service's name of the order, which is found where it was placed already; `None` where there are no texts.

        Each try looks first: so an answer that was lost on its way does not order twice.
        """
        with tempfile.TemporaryFile() as file:

            def send(client: openai.OpenAI) -> str | None:
                if known := self._find(client, order_key, since):
                    return known
                if not file.seek(0, os.SEEK_END):
                    self._write(file, texts())
                return self._create(client, order_key, file) if file.tell() else None

            try:
                return self._call(send)
            except InputRefused as error:
                refused = PermanentError(f"The embedding service does not take the order {order_key}: {error}")
            raise refused

    def state(self, service_id: str) -> JobState:
        """Where the batch stands; one that the service does not know any more was refused."""
        try:
            batch = self._wire.call(
                lambda client: _read(client.batches.with_raw_response.retrieve(service_id).content), self._model.name
            )
        except (NotThere, InputRefused):
            return JobState(ended=True, refused="the service does not know the order any more")
        return _state(batch)

    def results(self, state: JobState) -> Iterator[JobResult]:
        """The lines of the output file that hold an embedding, by way of a file of our own: they may be 500 MB.

        The whole file is here when this returns: reading on cannot fail.
        """
        if state.output is None:
            return iter(())
        with ExitStack() as until_read:
            file = until_read.enter_context(tempfile.TemporaryFile())
            self._fetch(state.output, file)
            return _usable(file, self._model.dimension, until_read.pop_all())

    def cancel(self, order_key: str, since: datetime, service_id: str | None) -> bool:
        """Whether the service has nothing of the order any more.

        A batch is `cancelling` for up to ten minutes before what it had done by then becomes a file.
        """

        def send(client: openai.OpenAI) -> bool:
            known = service_id or self._find(client, order_key, since)
            batch = _stopped(client, known) if known else None
            ended = batch is None or batch.get("status") in ENDED
            named = [batch.get(f"{kind}_file_id") for kind in ("input", "output", "error")] if batch else []
            # also those of a try whose answer was lost, which no batch names
            found = {*filter(None, named), *_files(client, file_name(order_key), since)}
            gone = [_deleted(client, file_id) for file_id in sorted(found)]
            return ended and all(gone)

        return self._call(send)

    def _fetch(self, output: str, file: IO[bytes]) -> None:
        try:
            self._wire.call(lambda client: _download(client, output, file), self._model.name)
        except (NotThere, InputRefused):
            gone = ResultExpired("the service does not have its output file any more")
        else:
            return
        raise gone

    def _find(self, client: openai.OpenAI, order_key: str, since: datetime) -> str | None:
        """The batch with our key among those of the account, newest first."""
        after: dict[str, str] = {}
        while True:
            page = _read(client.batches.with_raw_response.list(limit=PAGE, **after).content)  # type: ignore[arg-type]
            for batch in page["data"]:
                if (batch.get("metadata") or {}).get(KEY) == order_key:
                    return str(batch["id"])
                if batch["created_at"] < (since - SKEW).timestamp():
                    return None
            if not page.get("has_more"):
                return None
            after = {"after": page["data"][-1]["id"]}

    def _write(self, file: IO[bytes], texts: Iterable[tuple[str, str]]) -> None:
        import orjson

        body = {"model": self._model.name, "encoding_format": "base64", **self._options}
        for name, text in texts:
            line = {"custom_id": name, "method": "POST", "url": ENDPOINT, "body": body | {"input": text}}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _create(self, client: openai.OpenAI, order_key: str, file: IO[bytes]) -> str:
        file.seek(0)
        uploaded = client.files.with_raw_response.create(
            file=(file_name(order_key), file),
            purpose="batch",
            expires_after={"anchor": "created_at", "seconds": FILE_SECONDS},
        )
        created = client.batches.with_raw_response.create(
            input_file_id=_read(uploaded.content)["id"],
            endpoint=ENDPOINT,
            completion_window="24h",
            metadata={KEY: order_key},
            output_expires_after={"anchor": "created_at", "seconds": FILE_SECONDS},
        )
        return str(_read(created.content)["id"])

    def _call(self, send: Callable[[openai.OpenAI], Answer]) -> Answer:
        try:
            return self._wire.call(send, self._model.name)
        except NotThere:
            absent = PermanentError(
                "The embedding service has no Batch API, or not for this model; see OPENAI_BASE_URL, and upload the "
                "file again with --no-economy"
            )
        raise absent


def file_name(order_key: str) -> str:
    """By which the texts of an order are found, whatever became of the answer to their upload."""
    return f"rowline-{order_key.replace(':', '-')}.jsonl"


def _stopped(client: openai.OpenAI, service_id: str) -> dict[str, Any] | None:
    """The batch, cancelled if it was under way; `None` where the service does not know it."""
    import openai

    def batch() -> dict[str, Any] | None:
        try:
            told: dict[str, Any] = _read(client.batches.with_raw_response.retrieve(service_id).content)
        except (openai.NotFoundError, openai.BadRequestError):
            return None
        return told

    known = batch()
    if known is None or known.get("status") not in UNDER_WAY:
        return known
    try:
        cancelled: dict[str, Any] = _read(client.batches.with_raw_response.cancel(service_id).content)
    except (openai.ConflictError, openai.BadRequestError):  # it ended in between
        known = batch()
        if known and known.get("status") in UNDER_WAY:
            raise
        return known
    return cancelled


def _files(client: openai.OpenAI, name: str, since: datetime) -> Iterator[str]:
    """Ids of our files of this name, newest first."""
    after: dict[str, str] = {}
    while True:
        listed = client.files.with_raw_response.list(purpose="batch", order="desc", limit=FILE_PAGE, **after)  # type: ignore[arg-type]
        page = _read(listed.content)
        for file in page["data"]:
            if file["created_at"] < (since - SKEW).timestamp():
                return
            if file.get("filename") == name:
                yield str(file["id"])
        if not page.get("has_more"):
            return
        after = {"after": page["data"][-1]["id"]}


def _deleted(client: openai.OpenAI, file_id: str) -> bool:
    """Whether the file is gone; one that a batch still reads may be refused."""
    import openai

    try:
        return bool(_read(client.files.with_raw_response.delete(file_id).content).get("deleted"))
    except openai.NotFoundError:
        return True
    except (openai.ConflictError, openai.BadRequestError):
        return False


def _read(raw: bytes) -> Any:
    """A JSON object with an id or a list; anything else is trouble, never an empty answer (law 8)."""
    import orjson

    try:
        told = orjson.loads(raw)
    except ValueError:
        told = None
    if isinstance(told, dict) and ("id" in told or isinstance(told.get("data"), list)):
        return told
    raise ServiceTrouble("The embedding service answered something that is no order, file or list of them.")


def _state(batch: dict[str, Any]) -> JobState:
    status, output = batch.get("status"), batch.get("output_file_id")
    if status in ("completed", "expired"):
        return JobState(ended=True, output=output)
    if status in ("failed", "cancelled"):
        told = [str(error.get("message")) for error in (batch.get("errors") or {}).get("data") or []]
        return JobState(ended=True, refused="; ".join([status, *told[:3]]), output=output)
    return JobState(ended=False)


def _usable(file: IO[bytes], dimension: int, until_read: ExitStack) -> Iterator[JobResult]:
    with until_read:
        file.seek(0)
        yield from filter(None, (_ordered(line, dimension) for line in file))


def _ordered(line: bytes, dimension: int) -> JobResult | None:
    """A line of the outcome; `None` where it holds no usable vector: a usual request will tell why, or bring it."""
    import orjson

    told = orjson.loads(line)
    answer = told.get("response")
    if not isinstance(answer, dict) or answer.get("status_code") != 200:
        return None
    try:
        vectors, tokens = embeddings_of(answer.get("body"), 1, dimension)
    except (ServiceTrouble, ConfigurationError):
        return None
    return JobResult(str(told["custom_id"]), vectors[0], tokens or 0)


def _download(client: openai.OpenAI, file_id: str, target: IO[bytes]) -> None:
    """The whole file, or ServiceTrouble: half of it must not pass for the whole (law 8)."""
    import httpx2
    import orjson

    target.seek(0)
    target.truncate()
    try:
        with client.files.with_streaming_response.content(file_id) as answer:
            for part in answer.iter_bytes(BUFFER):
                target.write(part)
    except httpx2.HTTPError:
        raise ServiceTrouble("The embedding service broke off while it sent a finished order.") from None
    target.seek(0)
    try:
        for line in target:
            orjson.loads(line)["custom_id"]
    except (ValueError, TypeError, KeyError):
        raise ServiceTrouble("The embedding service sent a finished order that cannot be read.") from None
