"""OpenAI's Batch API: embedding jobs, completed within 24 hours at half the price.

Limits (API reference): 50,000 inputs and 200 MB a file, which `domain.documents.embedding_jobs`
cuts for. A line holds one text, so that the tokens of each are reported, and a rejected one costs no other text its
vector.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, Literal, TypeVar

from domain.errors import ConfigurationError, PermanentError
from resources.embedders.errors import InputRejected, ServiceError, UnknownToService
from resources.embedders.openai_client import OpenAIClient
from resources.embedders.protocol import JobResult, JobState, Model, ResultExpired
from resources.embedders.responses import parse_embeddings

if TYPE_CHECKING:
    import openai

Response = TypeVar("Response")

ENDPOINT: Literal["/v1/embeddings"] = "/v1/embeddings"
# our key of a job in the metadata of the service's batch; batches submitted by older releases bear it
METADATA_KEY = "rowline_order"
MAX_CLOCK_SKEW = timedelta(hours=1)  # how far the service's clock may be behind the database's
FILE_LIFETIME_SECONDS = 30 * 24 * 3600  # the service deletes our files after that
RUNNING_STATUSES = ("validating", "in_progress", "finalizing")
FINAL_STATUSES = ("completed", "expired", "failed", "cancelled")
BATCH_PAGE_SIZE = 100
FILE_PAGE_SIZE = 1000
CHUNK_BYTES = 2**20


class OpenAIBatchJobs:
    """`EmbeddingJobService` over the client of an OpenAI embedder."""

    def __init__(self, client: OpenAIClient, model: Model, options: dict[str, Any]) -> None:
        self._client = client
        self._model = model
        self._options = options

    def submit(self, job_key: str, since: datetime, texts: Callable[[], Iterable[tuple[str, str]]]) -> str | None:
        """Returns the service's id of the job, also of one submitted before; `None` if there are no texts.

        Each attempt searches first, so that a lost response does not submit the job twice.
        """
        with tempfile.TemporaryFile() as file:

            def send(client: openai.OpenAI) -> str | None:
                if batch_id := self._find(client, job_key, since):
                    return batch_id
                if not file.seek(0, os.SEEK_END):
                    self._write(file, texts())
                return self._create(client, job_key, file) if file.tell() else None

            try:
                return self._call(send)
            except InputRejected as error:
                failure = PermanentError(f"The embedding service rejects the job {job_key}: {error}")
            raise failure

    def state(self, service_id: str) -> JobState:
        """The state of the batch; one that the service no longer knows counts as refused."""
        try:
            batch = self._client.call(
                lambda client: _parse(client.batches.with_raw_response.retrieve(service_id).content), self._model.name
            )
        except (UnknownToService, InputRejected):
            return JobState(ended=True, refused="the service does not know the job any more")
        return _job_state(batch)

    def results(self, state: JobState) -> Iterator[JobResult]:
        """The lines of the output file that hold an embedding, through a temporary file: they may be 500 MB.

        The download is complete when this returns: iterating cannot fail.
        """
        if state.output is None:
            return iter(())
        with ExitStack() as cleanup:
            file = cleanup.enter_context(tempfile.TemporaryFile())
            self._fetch(state.output, file)
            return _usable_results(file, self._model.dimension, cleanup.pop_all())

    def cancel(self, job_key: str, since: datetime, service_id: str | None) -> bool:
        """Returns whether the service has nothing of the job any more.

        A batch is `cancelling` for up to ten minutes before its partial results become a file.
        """

        def send(client: openai.OpenAI) -> bool:
            batch_id = service_id or self._find(client, job_key, since)
            batch = _cancel_batch(client, batch_id) if batch_id else None
            ended = batch is None or batch.get("status") in FINAL_STATUSES
            listed = [batch.get(f"{kind}_file_id") for kind in ("input", "output", "error")] if batch else []
            # also files of an attempt whose response was lost: no batch lists them
            file_ids = {*filter(None, listed), *_file_ids(client, file_name(job_key), since)}
            deleted = [_delete_file(client, file_id) for file_id in sorted(file_ids)]
            return ended and all(deleted)

        return self._call(send)

    def _fetch(self, output: str, file: IO[bytes]) -> None:
        try:
            self._client.call(lambda client: _download(client, output, file), self._model.name)
        except (UnknownToService, InputRejected):
            expired = ResultExpired("the service does not have its output file any more")
        else:
            return
        raise expired

    def _find(self, client: openai.OpenAI, job_key: str, since: datetime) -> str | None:
        """The batch with our key among those of the account, newest first."""
        after: dict[str, str] = {}
        while True:
            page = _parse(client.batches.with_raw_response.list(limit=BATCH_PAGE_SIZE, **after).content)  # type: ignore[arg-type]
            for batch in page["data"]:
                if (batch.get("metadata") or {}).get(METADATA_KEY) == job_key:
                    return str(batch["id"])
                if batch["created_at"] < (since - MAX_CLOCK_SKEW).timestamp():
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

    def _create(self, client: openai.OpenAI, job_key: str, file: IO[bytes]) -> str:
        file.seek(0)
        uploaded = client.files.with_raw_response.create(
            file=(file_name(job_key), file),
            purpose="batch",
            expires_after={"anchor": "created_at", "seconds": FILE_LIFETIME_SECONDS},
        )
        created = client.batches.with_raw_response.create(
            input_file_id=_parse(uploaded.content)["id"],
            endpoint=ENDPOINT,
            completion_window="24h",
            metadata={METADATA_KEY: job_key},
            output_expires_after={"anchor": "created_at", "seconds": FILE_LIFETIME_SECONDS},
        )
        return str(_parse(created.content)["id"])

    def _call(self, send: Callable[[openai.OpenAI], Response]) -> Response:
        try:
            return self._client.call(send, self._model.name)
        except UnknownToService:
            unsupported = PermanentError(
                "The embedding service has no Batch API, or not for this model; see OPENAI_BASE_URL, and upload the "
                "file again with --no-economy"
            )
        raise unsupported


def file_name(job_key: str) -> str:
    """The name by which the texts of a job are found even if the response to their upload was lost."""
    return f"rowline-{job_key.replace(':', '-')}.jsonl"


def _cancel_batch(client: openai.OpenAI, service_id: str) -> dict[str, Any] | None:
    """The batch, cancelled if it was running; `None` if the service does not know it."""
    import openai

    def fetch() -> dict[str, Any] | None:
        try:
            fetched: dict[str, Any] = _parse(client.batches.with_raw_response.retrieve(service_id).content)
        except (openai.NotFoundError, openai.BadRequestError):
            return None
        return fetched

    batch = fetch()
    if batch is None or batch.get("status") not in RUNNING_STATUSES:
        return batch
    try:
        cancelled: dict[str, Any] = _parse(client.batches.with_raw_response.cancel(service_id).content)
    except (openai.ConflictError, openai.BadRequestError):  # it ended in between
        batch = fetch()
        if batch and batch.get("status") in RUNNING_STATUSES:
            raise
        return batch
    return cancelled


def _file_ids(client: openai.OpenAI, name: str, since: datetime) -> Iterator[str]:
    """Ids of our files of this name, newest first."""
    after: dict[str, str] = {}
    while True:
        listed = client.files.with_raw_response.list(purpose="batch", order="desc", limit=FILE_PAGE_SIZE, **after)  # type: ignore[arg-type]
        page = _parse(listed.content)
        for file in page["data"]:
            if file["created_at"] < (since - MAX_CLOCK_SKEW).timestamp():
                return
            if file.get("filename") == name:
                yield str(file["id"])
        if not page.get("has_more"):
            return
        after = {"after": page["data"][-1]["id"]}


def _delete_file(client: openai.OpenAI, file_id: str) -> bool:
    """Returns whether the file is deleted; the service may refuse while a batch still reads it."""
    import openai

    try:
        return bool(_parse(client.files.with_raw_response.delete(file_id).content).get("deleted"))
    except openai.NotFoundError:
        return True
    except (openai.ConflictError, openai.BadRequestError):
        return False


def _parse(raw: bytes) -> Any:
    """A JSON object with an id or a list. Raises ServiceError for anything else.

    A failed read is never an empty result.
    """
    import orjson

    try:
        parsed = orjson.loads(raw)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and ("id" in parsed or isinstance(parsed.get("data"), list)):
        return parsed
    raise ServiceError("The embedding service answered something that is no batch, file or list of them.")


def _job_state(batch: dict[str, Any]) -> JobState:
    status, output = batch.get("status"), batch.get("output_file_id")
    if status in ("completed", "expired"):
        return JobState(ended=True, output=output)
    if status in ("failed", "cancelled"):
        reasons = [str(error.get("message")) for error in (batch.get("errors") or {}).get("data") or []]
        return JobState(ended=True, refused="; ".join([status, *reasons[:3]]), output=output)
    return JobState(ended=False)


def _usable_results(file: IO[bytes], dimension: int, cleanup: ExitStack) -> Iterator[JobResult]:
    with cleanup:
        file.seek(0)
        yield from filter(None, (_parse_result(line, dimension) for line in file))


def _parse_result(line: bytes, dimension: int) -> JobResult | None:
    """A line of the output file; `None` if it holds no usable vector: an ordinary request then embeds or rejects it."""
    import orjson

    parsed = orjson.loads(line)
    answer = parsed.get("response")
    if not isinstance(answer, dict) or answer.get("status_code") != 200:
        return None
    try:
        vectors, tokens = parse_embeddings(answer.get("body"), 1, dimension)
    except (ServiceError, ConfigurationError):
        return None
    return JobResult(str(parsed["custom_id"]), vectors[0], tokens or 0)


def _download(client: openai.OpenAI, file_id: str, target: IO[bytes]) -> None:
    """The whole file, or ServiceError: a truncated download must not pass for the whole file."""
    import httpx2
    import orjson

    target.seek(0)
    target.truncate()
    try:
        with client.files.with_streaming_response.content(file_id) as answer:
            for part in answer.iter_bytes(CHUNK_BYTES):
                target.write(part)
    except httpx2.HTTPError:
        raise ServiceError("The embedding service broke off while it sent the results of a job.") from None
    target.seek(0)
    try:
        for line in target:
            orjson.loads(line)["custom_id"]
    except (ValueError, TypeError, KeyError):
        raise ServiceError("The embedding service sent results of a job that cannot be read.") from None
