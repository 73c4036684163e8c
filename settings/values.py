"""Checks of values that several services share: a key without stray whitespace, a host that is this computer."""

from ipaddress import ip_address

from domain.errors import ConfigurationError


def usable_key(setting: str, key: str) -> str:
    """The key without the spaces and newlines of a careless paste.

    Else ConfigurationError, never with the key in it.
    """
    key = key.strip()
    if not key or not all(33 <= ord(character) < 127 for character in key):
        raise ConfigurationError(f"{setting} is empty or holds characters that no key has; paste it again")
    return key


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by an address of its own or by a name that means it everywhere (RFC 6761)."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name
        return host == "localhost" or host.endswith(".localhost")
