"""The inbox in a bucket: `<prefix>/inbox/<organization>/[<template>/]<file>`.

Taken objects move to `<prefix>/.taken/<organization>/`, refused ones to `<prefix>/.refused/<organization>/` with
the reason beside them: outside of what is listed at every look, and where one life-cycle rule reaches all of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from domain.documents.inbox_files import InboxFile, organization_of, shortened
from domain.errors import TransientError
from resources.inbox.protocol import ARCHIVE_FOLDER, REASON_FILE, REJECTED_FOLDER, archive_path
from resources.objects.s3_bucket import Bucket
from resources.objects.s3_errors import CHANGED, MISSING_OBJECT, error_code, unexpected_response
from resources.objects.streams import check_size

INBOX = "inbox/"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BucketInbox:
    """The body of `Inbox` over a bucket. An object is complete as soon as it is seen; its ETag tells it from others.

    Objects of more than 5 GiB, which S3 does not copy in one request, stay where they lie, with a warning each look.
    """

    bucket: Bucket

    def files(self) -> list[InboxFile]:
        found = []
        for seen in self.bucket.listed(INBOX):
            path = seen["Key"].removeprefix(INBOX)
            organization = organization_of(path)
            if organization is not None:
                changed_ns = int((seen["LastModified"] - EPOCH).total_seconds() * 1e9)
                found.append(InboxFile(organization, path, seen["Size"], changed_ns, seen["ETag"]))
        return found

    @contextmanager
    def open(self, file: InboxFile, max_bytes: int) -> Iterator[BinaryIO]:
        check_size(file.byte_size, max_bytes)  # before a byte of it is paid for
        tried = f"{file.path} cannot be read in"
        with self.bucket.translate_errors(tried):
            answer = self.bucket.client.get_object(**self.bucket.under(INBOX + file.path), IfMatch=file.etag)
        with closing(answer["Body"]) as body:
            if answer.get("ETag") != file.etag or answer.get("ContentLength") != file.byte_size:
                raise unexpected_response(f"{tried} {self.bucket}")
            yield cast(BinaryIO, _Stream(self.bucket, tried, body))

    def archive(self, file: InboxFile, document_id: str, version: int) -> None:
        self._move(file, f"{ARCHIVE_FOLDER}/{file.organization_id}/{archive_path(document_id, version)}")

    def refuse(self, file: InboxFile, reason: str) -> None:
        folder = f"{REJECTED_FOLDER}/{file.organization_id}/{file.mark}"
        with self.bucket.translate_errors(f"The reason why {file.path} is refused cannot be written in"):
            target = self.bucket.under(f"{folder}/{REASON_FILE}")
            self.bucket.client.put_object(**target, Body=f"{reason}\n".encode(), ContentType="text/plain;charset=utf-8")
        self._move(file, folder)

    def forget(
        self,
        organization_id: str,
        document_id: str | None = None,
        versions: Sequence[int] | None = None,
        dry_run: bool = False,
    ) -> int:
        if document_id is None:
            places = [f"{place}{organization_id}/" for place in (INBOX, f"{ARCHIVE_FOLDER}/", f"{REJECTED_FOLDER}/")]
        elif versions is None:
            places = [f"{ARCHIVE_FOLDER}/{organization_id}/{document_id}/"]
        else:
            places = [f"{ARCHIVE_FOLDER}/{organization_id}/{archive_path(document_id, number)}/" for number in versions]
        keys = [seen["Key"] for place in places for seen in self.bucket.listed(place)]
        with self.bucket.translate_errors("What was dropped cannot be deleted in"):
            for key in [] if dry_run else keys:
                self.bucket.client.delete_object(**self.bucket.under(key))
        return len(keys)

    def _move(self, file: InboxFile, folder: str) -> None:
        """Copied, and only then deleted. What was dropped over it meanwhile stays, and is seen at the next look."""
        source, target = self.bucket.under(INBOX + file.path), self.bucket.under(f"{folder}/{shortened(file.name)}")
        copied = self._unless_gone(
            file, "copy_object", **target, CopySource=source, CopySourceIfMatch=file.etag, MetadataDirective="COPY"
        )
        if copied is None:
            self._check_gone(file, source)
            return
        if not copied.get("CopyObjectResult", {}).get("ETag"):
            raise unexpected_response(f"{file.path} cannot be moved in {self.bucket}")
        self._unless_gone(file, "delete_object", **source, IfMatch=file.etag)

    def _check_gone(self, file: InboxFile, source: dict[str, str]) -> None:
        """A service that lists an object and cannot copy it would have it taken again at every look, without a word."""
        if self._unless_gone(file, "head_object", **source, IfMatch=file.etag):
            raise TransientError(
                f"{file.path} cannot be moved in {self.bucket}: it is listed, but not found; rename it"
            )

    def _unless_gone(self, file: InboxFile, call: str, **arguments: Any) -> dict[str, Any] | None:
        """The answer, or None where the object was moved or replaced by somebody else."""
        from botocore.exceptions import ClientError

        with self.bucket.translate_errors(f"{file.path} cannot be moved in"):
            try:
                return cast(dict[str, Any], getattr(self.bucket.client, call)(**arguments))
            except ClientError as error:
                if error_code(error) not in MISSING_OBJECT | CHANGED:
                    raise
        return None


@dataclass(frozen=True, slots=True)
class _Stream:
    """The body of an answer, whose breaking off is told in our words."""

    bucket: Bucket
    tried: str
    body: Any

    def read(self, size: int = -1) -> bytes:
        with self.bucket.translate_errors(self.tried):
            return cast(bytes, self.body.read(size))
