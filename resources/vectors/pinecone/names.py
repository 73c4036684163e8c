"""Our namespaces as Pinecone can hold them: ASCII, at most 512 characters."""

from __future__ import annotations

from domain.errors import PermanentError

MAX_NAME_LENGTH = 512
PUNYCODE_PREFIX = "xn--"  # as in domain names: what follows is Punycode
DEFAULT_NAMESPACE = "__default__"  # Pinecone's own name for no namespace


def to_pinecone_name(namespace: str) -> str:
    """The namespace itself if Pinecone accepts it, so that other apps find it; else its Punycode, as in domain names.

    Raises PermanentError if the name is too long even encoded.
    """
    plain = (
        namespace.isascii() and not namespace.startswith(PUNYCODE_PREFIX) and namespace not in ("", DEFAULT_NAMESPACE)
    )
    name = namespace if plain else PUNYCODE_PREFIX + namespace.encode("punycode").decode("ascii")
    if len(name) > MAX_NAME_LENGTH:
        raise PermanentError(
            f"Namespace {namespace[:40]}… is too long for Pinecone ({len(name)} characters, {MAX_NAME_LENGTH} "
            "allowed); "
            "shorten the organization id or employee number"
        )
    return name


def from_pinecone_name(name: str) -> str | None:
    """The namespace that `to_pinecone_name` turns into this name; None if it is no name of ours."""
    if not name.startswith(PUNYCODE_PREFIX):
        return None if name in ("", DEFAULT_NAMESPACE) else name
    try:
        namespace = name.removeprefix(PUNYCODE_PREFIX).encode("ascii").decode("punycode")
    except UnicodeError:
        return None
    return namespace if to_pinecone_name(namespace) == name else None
