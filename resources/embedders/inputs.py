"""Checks of inputs before any model sees them, and how texts are split into requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from domain.documents.costs import estimated_tokens


def rejection_reason(text: str) -> str | None:
    """Why no model can embed this text, or `None`.

    Checked here because the services disagree: OpenAI fails the whole request for one empty string, the local
    model answers it with a vector that means nothing, and half a surrogate pair cannot be sent at all.
    """
    if not any(character.isprintable() and not character.isspace() for character in text):
        return "the text is empty: it holds nothing but spaces or invisible characters"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"the text is not valid Unicode: half a surrogate pair at character {error.start + 1}"
    return None


def screen_inputs(texts: Sequence[str]) -> tuple[list[int], dict[int, str]]:
    """Positions to send, and the reasons for the others."""
    refused = {position: reason for position, text in enumerate(texts) if (reason := rejection_reason(text))}
    return [position for position in range(len(texts)) if position not in refused], refused


def estimate_tokens(text: str) -> int:
    """The project's estimate (`domain.documents.costs`) for one text."""
    return estimated_tokens(len(text.encode("utf-8", "replace")))


def split_requests(
    sizes: Iterable[tuple[int, int]], max_inputs: int, max_tokens: int, alone_above: int
) -> Iterator[list[int]]:
    """Splits (position, estimated tokens) into requests of at most so many inputs and tokens.

    An input that is probably too long for the model travels alone, so that its refusal costs one request.
    """
    request: list[int] = []
    request_tokens = 0
    for position, size in sizes:
        if size > alone_above:
            yield [position]
            continue
        if request and (len(request) == max_inputs or request_tokens + size > max_tokens):
            yield request
            request, request_tokens = [], 0
        request.append(position)
        request_tokens += size
    if request:
        yield request
