"""What embedding costs: estimated before it is paid, computed from the billed tokens after."""

from __future__ import annotations

BYTES_PER_TOKEN = 3  # UTF-8; English is near 4, Korean near 2.5: an estimate for a plan, never for a bill


def estimated_tokens(utf8_bytes: int) -> int:
    return -(-utf8_bytes // BYTES_PER_TOKEN)


def cost_usd(tokens: int, price_per_million_tokens: float | None) -> float:
    """US dollars; 0 where the model has no price (it runs here)."""
    return tokens * (price_per_million_tokens or 0.0) / 1_000_000
