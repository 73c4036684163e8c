"""Refusals of the HTTP layer itself that have a code of their own."""

from collections.abc import Mapping

from fastapi import HTTPException

from domain.errors import ErrorCode


class Refusal(HTTPException):
    """An HTTPException with a narrower code than the one of its status."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None, code: ErrorCode) -> None:
        super().__init__(status, detail, headers)
        self.code = code
