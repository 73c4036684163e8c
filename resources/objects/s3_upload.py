"""Uploading to a bucket: in one request, or in parts above the size of one; every byte under a checksum."""

import base64
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any, BinaryIO

from domain.errors import ObjectStoreUnavailable, RowlineError
from resources.objects.s3_bucket import Bucket
from resources.objects.s3_errors import MISSING_OBJECT, MISSING_UPLOAD, error_code, unexpected_response

SHA256 = "sha256"  # the object's metadata: SHA-256 of the whole, in hexadecimal digits
MAX_PARTS = 10_000  # S3's own limit


def upload(bucket: Bucket, key: str, body: BinaryIO, size: int, sha256: bytes) -> None:
    """Store a file of `size` bytes, atomically. Raises PermanentError or TransientError."""
    target = bucket.object_params(key)
    body.seek(0)
    with bucket.translate_errors(f"Object {key} cannot be written in"):
        if size <= bucket.limits.part_bytes:
            _put(bucket, target, body.read(), sha256)
        else:
            _upload_parts(bucket, target, body, size, sha256)


def _put(bucket: Bucket, target: Mapping[str, str], body: bytes, sha256: bytes) -> None:
    checksum = base64.b64encode(sha256).decode()
    answer = bucket.client.put_object(
        **target, Body=body, ContentLength=len(body), ChecksumSHA256=checksum, Metadata={SHA256: sha256.hex()}
    )
    _verify_response(bucket, target, answer, checksum)


def _upload_parts(bucket: Bucket, target: Mapping[str, str], body: BinaryIO, size: int, sha256: bytes) -> None:
    """A multipart upload. However it ends, no part stays behind: parts are billed and are in no list of objects."""
    try:
        created = bucket.client.create_multipart_upload(
            **target, ChecksumAlgorithm="SHA256", Metadata={SHA256: sha256.hex()}
        )
        if not created.get("UploadId"):
            raise unexpected_response(_describe(bucket, target))
        upload_id = {**target, "UploadId": created["UploadId"]}
        _complete(bucket, upload_id, _send(bucket, upload_id, body, size), sha256)
    finally:
        _abort(bucket, target)


def _send(bucket: Bucket, upload_id: Mapping[str, str], body: BinaryIO, size: int) -> list[dict[str, Any]]:
    """Uploads the parts, a few at a time; memory holds only those in flight."""
    length = max(bucket.limits.part_bytes, -(-size // MAX_PARTS))
    reading = Lock()

    def send(part_number: int) -> dict[str, Any]:
        with reading:
            body.seek((part_number - 1) * length)
            part = body.read(length)
        checksum = base64.b64encode(hashlib.sha256(part).digest()).decode()
        answer = bucket.client.upload_part(**upload_id, PartNumber=part_number, Body=part, ChecksumSHA256=checksum)
        _verify_response(bucket, upload_id, answer, checksum)
        return {"PartNumber": part_number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    pool = ThreadPoolExecutor(bucket.limits.parts_in_flight, thread_name_prefix="s3-part")
    try:
        return list(pool.map(send, range(1, -(-size // length) + 1)))
    finally:
        pool.shutdown(cancel_futures=True)


def _complete(bucket: Bucket, upload_id: Mapping[str, str], parts: list[dict[str, Any]], sha256: bytes) -> None:
    from botocore.exceptions import ClientError

    digests = b"".join(base64.b64decode(part["ChecksumSHA256"]) for part in parts)
    checksum = f"{base64.b64encode(hashlib.sha256(digests).digest()).decode()}-{len(parts)}"
    try:
        answer = bucket.client.complete_multipart_upload(**upload_id, MultipartUpload={"Parts": parts})
    except ClientError as error:
        # the response to the first attempt was lost, and the retry finds nothing left to complete
        if error_code(error) not in MISSING_UPLOAD or not _is_stored(bucket, upload_id, sha256):
            raise
        return
    _verify_response(bucket, upload_id, answer, checksum)


def _is_stored(bucket: Bucket, target: Mapping[str, str], sha256: bytes) -> bool:
    from botocore.exceptions import ClientError

    try:
        head = bucket.client.head_object(Bucket=target["Bucket"], Key=target["Key"])
    except ClientError as error:
        if error_code(error) in MISSING_OBJECT:
            return False
        raise
    return bool(head["Metadata"].get(SHA256) == sha256.hex())


def _abort(bucket: Bucket, target: Mapping[str, str]) -> None:
    """Abort every unfinished upload of this key, also one whose id was lost with the response.

    This must not turn a stored object into a failure; a life-cycle rule of the bucket aborts what is left.
    """
    with suppress(RowlineError), bucket.translate_errors(f"Unfinished uploads of {target['Key']} cannot be ended in"):
        listed = bucket.client.list_multipart_uploads(Bucket=target["Bucket"], Prefix=target["Key"])
        for found in listed.get("Uploads", []):
            if found["Key"] == target["Key"]:
                bucket.client.abort_multipart_upload(**target, UploadId=found["UploadId"])


def _verify_response(bucket: Bucket, target: Mapping[str, str], answer: Mapping[str, Any], checksum: str) -> None:
    """Raises unless the service confirms these bytes. Older servers return no checksum, but all return an ETag."""
    if not answer.get("ETag"):
        raise unexpected_response(_describe(bucket, target))
    if answer.get("ChecksumSHA256", checksum) != checksum:
        raise ObjectStoreUnavailable(f"{_describe(bucket, target)}: it did not arrive as it was sent; try again")


def _describe(bucket: Bucket, target: Mapping[str, str]) -> str:
    return f"Object {target['Key'].removeprefix(bucket.prefix)} cannot be written in {bucket}"
