"""Files on their way out: streamed, never shown by a browser as a page of ours."""

import re
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote

from fastapi.responses import StreamingResponse

CHUNK = 1 << 18


def attachment(filename: str) -> str:
    """Content-Disposition of a file to be saved (RFC 6266): its name in UTF-8, and in ASCII for old clients."""
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def sent(file: BinaryIO, filename: str) -> StreamingResponse:
    """The rest of an open file, which is closed at its end."""
    at = file.tell()
    size = file.seek(0, 2) - at
    file.seek(at)
    return StreamingResponse(
        _chunks(file),
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": attachment(filename),
            "Content-Length": str(size),
            "X-Content-Type-Options": "nosniff",
        },
    )


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
