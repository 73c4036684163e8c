"""Checks of what the settings choose: objects, embedder, vector store – through their protocols, never an SDK."""

from contextlib import suppress
from io import BytesIO
from time import perf_counter
from uuid import UUID, uuid4

from gateway.doctor.context import Context
from gateway.doctor.findings import Verdict, failed, fine
from pipelines.failures import RowlineFailure
from resources.vectors.protocol import VectorStore

PROBE_TEXT = "Rowline"
PROBE_NAMESPACE = "rowline-doctor"
NOBODY = str(UUID(int=0))  # the id of no vector: asked for and deleted without effect


def object_store(context: Context) -> Verdict:
    """A small object is put, read back, compared and deleted."""
    objects = context.services.objects
    key = f"rowline-doctor-{uuid4().hex}"
    body = key.encode()
    try:
        objects.put(key, BytesIO(body))
        with objects.local(key) as path:
            same = path.read_bytes() == body
    except RowlineFailure:
        with suppress(RowlineFailure):  # a put without an answer may have been applied; the first failure is told
            objects.delete(key)
        raise
    objects.delete(key)
    if not same:
        return failed("a probe object came back as another one than was put", "Do not use this object store")
    return fine("a probe object was put, read back, compared and deleted")


def embedding_model(context: Context) -> Verdict:
    model = context.services.embedder.model
    return fine(f"{model.key}: vectors of {model.dimension:,} numbers")


def embedding_service(context: Context) -> Verdict:
    """One word is embedded: the one thing here that may cost money, some millionths of a cent."""
    embedder = context.services.embedder
    started = perf_counter()
    answer = embedder.embed([PROBE_TEXT])
    seconds = perf_counter() - started
    if answer.refused:
        return failed(f"{embedder.model.key} refuses the word {PROBE_TEXT}: {answer.refused[0]}", "Try another model")
    paid = f"1 input of {answer.tokens} tokens was billed" if answer.tokens else "nothing was billed"
    return fine(f"{embedder.model.key} answered in {seconds:.1f} s; {paid}")


def vector_store(context: Context) -> Verdict:
    """The index fits the model, and the key may read and write: a vector that nobody has is deleted."""
    model = context.services.embedder.model
    store: VectorStore = context.services.vectors
    store.prepare(model.key, model.dimension)
    store.missing(model.key, PROBE_NAMESPACE, [NOBODY])
    store.delete(model.key, PROBE_NAMESPACE, [NOBODY])
    return fine(
        f"{context.settings.vector_store} holds {model.dimension:,} numbers by cosine, and can be read and written"
    )
