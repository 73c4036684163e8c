"""Our namespaces as Pinecone can hold them: ASCII, at most 512 characters."""

from __future__ import annotations

from domain.errors import PermanentError

LONGEST = 512
MARK = "xn--"  # as in domain names: what follows is Punycode
DEFAULT = "__default__"  # Pinecone's own name for no namespace


def physical(namespace: str) -> str:
    """The namespace itself where Pinecone can hold it, so that other apps find it; else its Punycode, as of a domain.

    Raises PermanentError for one that no encoding makes short enough.
    """
    plain = namespace.isascii() and not namespace.startswith(MARK) and namespace not in ("", DEFAULT)
    name = namespace if plain else MARK + namespace.encode("punycode").decode("ascii")
    if len(name) > LONGEST:
        raise PermanentError(
            f"Namespace {namespace[:40]}… is too long for Pinecone ({len(name)} characters, {LONGEST} allowed); "
            "shorten the organization id or employee number"
        )
    return name


def ours(name: str) -> str | None:
    """The namespace that `physical` gives this name to; None for one that is nobody of ours."""
    if not name.startswith(MARK):
        return None if name in ("", DEFAULT) else name
    try:
        namespace = name.removeprefix(MARK).encode("ascii").decode("punycode")
    except UnicodeError:
        return None
    return namespace if physical(namespace) == name else None
