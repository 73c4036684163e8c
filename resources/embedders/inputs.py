"""Inputs: what is refused before any model sees it, and how texts are cut into requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from domain.documents.costs import estimated_tokens


def refusal(text: str) -> str | None:
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


def acceptable(texts: Sequence[str]) -> tuple[list[int], dict[int, str]]:
    """Positions worth sending, and the reasons for the others."""
    refused = {position: reason for position, text in enumerate(texts) if (reason := refusal(text))}
    return [position for position in range(len(texts)) if position not in refused], refused


def rough_tokens(text: str) -> int:
    """The project's estimate (`domain.documents.costs`) for one text."""
    return estimated_tokens(len(text.encode("utf-8", "replace")))


def requests(sizes: Iterable[tuple[int, int]], at_most: int, tokens: int, alone_over: int) -> Iterator[list[int]]:
    """Cuts (position, estimated tokens) into requests of at most so many inputs and tokens.

    An input that is probably too long for the model travels alone, so that its refusal costs one request.
    """
    part: list[int] = []
    load = 0
    for position, size in sizes:
        if size > alone_over:
            yield [position]
            continue
        if part and (len(part) == at_most or load + size > tokens):
            yield part
            part, load = [], 0
        part.append(position)
        load += size
    if part:
        yield part
