"""Object storage in a bucket: any service that speaks S3."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, cast

from domain.errors import ErrorCode, PermanentError, TransientError
from resources.objects.protocol import StoredObject
from resources.objects.s3_bucket import Bucket
from resources.objects.s3_client import LIMITS, Limits
from resources.objects.s3_errors import MISSING_OBJECT, AlteredObject, error_code, unexpected_response
from resources.objects.s3_upload import SHA256, upload
from resources.objects.streams import CHUNK, copy_stream, measure_file


class S3ObjectStore:
    """`ObjectStore` over a bucket.

    A stream is spooled to a temporary file before the first request: one that is too large or breaks off costs none,
    and its SHA-256 is stored with it, so that every download is verified (ADR 0009).
    """

    def __init__(
        self,
        address: str,
        endpoint_url: str | None = None,
        limits: Limits = LIMITS,
        get_client: Callable[[], Any] | None = None,
    ) -> None:
        self.bucket = Bucket.parse(address, endpoint_url, limits, get_client)

    def put(self, key: str, body: BinaryIO, max_bytes: int | None = None) -> StoredObject:
        self.bucket.object_params(key)  # before anything is read
        with (
            translate_disk_errors(key, "written"),
            tempfile.SpooledTemporaryFile(self.bucket.limits.part_bytes) as temporary,
        ):
            spool = cast(BinaryIO, temporary)
            size, sha256 = copy_stream(body, spool, max_bytes)
            upload(self.bucket, key, spool, size, sha256)
        return StoredObject(key, size, sha256)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        target = self.bucket.object_params(key)
        with ExitStack() as cleanup:
            with translate_disk_errors(key, "read"):
                path = cleanup.enter_context(temporary_file())
                self._download(key, target, path)
            yield path

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        self.bucket.object_params(key)  # before anything is written
        with translate_disk_errors(key, "written"), temporary_file() as path:
            yield path
            size, sha256 = measure_file(path)
            with path.open("rb") as body:
                upload(self.bucket, key, body, size, sha256)

    def delete(self, key: str) -> None:
        target = self.bucket.object_params(key)
        with self.bucket.translate_errors(f"Object {key} cannot be deleted in"):
            self.bucket.client.delete_object(**target)

    def keys(self, prefix: str) -> Iterator[str]:
        return (item["Key"] for item in self.bucket.list_objects(prefix))

    def link(self, key: str) -> str:
        return self.bucket.link(key)

    def _download(self, key: str, target: dict[str, str], path: Path) -> None:
        """Into a file. Only a failure after the first byte is retried here; botocore retries the rest."""
        for attempt in count(1):
            answer = self._get(key, target)
            try:
                self._save(key, answer, path)
                return
            except (TransientError, AlteredObject):
                if attempt >= self.bucket.limits.attempts:
                    raise

    def _get(self, key: str, target: dict[str, str]) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        tried = f"Object {key} cannot be read in"
        with self.bucket.translate_errors(tried):
            try:
                answer = cast(dict[str, Any], self.bucket.client.get_object(**target))
            except ClientError as error:
                if error_code(error) not in MISSING_OBJECT:
                    raise
            else:
                if not answer.get("ETag"):
                    answer["Body"].close()
                    raise unexpected_response(f"{tried} {self.bucket}")
                return answer
        raise PermanentError(
            f"Object {key} is not in {self.bucket}; upload the file again", code=ErrorCode.OBJECT_MISSING
        )

    def _save(self, key: str, answer: dict[str, Any], path: Path) -> None:
        digest, size = hashlib.sha256(), 0
        tried = f"Object {key} cannot be read in"
        with self.bucket.translate_errors(tried), closing(answer["Body"]) as body, path.open("wb") as out:
            for chunk in body.iter_chunks(CHUNK):
                size += len(chunk)
                digest.update(chunk)
                out.write(chunk)
        if digest.hexdigest() != answer["Metadata"].get(SHA256):
            raise AlteredObject(
                f"Object {key} in {self.bucket} is not what was stored there ({size:,} bytes were read, their SHA-256 "
                "is another); upload the file again"
            )


@contextmanager
def translate_disk_errors(key: str, action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PermanentError(
            f"Object {key} cannot be {action} by way of {tempfile.gettempdir()}: {error.strerror}"
        ) from error


@contextmanager
def temporary_file() -> Iterator[Path]:
    """A file that only its owner can read, deleted when the block ends."""
    handle, name = tempfile.mkstemp(prefix="rowline-")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
