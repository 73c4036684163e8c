"""Checks of what the settings choose: objects, embedder, vector store – through their protocols, never an SDK."""

from functools import partial
from io import BytesIO
from time import perf_counter
from uuid import uuid4

from gateway.doctor.context import Context
from gateway.doctor.probes import left_clean, probe_key
from gateway.doctor.results import Verdict, failed, fine, skipped, warned
from resources.inbox.probe import BucketProbe
from resources.objects.s3 import S3ObjectStore
from resources.vectors.protocol import VectorBatch

PROBE_TEXT = "Rowline"
PROBE_NAMESPACE = "rowline-doctor"


def object_store(context: Context) -> Verdict:
    """A small object is put, read back, compared and deleted."""
    objects = context.services.objects
    key = probe_key()
    body = key.encode()
    with left_clean(partial(objects.delete, key)):
        objects.put(key, BytesIO(body))
        with objects.local(key) as path:
            same = path.read_bytes() == body
    if not same:
        return failed("a probe object came back as another one than was put", "Do not use this object store")
    return fine("a probe object was put, read back, compared and deleted")


def bucket(context: Context) -> Verdict:
    """What the inbox in a bucket and large files need beside that: list, copy, upload in parts, delete on condition."""
    objects = context.services.objects
    if not isinstance(objects, S3ObjectStore):
        return skipped(f"objects lie in a folder; the inbox is {context.settings.inbox}")
    probe = BucketProbe(objects.bucket, probe_key())
    with left_clean(probe.remove):
        probe.move()
        probe.try_parts()
        heeded = probe.heeds_conditions()
    if heeded == "ignored":
        return warned(
            "the service ignores If-Match on a delete: a file dropped into the inbox while one of the same name is "
            "taken is lost",
            "Give each dropped file a name of its own, or use a service that heeds it",
        )
    if heeded == "refused":
        return warned(
            "the service knows no If-Match on a delete: what is taken does not leave the inbox",
            "Do not use the inbox there; uploads work",
        )
    return fine("a probe was listed, copied, uploaded in parts, and kept from a delete that was meant for another")


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
    """The index fits the model, and the key may read and write: one vector, in a namespace of its own."""
    import numpy as np

    model, store = context.services.embedder.model, context.services.vectors
    ids = [str(uuid4())]
    store.prepare(model.key, model.dimension)
    drop = partial(store.drop_namespace, PROBE_NAMESPACE)
    delete = partial(store.delete, model.key, PROBE_NAMESPACE, ids)
    with left_clean(drop), left_clean(delete):
        store.missing(model.key, PROBE_NAMESPACE, ids)
        matrix = np.full((1, model.dimension), model.dimension**-0.5, dtype=np.float32)
        store.upsert(model.key, PROBE_NAMESPACE, VectorBatch(ids, matrix, [{}]))
    return fine(
        f"{context.settings.vector_store} holds {model.dimension:,} numbers by cosine; a probe was written and removed"
    )
