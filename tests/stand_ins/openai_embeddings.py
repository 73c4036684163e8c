"""What the stand-in for OpenAI says to a request for embeddings: its limits, its refusals, its vectors.

Limits and error bodies follow what was seen on the wire (contracts.md section 4). Vectors are of unit length and depend
on the text and the dimension alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
from aiohttp import web

REFUSED_MARK = "REFUSE-ME"  # an input that holds this is refused, as the service refuses what it cannot read
MODELS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
_NOISE = np.random.Generator(np.random.PCG64(7)).standard_normal(1 << 20, dtype=np.float32)


class Refusal(Exception):
    """An error answer in OpenAI's shape."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        kind = {401: "invalid_request_error", 429: "requests", 500: "server_error"}.get(status, "invalid_request_error")
        if code == "insufficient_quota":
            kind = "insufficient_quota"
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}

    def response(self, headers: dict[str, str] | None = None) -> web.Response:
        return web.Response(
            status=self.status, body=orjson.dumps(self.body), headers=headers, content_type="application/json"
        )


def vector(text: str, dimension: int) -> np.ndarray:
    """A unit vector from the hash of the text: two windows of one table of noise, added."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    span = len(_NOISE) - dimension
    first, second = (int.from_bytes(half, "little") % span for half in (digest[:4], digest[4:]))
    found = _NOISE[first : first + dimension] + _NOISE[second : second + dimension]
    return found / np.float32(np.sqrt(np.dot(found, found)))


def count_tokens(text: str) -> int:
    return len(text) // 3 + 1


def check(body: dict[str, Any]) -> tuple[list[str], int]:
    """The inputs and the dimension of a request, or the refusal it deserves."""
    native = MODELS.get(body.get("model", ""))
    if native is None:
        raise Refusal(404, f"The model `{body.get('model')}` does not exist.", "model_not_found")
    dimension = body.get("dimensions", native)
    if "dimensions" in body and body["model"] == "text-embedding-ada-002":
        raise Refusal(400, "This model does not support specifying dimensions.", param="dimensions")
    if not isinstance(dimension, int) or not 1 <= dimension <= native:
        raise Refusal(400, f"Invalid value for 'dimensions': must be at most {native}.", param="dimensions")
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, "'$.input' is invalid. Please check the API reference.", param=None)
    check_inputs(texts)
    return texts, dimension


def check_inputs(texts: list[str]) -> None:
    if len(texts) > 2048:
        raise Refusal(400, "Invalid 'input': array too long. Expected at most 2048.", "array_above_max_length", "input")
    if any(text == "" for text in texts):
        raise Refusal(400, "'$.input' is invalid: an input must not be an empty string.", param=None)
    if any(REFUSED_MARK in text for text in texts):
        raise Refusal(400, "'$.input' is invalid. Please check the API reference.", param=None)
    sizes = [count_tokens(text) for text in texts]
    if max(sizes) > 8192:
        message = f"This model's maximum context length is 8192 tokens, however you requested {max(sizes)} tokens."
        raise Refusal(400, message, "context_length_exceeded")
    if sum(sizes) > 300_000:
        message = f"Requested {sum(sizes)} tokens, max 300000 tokens per request"
        raise Refusal(400, message, "max_tokens_per_request")


def encoded(text: str, dimension: int, as_base64: bool) -> Any:
    found = vector(text, dimension)
    return base64.b64encode(found.tobytes()).decode() if as_base64 else found


def _all(number: float) -> Callable[[list[dict[str, Any]]], None]:
    """Puts one number in every place of the first vector."""

    def spoil(data: list[dict[str, Any]]) -> None:
        length = len(base64.b64decode(data[0]["embedding"])) // 4
        data[0]["embedding"] = base64.b64encode(np.full(length, number, dtype="<f4").tobytes()).decode()

    return spoil


def _short_vector(data: list[dict[str, Any]]) -> None:
    data[0]["embedding"] = data[0]["embedding"][:16]


def _same_index(data: list[dict[str, Any]]) -> None:
    for item in data:
        item["index"] = 0


# What a broken answer with status 200 can look like: each spoils the list of embeddings in place.
SPOILERS = {
    "wrong_count": lambda data: data.pop(),
    "out_of_order": lambda data: data.reverse(),
    "same_index": _same_index,
    "nan": _all(np.nan),
    "infinite": _all(np.inf),
    "zero": _all(0.0),
    "short_vector": _short_vector,
}


def embedding_list(texts: list[str], dimension: int, body: dict[str, Any], as_floats: bool = False) -> dict[str, Any]:
    """The answer to a request, usage included."""
    as_base64 = body.get("encoding_format") == "base64" and not as_floats
    tokens = sum(map(count_tokens, texts))
    data = [
        {"object": "embedding", "index": index, "embedding": encoded(text, dimension, as_base64)}
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}
