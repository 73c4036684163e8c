"""Checks of what a bucket allows beyond put and get, on objects of our own: for `rowline doctor`."""

from dataclasses import dataclass
from typing import Literal

from resources.inbox.bucket import INBOX
from resources.inbox.protocol import ARCHIVE_FOLDER
from resources.objects.s3_bucket import Bucket
from resources.objects.s3_errors import CHANGED, error_code, unexpected_response

Heeded = Literal["heeded", "ignored", "refused"]
NOBODYS_ETAG = f'"{"0" * 32}"'
UNKNOWN = {"NotImplemented", "501"}  # from services that do not know conditions


@dataclass(frozen=True, slots=True)
class BucketProbe:
    """An object in the inbox, in no organization's folder, so that no poll of the inbox sees it; and its copy.

    Every step raises errors as `Bucket.translate_errors` does; call `remove` whatever happened.
    """

    bucket: Bucket
    key: str

    def move(self) -> None:
        """Put, list and copy it, as the inbox does with what was dropped."""
        tried = "A probe cannot be copied from the inbox in"
        with self.bucket.translate_errors("A probe cannot be put into the inbox in"):
            etag = self.bucket.client.put_object(**self._source, Body=b"").get("ETag")
        if next(self.bucket.list_objects(INBOX + self.key), {}).get("ETag") != etag:
            raise unexpected_response(f"A probe in the inbox is not listed in {self.bucket}")
        with self.bucket.translate_errors(tried):
            copied = self.bucket.client.copy_object(
                **self._target, CopySource=self._source, CopySourceIfMatch=etag, MetadataDirective="COPY"
            )
        if not copied.get("CopyObjectResult", {}).get("ETag"):
            raise unexpected_response(f"{tried} {self.bucket}")

    def heeds_conditions(self) -> Heeded:
        """Whether a conditional delete for another object than the one there is refused."""
        from botocore.exceptions import ClientError

        with self.bucket.translate_errors("A probe cannot be deleted from the inbox in"):
            try:
                self.bucket.client.delete_object(**self._source, IfMatch=NOBODYS_ETAG)
            except ClientError as error:
                code = error_code(error)
                if code not in CHANGED | UNKNOWN:
                    raise
                return "heeded" if code in CHANGED else "refused"
        return "ignored"

    def try_parts(self) -> None:
        """Start an upload in parts, and abort all uploads of this key: what large files need beside a put."""
        tried = "An upload in parts cannot be begun, listed and ended in"
        client, target = self.bucket.client, self._target
        with self.bucket.translate_errors(tried):
            upload_id = client.create_multipart_upload(**target).get("UploadId")
            if not upload_id:
                raise unexpected_response(f"{tried} {self.bucket}")
            upload_ids = {upload_id}
            try:  # one whose response was lost is only in the list
                listed = client.list_multipart_uploads(Bucket=target["Bucket"], Prefix=target["Key"])
                upload_ids |= {upload["UploadId"] for upload in listed.get("Uploads", [])}
            finally:
                for upload in upload_ids:
                    client.abort_multipart_upload(**target, UploadId=upload)

    def remove(self) -> None:
        with self.bucket.translate_errors("A probe cannot be deleted in"):
            for target in (self._source, self._target):
                self.bucket.client.delete_object(**target)

    @property
    def _source(self) -> dict[str, str]:
        return self.bucket.under(INBOX + self.key)

    @property
    def _target(self) -> dict[str, str]:
        return self.bucket.under(f"{ARCHIVE_FOLDER}/{self.key}")
