"""Inputs: what is refused before any model sees it, and how many tokens a text is worth."""

from __future__ import annotations

from collections.abc import Sequence


def refusal(text: str) -> str | None:
    """Why no model can embed this text, or `None`.

    Checked here because the services disagree: OpenAI fails the whole request for one empty string, the local
    model answers it with a vector that is near everything, and half a surrogate pair cannot be sent at all.
    """
    if not any(character.isprintable() and not character.isspace() for character in text):
        return "the text is empty: it holds nothing but spaces or invisible characters"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"the text is not valid Unicode: half a surrogate pair at character {error.start + 1}"
    return None


def acceptable(texts: Sequence[str]) -> tuple[list[int], dict[int, str]]:
    """Positions worth sending, and the reasons for the others."""
    refused = {position: reason for position, text in enumerate(texts) if (reason := refusal(text))}
    return [position for position in range(len(texts)) if position not in refused], refused


def rough_tokens(text: str) -> int:
    """One token for every three bytes of UTF-8, rounded up.

    English prose has about four bytes to a token, a row of codes, numbers and labels about three, a Korean
    syllable (three bytes) about one: the rule is close for rows and about a third too high for prose.
    """
    return -(-len(text.encode("utf-8", "replace")) // 3)
