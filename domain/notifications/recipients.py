"""Recipients: whom a notification may go to. Nothing here resolves a name; addresses are judged as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal
from urllib.parse import urlsplit

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MAX_ADDRESS, _MAX_LOCAL, _MAX_DOMAIN = 254, 64, 253  # characters (RFC 5321)
_NAT64 = "64:ff9b::"


def checked_email(text: str | None) -> str:
    """One plain address, its domain as mail servers spell it. Raises ValueError, without repeating the address."""
    local, at, domain = (text or "").strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(local) > _MAX_LOCAL:
        raise ValueError("must be one plain e-mail address, such as team@example.com")
    address = f"{local}@{_encode_domain(domain)}"
    if len(address) > _MAX_ADDRESS:
        raise ValueError(f"must have at most {_MAX_ADDRESS} characters")
    return address


def _encode_domain(domain: str) -> str:
    """A domain in ASCII, as today's standard has it (IDNA 2008): Python's own codec sends `straße.de` to strasse.de."""
    import idna

    try:
        encoded = idna.encode(domain, uts46=True).decode("ascii") if len(domain) <= _MAX_DOMAIN else ""
    except UnicodeError:  # idna's errors are of this type
        encoded = ""
    if not encoded or encoded.endswith("."):
        raise ValueError("must have a domain that mail can go to after the @")
    return encoded


def checked_webhook(text: str | None) -> str:
    """A whole address of the web without user, password or fragment. Raises ValueError, without repeating it."""
    address = (text or "").strip()
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise ValueError("must be a whole address, such as https://app.example.com/hooks/rowline") from None
    plain = address.isascii() and not re.search(r"[\s\\\x00-\x1f]", address)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain or port == 0:
        raise ValueError("must be a whole address, such as https://app.example.com/hooks/rowline")
    if parts.username is not None or parts.password is not None or "#" in address:
        raise ValueError("must hold neither a user, a password nor a fragment")
    return address


def is_named(address: str, allowed: Iterable[str]) -> bool:
    """Whether an address is one of those that a setting names, or lies below one: same scheme, host and port."""
    target = urlsplit(address)
    if re.search(r"(^|/)(\.|%2e){1,2}(/|$)|%2f|%5c", target.path, re.IGNORECASE):
        return False  # it may mean another path than it begins with
    for one in allowed:
        named = urlsplit(one)
        below = named.path.rstrip("/") + "/"
        if _origin(one) == _origin(address) and (target.path + "/").startswith(below):
            return True
    return False


def _origin(address: str) -> tuple[str, str, int]:
    parts = urlsplit(address)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)


def is_allowed(address: str, private: bool) -> bool:
    """Whether a webhook may lead to an IP address: of the open network, or, where `private`, of a neighbour's too.

    Where clouds tell their secrets (169.254.169.254 and its like) it never may.
    """
    ip = _unwrapped(ip_address(address.partition("%")[0]))
    if ip.is_multicast or ip.is_link_local or ip.is_unspecified:
        return False
    return private or ip.is_global


def _unwrapped(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address embeds, else the address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if inner is None and str(ip).startswith(_NAT64):
        inner = IPv4Address(int(ip) & 0xFFFFFFFF)
    return inner or ip


@dataclass(frozen=True, slots=True)
class Target:
    """A channel and who is reached by it."""

    channel: Literal["slack", "email", "webhook"]
    recipient: str | None = None


def target_of(text: str) -> Target:
    """`slack`, `email:<address>` or `webhook:<address>`. Raises ValueError for anything else."""
    channel, _, recipient = text.partition(":")
    if channel == "slack" and not recipient:
        return Target("slack")
    if channel == "email":
        return Target("email", checked_email(recipient))
    if channel == "webhook":
        return Target("webhook", checked_webhook(recipient))
    raise ValueError("must be of slack, email:<address> and webhook:<address>, with commas")
