"""Ids of events and of what they start: ULIDs, derived from the sender's seed so that a repeat has the same ones."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

_SEED = re.compile(r"([0-9]{1,15}),([A-Za-z0-9+/]{14}==)")
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
COUNTER_BYTES = 4


@dataclass(frozen=True, slots=True)
class Seed:
    """What the ids of one request are made of: milliseconds since 1970, and ten bytes that nobody else has."""

    millis: int
    entropy: bytes

    def id_of(self, number: int) -> str:
        """The ULID of an event by its place in the request, from 1 on, as the SDKs work it out too."""
        from ulid import ULID

        fixed, counter = self.entropy[:-COUNTER_BYTES], int.from_bytes(self.entropy[-COUNTER_BYTES:], "big")
        counted = (counter + number) % (1 << 8 * COUNTER_BYTES)
        return str(ULID.from_bytes(self.millis.to_bytes(6, "big") + fixed + counted.to_bytes(COUNTER_BYTES, "big")))


def read_seed(header: str | None) -> Seed | None:
    """The seed of `x-inngest-event-id-seed: millis,base64`; None for one that cannot be read, which is ignored."""
    found = _SEED.fullmatch(header or "")
    if not found or int(found[1]) >= 1 << 48:
        return None
    try:
        return Seed(int(found[1]), base64.b64decode(found[2], validate=True))
    except binascii.Error:
        return None


def mint_seed(seconds: float, random: bytes) -> Seed:
    """A seed of our own, of ten random bytes, whose ids ascend with their number."""
    return Seed(int(seconds * 1000), random[:-COUNTER_BYTES] + bytes([random[-COUNTER_BYTES] & 0x7F]) + random[-3:])


def run_id_of(organization_id: str, event_id: str, function: str) -> str:
    """The id of what an event starts: another ULID of the event's time, the same whenever it is worked out."""
    from ulid import ULID

    digest = hashlib.sha256(f"{organization_id}\n{event_id}\n{function}".encode()).digest()
    return str(ULID.from_bytes(bytes(ULID.from_str(event_id))[:6] + digest[:10]))


def is_ulid(text: str) -> bool:
    return _ULID.fullmatch(text) is not None
