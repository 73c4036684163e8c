"""The inbox in a bucket: `<prefix>/inbox/<organization>/[<template>/]<file>`.

Uploaded objects move to `<prefix>/.taken/<organization>/`, refused ones to `<prefix>/.refused/<organization>/` with
the reason beside them: outside of what is listed at every poll, and where one life-cycle rule covers all of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from domain.documents.inbox_files import InboxFile, organization_of, shortened
from domain.errors import TransientError
from resources.inbox.protocol import ARCHIVE_FOLDER, REASON_FILE, REJECTED_FOLDER, archive_path
from resources.objects.s3_bucket import Bucket, BucketStream
from resources.objects.s3_errors import CHANGED, MISSING_OBJECT, error_code, unexpected_response
from resources.objects.streams import check_size

INBOX = "inbox/"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BucketInbox:
    """`Inbox` over a bucket. An object is complete as soon as it is listed; its ETag identifies its content.

    Objects of more than 5 GiB, which S3 does not copy in one request, stay in place, with a warning at each poll.
    """

    bucket: Bucket

    def files(self) -> list[InboxFile]:
        files = []
        for item in self.bucket.list_objects(INBOX):
            path = item["Key"].removeprefix(INBOX)
            organization = organization_of(path)
            if organization is not None:
                changed_ns = int((item["LastModified"] - EPOCH).total_seconds() * 1e9)
                files.append(InboxFile(organization, path, item["Size"], changed_ns, item["ETag"]))
        return files

    @contextmanager
    def open(self, file: InboxFile, max_bytes: int) -> Iterator[BinaryIO]:
        check_size(file.byte_size, max_bytes)  # before a byte of it is paid for
        tried = f"{file.path} cannot be read in"
        with self.bucket.translate_errors(tried):
            answer = self.bucket.client.get_object(**self.bucket.under(INBOX + file.path), IfMatch=file.etag)
        with closing(answer["Body"]) as body:
            if answer.get("ETag") != file.etag or answer.get("ContentLength") != file.byte_size:
                raise unexpected_response(f"{tried} {self.bucket}")
            yield cast(BinaryIO, BucketStream(self.bucket, tried, body))

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
            prefixes = [f"{place}{organization_id}/" for place in (INBOX, f"{ARCHIVE_FOLDER}/", f"{REJECTED_FOLDER}/")]
        elif versions is None:
            prefixes = [f"{ARCHIVE_FOLDER}/{organization_id}/{document_id}/"]
        else:
            prefixes = [
                f"{ARCHIVE_FOLDER}/{organization_id}/{archive_path(document_id, version)}/" for version in versions
            ]
        keys = [item["Key"] for prefix in prefixes for item in self.bucket.list_objects(prefix)]
        with self.bucket.translate_errors("What was dropped cannot be deleted in"):
            for key in [] if dry_run else keys:
                self.bucket.client.delete_object(**self.bucket.under(key))
        return len(keys)

    def _move(self, file: InboxFile, folder: str) -> None:
        """Copied, and only then deleted. A file that replaced it meanwhile stays, and is listed at the next poll."""
        source, target = self.bucket.under(INBOX + file.path), self.bucket.under(f"{folder}/{shortened(file.name)}")
        copied = self._unless_changed(
            file, "copy_object", **target, CopySource=source, CopySourceIfMatch=file.etag, MetadataDirective="COPY"
        )
        if copied is None:
            self._check_missing(file, source)
            return
        if not copied.get("CopyObjectResult", {}).get("ETag"):
            raise unexpected_response(f"{file.path} cannot be moved in {self.bucket}")
        self._unless_changed(file, "delete_object", **source, IfMatch=file.etag)

    def _check_missing(self, file: InboxFile, source: dict[str, str]) -> None:
        """A service that lists an object and cannot copy it would have it uploaded again at every poll, silently."""
        if self._unless_changed(file, "head_object", **source, IfMatch=file.etag):
            raise TransientError(
                f"{file.path} cannot be moved in {self.bucket}: it is listed, but not found; rename it"
            )

    def _unless_changed(self, file: InboxFile, call: str, **arguments: Any) -> dict[str, Any] | None:
        """The response, or None if the object was moved or replaced by somebody else."""
        from botocore.exceptions import ClientError

        with self.bucket.translate_errors(f"{file.path} cannot be moved in"):
            try:
                return cast(dict[str, Any], getattr(self.bucket.client, call)(**arguments))
            except ClientError as error:
                if error_code(error) not in MISSING_OBJECT | CHANGED:
                    raise
        return None
