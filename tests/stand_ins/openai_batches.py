"""The stand-in's files and batches: nothing happens to a batch before the test says so.

    server.batches.complete()                    # every batch under way is done; refused lines are in its error file
    server.batches.complete("expired", after=3)  # three lines were done within the 24 hours
    server.batches.stop(after=3)                 # batches that are `cancelling` are cancelled; three lines were done

Strict where the service is: purpose, file name, size, lines, unique ids, endpoint, metadata.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.stand_ins.openai_embeddings import Refusal, check, embedding_list

FILE_BYTES = 200 * 2**20
FILE_INPUTS = 50_000
UNDER_WAY = ("validating", "in_progress", "finalizing")
ENDED = ("completed", "expired", "failed", "cancelled")
EXPIRED = {"code": "batch_expired", "message": "This request could not be executed before the completion window."}


@dataclass(slots=True)
class Batch:
    """One batch, as `GET /v1/batches/{id}` tells it."""

    id: str
    input_file_id: str
    metadata: dict[str, str]
    created_at: int
    status: str = "validating"
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: dict[str, Any] | None = None
    read: bytes = b""  # the service's own copy, once it is cancelled
    request_counts: dict[str, int] = field(default_factory=lambda: {"total": 0, "completed": 0, "failed": 0})

    def as_json(self) -> dict[str, Any]:
        """With null where there is no such file."""
        response = {name: getattr(self, name) for name in self.__slots__ if name != "read"}
        return response | {"object": "batch", "endpoint": "/v1/embeddings", "completion_window": "24h"}


class Batches:
    """Files and batches of the service. `inputs` and `tokens` count what was done, so what would be billed."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.file_bytes, self.file_inputs = FILE_BYTES, FILE_INPUTS
        self.files: dict[str, bytes] = {}
        self.descriptions: dict[str, dict[str, Any]] = {}  # by file id; also of deleted files
        self.holds_input = False  # whether an input file can only be deleted when its batch has ended
        self.all: dict[str, Batch] = {}
        self.inputs = self.tokens = 0

    # -- what the API offers ----------------------------------------------------------------------------------

    def upload(self, purpose: str, filename: str, content: bytes) -> dict[str, Any]:
        if purpose != "batch":
            raise Refusal(400, f"'{purpose}' is not one of ['fine-tune', 'assistants', 'batch'] - 'purpose'")
        if not filename.endswith(".jsonl"):
            raise Refusal(400, f"Invalid file format for Batch API. Must be .jsonl: {filename}")
        if not content or len(content) > self.file_bytes:
            raise Refusal(400, "File is empty or too large.")
        return self._file(content, "batch", filename)

    def content(self, file_id: str) -> bytes:
        if file_id not in self.files:
            raise Refusal(404, f"No such File object: {file_id}", param="id")
        return self.files[file_id]

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("endpoint") != "/v1/embeddings" or asked.get("completion_window") != "24h":
            raise Refusal(400, "Invalid value for 'endpoint' or 'completion_window'.")
        self.content(asked.get("input_file_id", ""))
        metadata = asked.get("metadata") or {}
        if len(metadata) > 16 or any(len(k) > 64 or len(v) > 512 for k, v in metadata.items()):
            raise Refusal(400, "Invalid 'metadata': too many or too long values.", param="metadata")
        batch = Batch(f"batch_{len(self.all):04}", asked["input_file_id"], metadata, int(time.time()))
        self.all[batch.id] = batch
        return batch.as_json()

    def retrieve(self, batch_id: str) -> dict[str, Any]:
        return self._known(batch_id).as_json()

    def cancel(self, batch_id: str) -> dict[str, Any]:
        batch = self._known(batch_id)
        if batch.status not in UNDER_WAY:
            raise Refusal(409, f"Cannot cancel a batch with status '{batch.status}'.")
        batch.status = "cancelling"  # for up to ten minutes
        batch.read = self.files[batch.input_file_id]
        return batch.as_json()

    def delete(self, file_id: str) -> dict[str, Any]:
        self.content(file_id)
        for batch in self.all.values():
            let_go = batch.status in ENDED or (batch.status == "cancelling" and not self.holds_input)
            if batch.input_file_id == file_id and not let_go:
                raise Refusal(409, f"File {file_id} is used by a batch that is {batch.status}.")
        del self.files[file_id]
        return {"id": file_id, "object": "file", "deleted": True}

    def file_page(self, purpose: str | None, after: str | None, limit: int) -> dict[str, Any]:
        """Newest first."""
        if not 1 <= limit <= 10_000:
            raise Refusal(400, "Invalid 'limit': must be between 1 and 10000.", param="limit")
        kept = [self.descriptions[file_id] for file_id in reversed(self.files)]
        kept = [response for response in kept if purpose in (None, response["purpose"])]
        ids = [response["id"] for response in kept]
        if after and after not in self.descriptions:
            raise Refusal(404, f"No such File object: {after}", param="after")
        start = ids.index(after) + 1 if after else 0
        page = kept[start : start + limit]
        ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
        return {"object": "list", "data": page, "has_more": start + limit < len(ids), **ends}

    def page(self, after: str | None, limit: int) -> dict[str, Any]:
        """Newest first."""
        ids = list(reversed(self.all))
        start = ids.index(after) + 1 if after else 0
        page = ids[start : start + limit]
        data = [self.all[batch_id].as_json() for batch_id in page]
        ends = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
        return {"object": "list", "data": data, "has_more": start + limit < len(ids), **ends}

    # -- what the test decides --------------------------------------------------------------------------------

    def complete(self, status: str = "completed", after: int = FILE_INPUTS, reason: str = "") -> int:
        """Ends every batch under way, with its first `after` lines done; returns how many ended.

        `failed` does none: that is a file or an account which the service does not accept.
        """
        under_way = [batch for batch in self.all.values() if batch.status in UNDER_WAY]
        for batch in under_way:
            wrong = [{"code": "token_limit_exceeded", "message": reason}] if reason else self._wrong(batch)
            if wrong or status == "failed":
                batch.status, batch.errors = "failed", {"object": "list", "data": wrong}
            else:
                self._work(batch, after)
                batch.status = status
        return len(under_way)

    def stop(self, after: int = 0) -> int:
        """Batches that are `cancelling` have ended, with their first `after` lines done; returns how many."""
        stopping = [batch for batch in self.all.values() if batch.status == "cancelling"]
        for batch in stopping:
            self._work(batch, after)
            batch.status = "cancelled"
        return len(stopping)

    def _work(self, batch: Batch, after: int) -> None:
        done, failed = [], []
        for number, line in enumerate(self._lines(batch)):
            response = {"id": f"batch_req_{number}", "custom_id": line["custom_id"], "response": None, "error": None}
            if number >= after:
                failed.append(response | {"error": EXPIRED})
                continue
            try:
                texts, dimension = check(line["body"])
            except Refusal as refusal:
                failed.append(response | {"response": {"status_code": refusal.status, "body": refusal.body}})
                continue
            answer = embedding_list(texts, dimension, line["body"])
            self.inputs += len(texts)
            self.tokens += answer["usage"]["prompt_tokens"]
            done.append(response | {"response": {"status_code": 200, "request_id": "", "body": answer}})
        batch.request_counts = {"total": len(done) + len(failed), "completed": len(done), "failed": len(failed)}
        done.reverse()  # the order of the output is free
        batch.output_file_id = self._written(done)
        batch.error_file_id = self._written(failed)

    def _wrong(self, batch: Batch) -> list[dict[str, Any]]:
        """What the service finds when it validates a file."""
        lines = list(self._lines(batch))
        ids = [line.get("custom_id") for line in lines]
        wrong = []
        if len(lines) > self.file_inputs:
            wrong.append({"code": "too_many_tasks", "message": f"The batch has {len(lines)} requests."})
        if len(set(ids)) != len(ids) or not all(isinstance(name, str) and 0 < len(name) <= 64 for name in ids):
            wrong.append({"code": "duplicate_custom_id", "message": "The custom_id of a request is not its own."})
        if any(line.get("method") != "POST" or line.get("url") != "/v1/embeddings" for line in lines):
            wrong.append({"code": "mismatched_endpoint", "message": "A request is for another endpoint."})
        return wrong

    def _lines(self, batch: Batch) -> Iterator[dict[str, Any]]:
        return map(orjson.loads, (batch.read or self.files[batch.input_file_id]).splitlines())

    def _written(self, lines: list[dict[str, Any]]) -> str | None:
        if not lines:
            return None
        body = b"".join(
            orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE) for line in lines
        )
        return str(self._file(body, "batch_output", "output.jsonl")["id"])

    def _file(self, content: bytes, purpose: str, filename: str) -> dict[str, Any]:
        file_id = f"file-{len(self.descriptions):04}"
        self.files[file_id] = content
        response = {"id": file_id, "object": "file", "bytes": len(content), "created_at": int(time.time())}
        self.descriptions[file_id] = response | {"filename": filename, "purpose": purpose, "status": "processed"}
        return self.descriptions[file_id]

    def _known(self, batch_id: str) -> Batch:
        if batch_id not in self.all:
            raise Refusal(404, f"No batch found with id '{batch_id}'.")
        return self.all[batch_id]
