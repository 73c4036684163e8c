"""What a bucket lets us do beyond putting and getting, tried on objects of our own: for `rowline doctor`."""

from dataclasses import dataclass
from typing import Literal

from resources.inbox.bucket import INBOX
from resources.inbox.protocol import ARCHIVE_FOLDER
from resources.objects.s3_bucket import Bucket
from resources.objects.s3_errors import CHANGED, error_code, unexpected_response

Heeded = Literal["heeded", "ignored", "refused"]
NOBODYS_ETAG = f'"{"0" * 32}"'
UNKNOWN = {"NotImplemented", "501"}  # how a service says that it does not know a condition


@dataclass(frozen=True, slots=True)
class BucketProbe:
    """An object in the inbox, in no organization's folder, so that no look at the inbox sees it; and its copy.

    Every step raises what `Bucket.explained` makes of a refusal; `remove` is to be called whatever happened.
    """

    bucket: Bucket
    key: str

    def move(self) -> None:
        """Put, list and copy it, as the inbox does with what was dropped."""
        tried = "A probe cannot be copied from the inbox in"
        with self.bucket.translate_errors("A probe cannot be put into the inbox in"):
            etag = self.bucket.client.put_object(**self._source, Body=b"").get("ETag")
        if next(self.bucket.listed(INBOX + self.key), {}).get("ETag") != etag:
            raise unexpected_response(f"A probe in the inbox is not listed in {self.bucket}")
        with self.bucket.translate_errors(tried):
            copied = self.bucket.client.copy_object(
                **self._target, CopySource=self._source, CopySourceIfMatch=etag, MetadataDirective="COPY"
            )
        if not copied.get("CopyObjectResult", {}).get("ETag"):
            raise unexpected_response(f"{tried} {self.bucket}")

    def heeds_conditions(self) -> Heeded:
        """Whether a delete that is meant for another object than the one that lies there is refused."""
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
        """Begin an upload in parts, and end all that this key has: what large files need beside a put."""
        tried = "An upload in parts cannot be begun, listed and ended in"
        client, target = self.bucket.client, self._target
        with self.bucket.translate_errors(tried):
            begun = client.create_multipart_upload(**target).get("UploadId")
            if not begun:
                raise unexpected_response(f"{tried} {self.bucket}")
            found = {begun}
            try:  # one whose answer was lost is in the list alone
                listed = client.list_multipart_uploads(Bucket=target["Bucket"], Prefix=target["Key"])
                found |= {upload["UploadId"] for upload in listed.get("Uploads", [])}
            finally:
                for upload in found:
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
