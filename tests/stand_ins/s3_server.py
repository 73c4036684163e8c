"""A stand-in for S3, on 127.0.0.1 only: moto keeps the objects, this front makes it strict and gives it bad days.

moto believes every key and every checksum. The front verifies the signature (SigV4, with botocore's own code), the
SHA-256 of every body and of every part, conditions of copies, and refuses with S3's error documents.

    with S3Server() as server:                         # in a test: a thread of its own, a bucket ready to use
        server.faults.append(Fault("reset_after", operation="put"))

    python -m tests.stand_ins.s3_server                # on its own; prints the settings that lead to it

Operations: put, get, head, delete, copy, list, create_upload, part, complete, abort, uploads.
Beyond the shared vocabulary: access_denied, clock_skew, wrong_region, altered (as many bytes, in other case), careless
(If-Match is not looked at), not_implemented.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import select
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import unquote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeKey, s3_backends
from moto.server import create_backend_app
from werkzeug.datastructures import Headers
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.stand_ins.faults import Fault, next_fault

KEY, SECRET, BUCKET, REGION = "AKIASTANDIN012345678", "stand-in-secret-0123456789", "rowline-test", "us-east-1"
START = Callable[..., Any]

# What S3 says: status, code, message. The message repeats what must never be repeated.
REFUSALS = {
    "rate_limit": (503, "SlowDown", "Please reduce your request rate."),
    "server_error": (500, "InternalError", "We encountered an internal error. Please try again."),
    "unavailable": (503, "ServiceUnavailable", "Reduce your request rate."),
    "wrong_key": (403, "InvalidAccessKeyId", "The AWS Access Key Id {key} does not exist in our records."),
    "wrong_signature": (403, "SignatureDoesNotMatch", "The signature of {key} does not match."),
    "access_denied": (403, "AccessDenied", "User {key} is not authorized to perform this."),
    "missing": (404, "NoSuchBucket", "The specified bucket does not exist"),
    "quota_full": (507, "InsufficientStorage", "The quota of {key} is used up."),
    "clock_skew": (403, "RequestTimeTooSkewed", "The difference between the times is too large."),
    "wrong_region": (400, "AuthorizationHeaderMalformed", "The region 'us-east-1' is wrong; expecting 'eu-west-1'"),
    "bad_digest": (400, "BadDigest", "The checksum did not match what was received."),
    "not_implemented": (501, "NotImplemented", "A header you provided implies functionality that is not implemented"),
    "no_key": (404, "NoSuchKey", "The specified key does not exist."),
    "no_upload": (404, "NoSuchUpload", "The specified upload does not exist."),
    "changed": (412, "PreconditionFailed", "At least one of the pre-conditions did not hold"),
}


@dataclass(slots=True)
class Stats:
    """What the server has seen since the last reset."""

    operations: Counter[str] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def requests(self) -> int:
        return self.operations.total()


class _Handler(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """Nothing: the counters tell."""


class S3Server:
    """The server, its counters and its queue of faults. A context manager: runs in a thread of its own."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.stats = Stats()
        self._lock = threading.Lock()
        self._moto = create_backend_app("s3")
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="s3-stand-in")

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 has to find to be let in."""
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION}

    def __enter__(self) -> Self:
        self._thread.start()
        self.reset()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
        self._objects.reset()

    def reset(self) -> None:
        """An empty bucket, no faults, counters at zero."""
        self.faults.clear()
        self.stats = Stats()
        self._objects.reset()
        self._objects.create_bucket(BUCKET, REGION)

    # -- what lies there, past the wire -----------------------------------------------------------------------

    @property
    def _objects(self) -> Any:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]

    def drop(self, key: str, body: bytes, at: datetime | None = None) -> None:
        """Another program puts an object there, now or at a time (UTC), with a checksum as today's SDKs do."""
        dropped: FakeKey = self._objects.put_object(BUCKET, key, body)
        dropped.last_modified = (at or datetime.now(UTC)).replace(tzinfo=None)
        dropped.checksum_algorithm = "SHA256"
        dropped.checksum_value = base64.b64encode(hashlib.sha256(body).digest()).decode()

    def stored(self) -> list[str]:
        """Every key of the bucket, in order."""
        return sorted(self._objects.buckets[BUCKET].keys)

    def body(self, key: str) -> bytes:
        found: FakeKey = self._objects.get_object(BUCKET, key)
        return bytes(found.value)

    def damage(self, key: str) -> None:
        """The disk of the service flips a bit; nobody there notices."""
        found: FakeKey = self._objects.get_object(BUCKET, key)
        body = bytearray(found.value)
        body[len(body) // 2] ^= 1
        found.value = bytes(body)
        found.checksum_value = None
        found.checksum_algorithm = None

    def _is_unfinished(self, upload: str) -> bool:
        return upload in self._objects.buckets[BUCKET].multiparts

    def unfinished(self) -> list[str]:
        """Keys of multipart uploads that were neither completed nor ended."""
        return sorted(part.key_name for part in self._objects.buckets[BUCKET].multiparts.values())

    # -- answering --------------------------------------------------------------------------------------------

    def _answer(self, environ: dict[str, Any], start: START) -> Iterable[bytes]:
        request = Request(environ)
        body = request.get_data(cache=False)
        operation = operation_of(request)
        with self._lock:
            self.stats.operations[operation] += 1
            self.stats.bytes_in += len(body)
            fault = next_fault(self.faults, operation)
        line: socket.socket = environ["werkzeug.socket"]
        if fault.kind in ("timeout", "slow"):
            # ends early when the client hangs up
            select.select([line], [], [], fault.seconds or 10.0)
        if fault.kind in ("timeout", "reset_before"):
            hang_up(line)
        response = self._early(request, body, fault) or self._late(environ, body, fault)
        if fault.kind == "reset_after":
            hang_up(line)
        if fault.kind == "altered":
            response.set_data(response.get_data().swapcase())
        self.stats.bytes_out += len(response.get_data())
        if fault.kind == "truncated":
            return cut_short(response, start, line)
        return response(environ, start)

    def _early(self, request: Request, body: bytes, fault: Fault) -> Response | None:
        """Refusals and nonsense in place of any work."""
        if fault.kind == "garbage":
            return Response("<html><body>Welcome to the hotel's network</body></html>", mimetype="text/html")
        kind = fault.kind if fault.kind in REFUSALS else wrong_with(request, body) or self._overtaken(request)
        return refusal(kind, key_of(request), fault) if kind else None

    def _overtaken(self, request: Request) -> str | None:
        """What moto does not look at: whether an upload goes on still, whether a copy's source is another object."""
        upload = request.args.get("uploadId")
        if upload is not None and not self._is_unfinished(upload):
            return "no_upload"
        wanted = request.headers.get("x-amz-copy-source-if-match")
        if wanted is None:
            return None
        bucket, _, key = request.headers["x-amz-copy-source"].lstrip("/").partition("/")
        found = self._objects.get_object(bucket, unquote(key))
        return "changed" if found is not None and found.etag.strip('"') != wanted.strip('"') else None

    def _late(self, environ: dict[str, Any], body: bytes, fault: Fault) -> Response:
        environ = {**environ, "wsgi.input": io.BytesIO(body)}
        if fault.kind == "careless":
            environ.pop("HTTP_IF_MATCH", None)
        return Response.from_app(self._moto, environ, buffered=True)


def operation_of(request: Request) -> str:
    """Which of S3's operations a request is."""
    asked, method = request.args, request.method
    if method in ("GET", "HEAD") and request.path.strip("/").count("/") == 0:
        return "uploads" if "uploads" in asked else "list" if method == "GET" else "head"
    if method == "POST":
        return "create_upload" if "uploads" in asked else "complete"
    if method == "PUT" and "partNumber" in asked:
        return "part"
    if method == "PUT" and "x-amz-copy-source" in request.headers:
        return "copy"
    if method == "DELETE" and "uploadId" in asked:
        return "abort"
    return method.lower()


def key_of(request: Request) -> str:
    """The access key id of the Authorization header."""
    return request.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]


