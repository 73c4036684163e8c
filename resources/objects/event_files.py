"""Files that events name, from the organization's folder of the object storage and nowhere else."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from domain.errors import NotFound, PermanentError
from domain.events.file_paths import in_store
from resources.objects.protocol import ObjectStore
from resources.objects.s3 import S3ObjectStore
from resources.objects.s3_bucket import Bucket, BucketStream
from resources.objects.s3_errors import MISSING_OBJECT, error_code
from resources.objects.streams import check_size


@dataclass(frozen=True, slots=True)
class EventFiles:
    """`folder` says where an organization's files lie, with `{organization}` in it (EVENT_FILES_PREFIX)."""

    objects: ObjectStore
    folder: str
    max_bytes: int

    @contextmanager
    def open(self, organization_id: str, file_path: str) -> Iterator[BinaryIO]:
        """The file as a stream.

        Raises InvalidRequest for a path that is not the organization's, NotFound if there is none.
        """
        bucket = self.objects.bucket if isinstance(self.objects, S3ObjectStore) else None
        named = in_store(file_path, organization_id, self.folder, (bucket.name, bucket.prefix) if bucket else None)
        if bucket is not None:
            with self._open_in_bucket(bucket, named.key, named.whole) as body:
                yield body
            return
        with ExitStack() as stack:
            try:
                body = stack.enter_context(stack.enter_context(self.objects.local(named.key)).open("rb"))
            except (PermanentError, OSError) as error:  # without our paths: an app reads this
                raise PermanentError(
                    f"The file {file_path} cannot be read from the object storage; put it there before its event is "
                    "sent, so that Rowline can read it"
                ) from error
            yield body

    @contextmanager
    def _open_in_bucket(self, bucket: Bucket, key: str, whole: bool) -> Iterator[BinaryIO]:
        """An object that somebody else put there: unlike ours it has no SHA-256 stored with it."""
        from botocore.exceptions import ClientError

        tried = f"{key} cannot be read in"
        target = {"Bucket": bucket.name, "Key": key} if whole else bucket.under(key)
        with bucket.translate_errors(tried):
            try:
                answer = bucket.client.get_object(**target)
            except ClientError as error:
                if error_code(error) not in MISSING_OBJECT:
                    raise
                answer = None
        if answer is None:
            raise NotFound(f"There is no file {key} in {bucket}; put it there before its event is sent")
        with closing(answer["Body"]) as body:
            check_size(answer["ContentLength"], self.max_bytes)  # before a byte of it is paid for
            yield cast(BinaryIO, BucketStream(bucket, tried, body))
