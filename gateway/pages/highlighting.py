"""Which words of a text are those of a question: pieces for a template to mark and escape."""

import re
import unicodedata
from dataclasses import dataclass

MOST_WORDS = 32
SHORTEST = 2
LONGEST_ENDING = 3  # syllables: 에서는, 으로는
HANGUL = re.compile(r"[가-힣]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text; `marked` where it is a word that was asked for."""

    text: str
    marked: bool


def highlighted(text: str, question: str) -> list[Piece]:
    """The whole text in pieces, in order. Case is no matter, nor how Hangul is composed."""
    text = unicodedata.normalize("NFC", text)
    found = [word for asked in words_of(question) if (word := as_found(asked, text.casefold()))]
    if not found:
        return [Piece(text, False)]
    longest_first = sorted(set(found), key=len, reverse=True)
    parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", text, flags=re.IGNORECASE)
    return [Piece(part, number % 2 == 1) for number, part in enumerate(parts) if part]


def words_of(question: str) -> list[str]:
    """Its words, without what is too short to mean anything."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", question).casefold())
    return [word for word in words if len(word) >= SHORTEST][:MOST_WORDS]


def as_found(word: str, text: str) -> str | None:
    """The word as the text has it: a Korean one also without its ending (자전거를 finds 자전거)."""
    if word in text:
        return word
    if HANGUL.fullmatch(word):
        for length in range(len(word) - 1, max(SHORTEST, len(word) - LONGEST_ENDING) - 1, -1):
            if word[:length] in text:
                return word[:length]
    return None
