"""Doubles: an embedder without a network, and stores that fail or watch at a chosen call."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from domain.documents.costs import estimated_tokens
from resources.embedders.protocol import EmbeddingResult, Model
from resources.ledger.ledger import Ledger
from resources.vectors.protocol import VectorStore

DIMENSION = 64


def word_vector(word: str) -> np.ndarray:
    digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little"))).standard_normal(DIMENSION)


class WordEmbedder:
    """The body of `Embedder` that adds up one random vector a word: texts with equal words are near each other.

    It remembers what it was asked to embed. `refuse`: texts with that word are refused; `fail_at`: the call of
    that number (1-based) raises `failure`; `before` is called with the texts of every call.
    """

    jobs = None

    def __init__(self, refuse: str = "REFUSED", name: str = "words") -> None:
        self.model = Model("test", name, DIMENSION)
        self.calls = 0
        self.asked: list[str] = []
        self.refuse = refuse
        self.fail_at: int | None = None
        self.failure: Exception | None = None
        self.before: Callable[[Sequence[str]], None] = lambda _: None
        self._lock = threading.Lock()

    def embed_batches(self, texts: Sequence[str]) -> Iterator[EmbeddingResult]:
        if texts:
            yield self.embed(texts)

    def embed(self, texts: Sequence[str]) -> EmbeddingResult:
        with self._lock:
            self.calls += 1
            call = self.calls
        self.before(texts)
        if call == self.fail_at and self.failure:
            raise self.failure
        vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        refused = {}
        for position, text in enumerate(texts):
            if self.refuse in text:
                refused[position] = "the model does not like it"
                continue
            found = sum((word_vector(word) for word in re.findall(r"\w+", text.lower())), np.zeros(DIMENSION))
            vectors[position] = found / (np.linalg.norm(found) or 1.0)
        with self._lock:
            self.asked += texts
        tokens = sum(estimated_tokens(len(text.encode())) for text in texts)
        return EmbeddingResult(range(len(texts)), vectors, refused, tokens, requests=1)

    def price_per_million_tokens(self) -> float | None:
        return 2.0

    def close(self) -> None:
        """Nothing is open."""


class Watched:
    """Any resource, with `before` called ahead of every one of its calls (its name, its arguments)."""

    def __init__(self, inner: Any, before: Callable[[str, tuple[Any, ...]], None]) -> None:
        self._inner = inner
        self._before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def called(*args: Any, **kwargs: Any) -> Any:
            self._before(name, args)
            return found(*args, **kwargs)

        return called


def watched_ledger(ledger: Ledger, before: Callable[[str, tuple[Any, ...]], None], *nouns: str) -> Ledger:
    """The ledger with `before` called ahead of every call to its nouns (all of them, unless named)."""
    names = nouns or (
        "documents",
        "plans",
        "embeddings",
        "lineage",
        "live_versions",
        "garbage",
        "reconciliation",
        "removals",
    )
    return replace(ledger, **{name: Watched(getattr(ledger, name), before) for name in names})


class FailsAt:
    """For `Watched`: raises `failure` at the n-th call (1-based) of those named, once or from then on."""

    def __init__(self, n: int, failure: Exception, names: Sequence[str] = (), always: bool = False) -> None:
        self.n, self.failure, self.names, self.always = n, failure, names, always
        self.calls = 0

    def __call__(self, name: str, _: tuple[Any, ...]) -> None:
        if self.names and name not in self.names:
            return
        self.calls += 1
        if self.calls == self.n or (self.always and self.calls > self.n):
            raise self.failure


def failing_store(inner: VectorStore, *names: str, failure: Exception) -> Any:
    """A vector store of which the calls of these names always fail."""
    return Watched(inner, FailsAt(1, failure, names, always=True))
