"""Pages of a list: a cursor names where the next page begins, so new items move no page."""

import base64
import binascii
import re
from typing import Annotated

from fastapi import Query

from gateway.http.problems import wrong_field

MAX_PAGE = 200
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="The number of items at most.")]


class Cursors:
    """The cursors of one list: opaque to apps, and rejected by every other list.

    An instance is a dependency: the position in the request's cursor, None for the first page.
    """

    def __init__(self, name: str, position: str) -> None:
        """`position` is the pattern of what the list is sorted by."""
        self._name, self._position = name, re.compile(position)

    def of(self, position: str) -> str:
        return base64.urlsafe_b64encode(f"{self._name} {position}".encode()).decode().rstrip("=")

    def __call__(
        self,
        cursor: Annotated[str | None, Query(max_length=500, description="`nextCursor` of the previous page.")] = None,
    ) -> str | None:
        if cursor is None:
            return None
        try:
            name, _, position = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(" ")
        except (binascii.Error, UnicodeError, ValueError):
            name = position = ""
        if name != self._name or not self._position.fullmatch(position) or self.of(position) != cursor:
            raise wrong_field("query.cursor", f"is no cursor of this list; use nextCursor of a page of {self._name}")
        return position
