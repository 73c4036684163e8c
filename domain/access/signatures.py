"""Signatures: a timestamp and an HMAC over a body, as the SDKs of the event engine make and check them.

`x-inngest-signature: t=<unix seconds>&s=<hex>`, where s is HMAC-SHA256 over the canonical JSON of the body (RFC 8785)
followed by t. A body that is no JSON is signed as it is. The SDKs sign no request without a body; ours signs its method
and address in place of one, so that a signature of nothing does not open everything.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from contextlib import suppress

from domain.errors import ErrorCode, InvalidRequest

HEADER = "x-inngest-signature"
TOLERANCE_SECONDS = 300
_HEADER = re.compile(r"t=(\d{1,12})&s=([0-9a-f]{64})")
_PREFIX = re.compile(r"signkey-\w+-")


class InvalidSignature(InvalidRequest):
    """A signature that proves nothing; the message says what is missing or wrong (HTTP 401)."""

    code = ErrorCode.INVALID_SIGNATURE


def signed(body: bytes, key: str, now: float) -> str:
    """The header's value for a body that we send now (unix seconds)."""
    seconds = str(int(now))
    return f"t={seconds}&s={_digest(canonical(body), seconds, key)}"


def request_without_body(method: str, target: str) -> bytes:
    """What is signed if there is no body: `GET /v1/events?limit=1`."""
    return f"{method.upper()} {target}".encode()


def check(body: bytes, header: str | None, keys: list[str], now: float) -> bytes:
    """Look at a signature, and give what is the same for it and its copies: 32 bytes to know it again by.

    Raises InvalidSignature, naming what is missing or wrong: the key, the header, the signature, its age.
    """
    if not keys:
        raise InvalidSignature("No signature can be checked here: INNGEST_SIGNING_KEY is not set")
    if not header:
        raise InvalidSignature(f"The header {HEADER} is missing; sign the request with INNGEST_SIGNING_KEY")
    parts = _HEADER.fullmatch(header)
    if parts is None:
        raise InvalidSignature(f"The header {HEADER} must be t=<unix seconds>&s=<64 hex digits>")
    seconds, given = parts[1], parts[2]
    # what is canonical already, or no JSON, is the same in both forms
    expected = [_digest(form, seconds, key) for key in keys for form in (canonical(body), body)]
    if not any([hmac.compare_digest(given, digest) for digest in expected]):  # noqa: C419 - all, in the same time
        raise InvalidSignature(
            f"The signature in {HEADER} does not fit: made with another INNGEST_SIGNING_KEY, or of another body"
        )
    age = int(now) - int(seconds)
    if abs(age) > TOLERANCE_SECONDS:
        when = f"{age} s old" if age > 0 else f"{-age} s ahead of our clock"
        raise InvalidSignature(
            f"The signature is {when}, and {TOLERANCE_SECONDS} s are allowed; sign anew, see the clocks"
        )
    return bytes.fromhex(given)


def canonical(body: bytes) -> bytes:
    """The body as RFC 8785 writes its JSON; unchanged if it is not JSON."""
    import jcs

    try:
        return bytes(jcs.canonicalize(json.loads(body)))
    except (ValueError, RecursionError):  # also what is not UTF-8, NaN, and lone surrogates
        return body


def is_signing_key(shown: str, key: str) -> bool:
    """Whether a bearer shows the signing key in one of the SDKs' four ways: it or its hash, prefixed or not."""
    plain = _without_prefix(key)
    spellings = [plain]
    with suppress(ValueError):  # a key that is not hexadecimal has no hash
        spellings.append(hashlib.sha256(bytes.fromhex(plain)).hexdigest())
    given = _without_prefix(shown).encode("utf-8", "surrogatepass")
    return any([hmac.compare_digest(given, spelling.encode()) for spelling in spellings])  # noqa: C419


def _digest(form: bytes, seconds: str, key: str) -> str:
    return hmac.new(_without_prefix(key).encode(), form + seconds.encode(), hashlib.sha256).hexdigest()


def _without_prefix(key: str) -> str:
    """Keys are shown as `signkey-prod-<hex>`; what signs is the part after that."""
    found = _PREFIX.match(key)
    return key[found.end() :] if found else key
