"""The encoding of a text file: by rule first, by detector second (measured: docs/reading.md, "Encodings").

Reads the whole file once, in pieces: the first Korean byte of an export may stand at 2 MB.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHUNK_BYTES = 2**18
LINES_BYTES = 2**18  # of lines with bytes over 127, as much as the detector needs
KOREAN_SHARE = 0.9
_NON_ASCII = re.compile("[^\x00-\x7f]")
# What office programs export. A few bytes also fit code pages of DOS, Macintosh and mainframes, which none does.
_PLAUSIBLE = {
    *("cp932", "shift_jis", "euc_jp", "iso2022_jp", "gb18030", "gbk", "gb2312", "big5", "cp950", "cp949", "euc_kr"),
    *("cp874", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "koi8-r", "koi8-u"),
    *("iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "tis-620"),
}
_MARKS = (  # UTF-32 before UTF-16: FF FE 00 00 begins with FF FE
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Encoding(NamedTuple):
    """A codec name and, when it was guessed, the sentence that says so."""

    codec: str
    warning: str | None = None


def encoding_of(path: Path) -> Encoding:
    """The encoding of the whole file."""
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return Encoding(codec)
    bare = utf16_without_mark(head)
    if bare is not None:
        return Encoding(bare, f"the text has no byte-order mark; read as {bare.upper()}")
    if decodes(path, "utf-8"):
        return Encoding("utf-8")
    if _is_korean(path):
        return Encoding("cp949", "the text is not UTF-8; read as Korean (cp949)")
    return _guessed(path)


def utf16_without_mark(head: bytes) -> str | None:
    """UTF-16 by its zero bytes: at least 3 in 10 of the even or of the odd places, hardly any of the others."""
    if len(head) < 4 or b"\x00" not in head:
        return None
    even, odd = head[0::2].count(0) / len(head[0::2]), head[1::2].count(0) / len(head[1::2])
    if odd > 0.3 and even < 0.02:
        return "utf-16-le"
    if even > 0.3 and odd < 0.02:
        return "utf-16-be"
    return None


def decodes(path: Path, codec: str) -> bool:
    """Whether every byte of the file is right in this codec."""
    try:
        for _text in _decoded(path, codec):
            pass
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _decoded(path: Path, codec: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(codec)("strict")
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield decoder.decode(chunk)
    yield decoder.decode(b"", True)


def _is_korean(path: Path) -> bool:
    """Strict cp949, and at least 90 % of what is not ASCII among the 2,350 syllables Korean is written with."""
    syllables = _ksx1001_syllables()
    seen = hits = 0
    try:
        for text in _decoded(path, "cp949"):
            found = _NON_ASCII.findall(text)
            seen += len(found)
            hits += sum(character in syllables for character in found)
    except UnicodeDecodeError:
        return False
    return hits >= seen * KOREAN_SHARE


def _ksx1001_syllables() -> frozenset[str]:
    return frozenset(bytes((lead, trail)).decode("cp949") for lead in range(0xB0, 0xC9) for trail in range(0xA1, 0xFF))


def _guessed(path: Path) -> Encoding:
    """chardet on the lines with bytes over 127 (on the whole file it drowns in ASCII), else Western European."""
    import chardet

    lines = bytearray()
    with path.open("rb") as file:
        for line in file:
            if not line.isascii():
                lines += line[:LINES_BYTES]
            if len(lines) > LINES_BYTES:
                break
    codec = chardet.detect(bytes(lines[:LINES_BYTES])).get("encoding")
    if codec and codecs.lookup(codec).name in _PLAUSIBLE and decodes(path, codec):
        return Encoding(codec, f"the text is not UTF-8; read as {codec}, which is a guess: check the letters")
    return Encoding("cp1252", "the text is not UTF-8; read as Western European (cp1252), a guess: check the letters")
