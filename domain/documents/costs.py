"""What embedding costs: estimated before it is paid, computed from the billed tokens after."""

from __future__ import annotations

BYTES_PER_TOKEN = 3  # UTF-8; English is near 4, Korean near 2.5: an estimate for a plan, never for a bill
ECONOMY_SHARE = 0.5  # of the usual price, for texts that may wait a day


def estimated_tokens(utf8_bytes: int) -> int:
    return -(-utf8_bytes // BYTES_PER_TOKEN)


def cost_usd(tokens: int, price_per_million_tokens: float | None, economy_tokens: int = 0) -> float | None:
    """US dollars, None if the price is not known, which is not the same as free.

    `economy_tokens` are those of `tokens` that were ordered at the lower price.
    """
    if price_per_million_tokens is None:
        return None
    return (tokens - economy_tokens * (1 - ECONOMY_SHARE)) * price_per_million_tokens / 1_000_000