def wrong_with(request: Request, body: bytes) -> str | None:
    """The refusal that a request deserves for its key, its signature or its checksums; None for a good one."""
    if key_of(request) != KEY:
        return "wrong_key" if key_of(request) else "access_denied"
    if not hmac.compare_digest(signature_of(request), request.headers["Authorization"].rpartition("=")[2]):
        return "wrong_signature"
    digest = hashlib.sha256(body)
    claimed = request.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if claimed not in ("UNSIGNED-PAYLOAD", digest.hexdigest()):
        return "bad_digest"
    checksum = request.headers.get("x-amz-checksum-sha256")
    whole = request.method == "PUT" and "x-amz-copy-source" not in request.headers
    if whole and checksum not in (None, base64.b64encode(digest.digest()).decode()):
        return "bad_digest"
    return None


def signature_of(request: Request) -> str:
    """What the signature must be, were it made with our secret."""
    given = request.headers["Authorization"]
    _, _, region, service, _ = given.partition("Credential=")[2].partition(",")[0].split("/")
    signed = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    wanted = AWSRequest(
        method=request.method,
        url=f"http://{request.host}{request.environ['RAW_URI']}",
        headers={name: request.headers[name] for name in signed},
    )
    wanted.context["timestamp"] = request.headers["X-Amz-Date"]
    signer = S3SigV4Auth(Credentials(KEY, SECRET), service, region)
    return str(signer.signature(signer.string_to_sign(wanted, signer.canonical_request(wanted)), wanted))


def refusal(kind: str, key: str, fault: Fault) -> Response:
    status, code, message = REFUSALS[kind]
    description = (fault.message or message).replace("{key}", key)
    region = "<Region>eu-west-1</Region>" if kind == "wrong_region" else ""
    text = (
        f"<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>{code}</Code><Message>{description}</Message>{region}"
        f"<AWSAccessKeyId>{key}</AWSAccessKeyId><RequestId>0</RequestId></Error>"
    )
    return Response(text, status, Headers(fault.headers), content_type="application/xml")


def hang_up(line: socket.socket) -> None:
    """Cut the connection, with a reset where the system still can. Always raises: nobody is left to answer."""
    with suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


def cut_short(response: Response, start: START, line: socket.socket) -> Iterator[bytes]:
    """Half of the body, or half of the first line where there is no body; then nothing more."""
    body = response.get_data()
    if body:
        start(response.status, response.headers.to_wsgi_list())
        yield body[: len(body) // 2]
    else:
        line.sendall(b"HTTP/1.1 2")
    hang_up(line)


def main() -> None:
    with S3Server() as server:
        settings = {"OBJECT_STORE": f"s3://{BUCKET}/rowline", "S3_ENDPOINT_URL": server.endpoint_url}
        for name, value in {**settings, **server.environment}.items():
            print(f"export {name}={value}", flush=True)  # noqa: T201 – who started the process waits for these lines
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
