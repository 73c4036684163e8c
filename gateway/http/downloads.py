"""File downloads: streamed, and never displayed by a browser as a page of the gateway."""

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


def file_response(file: BinaryIO, filename: str) -> StreamingResponse:
    """A download of an open file from its position; the file is closed at the end."""
    start = file.tell()
    size = file.seek(0, 2) - start
    file.seek(start)
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
