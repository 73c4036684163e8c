"""Addresses: how documents, namespaces, texts and vectors are named. Minted or derived here, nowhere else."""

from __future__ import annotations

import re
from hashlib import blake2b
from uuid import UUID

from domain.errors import InvalidRequest

DERIVED = "org_"  # how derived namespaces begin; no chosen one may
_NAME = re.compile(r"[^\W_][\w.@-]{0,63}", re.UNICODE)
_DOCUMENT = re.compile(r"doc_[0-9a-f]{32}")


def mint_document_id() -> str:
    """A new document's key: opaque and time-ordered (UUID version 7), never taken from a file name."""
    from uuid_utils import uuid7

    return f"doc_{uuid7().hex}"


def is_document_id(text: str) -> bool:
    return _DOCUMENT.fullmatch(text) is not None


def checked_name(kind: str, text: str) -> str:
    """An organization id or employee number that may stand in a namespace: letters, digits, `_ . @ -`, at most 64.

    Raises InvalidRequest. A slash is never allowed, so no two owners can spell the same namespace.
    """
    if not _NAME.fullmatch(text):
        raise InvalidRequest(
            f"{kind} {text!r} may hold letters, digits and _ . @ - only, 64 at most, a letter or digit first"
        )
    return text


def organization_namespace(organization_id: str) -> str:
    """Where company-wide rows live."""
    return f"{DERIVED}{organization_id}"


def employee_namespace(organization_id: str, employee_number: str) -> str:
    """Where one employee's rows live, unless the employee list names another namespace."""
    return f"{DERIVED}{organization_id}/employee_{employee_number}"


def content_hash(*parts: str) -> bytes:
    """16 bytes that two contents share only if all their parts are equal."""
    digest = blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.digest()


class VectorIds:
    """Vector ids of one organization and model: addressed by what the row says and in which namespace."""

    def __init__(self, organization_id: str, model: str) -> None:
        self._scope = blake2b(content_hash(organization_id, model), digest_size=16)

    def of(self, namespace: str, content: bytes) -> UUID:
        digest = self._scope.copy()
        digest.update(namespace.encode())
        digest.update(content)  # fixed length, so namespace + content cannot be split in two ways
        return UUID(bytes=digest.digest())
