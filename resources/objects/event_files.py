"""Files that events name: where an organization's apps put them in the object storage, and nowhere else."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from domain.errors import NotFound, PermanentError
from domain.events.file_paths import in_store
from resources.objects.protocol import ObjectStore
from resources.objects.s3 import S3ObjectStore
from resources.objects.s3_bucket import Bucket
from resources.objects.s3_errors import MISSING_OBJECT, code_of
from resources.objects.streams import check_size


@dataclass(frozen=True, slots=True)
class EventFiles:
    """`folder` says where an organization's files lie, with `{organization}` in it (EVENT_FILES_PREFIX)."""

    objects: ObjectStore
    folder: str
    most_bytes: int

    @contextmanager
    def opened(self, organization_id: str, file_path: str) -> Iterator[BinaryIO]:
        """The file as a stream. Raises Misuse for a path that is not the organization's, NotFound where none is."""
        bucket = self.objects.bucket if isinstance(self.objects, S3ObjectStore) else None
        named = in_store(file_path, organization_id, self.folder, (bucket.name, bucket.prefix) if bucket else None)
        if bucket is not None:
            with self._of_bucket(bucket, named.key, named.whole) as body:
                yield body
            return
        with ExitStack() as opened:
            try:
                body = opened.enter_context(opened.enter_context(self.objects.local(named.key)).open("rb"))
            except (PermanentError, OSError) as error:  # without our paths: an app is told this
                raise PermanentError(
                    f"The file {file_path} cannot be read from the object storage; put it there before its event is "
                    "sent, so that Rowline can read it"
                ) from error
            yield body

    @contextmanager
    def _of_bucket(self, bucket: Bucket, key: str, whole: bool) -> Iterator[BinaryIO]:
        """What somebody else put there: its SHA-256 is not stored beside it, unlike that of an object of ours."""
        from botocore.exceptions import ClientError

        tried = f"{key} cannot be read in"
        target = {"Bucket": bucket.name, "Key": key} if whole else bucket.under(key)
        with bucket.explained(tried):
            try:
                answer = bucket.client.get_object(**target)
            except ClientError as error:
                if code_of(error) not in MISSING_OBJECT:
                    raise
                answer = None
        if answer is None:
            raise NotFound(f"There is no file {key} in {bucket}; put it there before its event is sent")
        with closing(answer["Body"]) as body:
            check_size(answer["ContentLength"], self.most_bytes)  # before a byte of it is paid for
            yield cast(BinaryIO, _Stream(bucket, tried, body))


@dataclass(frozen=True, slots=True)
class _Stream:
    """The body of an answer, whose breaking off is told in our words."""

    bucket: Bucket
    tried: str
    body: Any

    def read(self, size: int = -1) -> bytes:
        with self.bucket.explained(self.tried):
            return cast(bytes, self.body.read(size))
