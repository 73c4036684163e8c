"""Errors as RFC 9457 problem documents: one sentence that a person can act on, never a traceback."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPMethod, HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from domain.error_catalog import problem_type
from domain.errors import (
    Conflict,
    ErrorCode,
    InvalidRequest,
    NotFound,
    RowlineError,
    TooLarge,
    TransientError,
    UnreadableFile,
)
from domain.validation_messages import name_of_field, reason_of_field
from gateway.http.methods import allowed_methods
from gateway.http.refusals import Refusal

# the first match counts
STATUSES: Sequence[tuple[type[RowlineError], HTTPStatus]] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InvalidRequest, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnreadableFile, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TransientError, HTTPStatus.SERVICE_UNAVAILABLE),
)
# of refusals that are no RowlineError: the router's, the limits', the key check's
CODES: Mapping[int, ErrorCode] = {
    HTTPStatus.BAD_REQUEST: ErrorCode.MALFORMED_REQUEST,
    HTTPStatus.UNAUTHORIZED: ErrorCode.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN: ErrorCode.FORBIDDEN,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_TIMEOUT: ErrorCode.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT: ErrorCode.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG: ErrorCode.ADDRESS_TOO_LONG,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY: ErrorCode.INVALID_REQUEST,
    HTTPStatus.TOO_MANY_REQUESTS: ErrorCode.RATE_LIMITED,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ErrorCode.HEADERS_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR: ErrorCode.INTERNAL_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE: ErrorCode.OVERLOADED,
}
RETRY_AFTER_SECONDS = 2
PUBLIC_DETAIL = "A service that Rowline needs is away or set wrongly; try again, or ask the operator to read the log"
log = logging.getLogger("rowline.gateway.http")
HEADERS = {
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {"Connection": "close"},  # the rest of the body is not read
}
MEDIA_TYPE = "application/problem+json"


class WrongField(BaseModel):
    """A field of the request and what is wrong with it."""

    field: str = Field(examples=["query.limit"])
    reason: str = Field(examples=["is more than 200"])


class Problem(BaseModel):
    """An error, as RFC 9457 defines it: `detail` is one sentence for a person, `errors` names the wrong fields.

    `code` never changes, so programs branch on it; `type` is the address of its description.
    """

    type: str = Field(examples=["/docs/errors#not-found"])
    code: ErrorCode = Field(examples=["not-found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no document doc_0"])
    errors: list[WrongField] = []


def status_of(failure: RowlineError) -> HTTPStatus:
    """The HTTP status of an error; 500 if it is neither the caller's fault nor temporary."""
    return next((status for kind, status in STATUSES if isinstance(failure, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def wrong_field(field: str, reason: str) -> RequestValidationError:
    """To raise if a value is wrong in a way that its type does not express."""
    return RequestValidationError([{"loc": tuple(field.split(".")), "msg": reason, "type": "value_error"}])


Responses = dict[int | str, dict[str, Any]]


def problem_responses(*statuses: int, beside: Mapping[int | str, dict[str, Any]] = MappingProxyType({})) -> Responses:
    """For `responses=` of a route: problem documents with these statuses, and the responses in `beside`."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusals: Responses = {
        status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses
    }
    return {**beside, **refusals}


def problem(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Any] = (),
    code: ErrorCode | None = None,
) -> JSONResponse:
    """A problem document; `errors` names each wrong field, if there are some; `code` is the status' own if None."""
    body = problem_body(status, detail, code or CODES.get(status, ErrorCode.INVALID_REQUEST))
    if errors:
        body["errors"] = list(errors)
    return JSONResponse(body, int(status), headers, media_type=MEDIA_TYPE)


def problem_body(status: int, detail: str, code: ErrorCode) -> dict[str, Any]:
    """The members that every problem document has."""
    return {
        "type": problem_type(code),
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
    }


def unexpected_error(request: Request, request_id: str) -> JSONResponse:
    """The answer to an unforeseen exception: only the request id, which leads to the log. `error` is for the SDKs."""
    detail = f"Something went wrong here, not with your request; the log has it under the request id {request_id}"
    if request.url.path.startswith(("/e/", "/v1/")):
        return JSONResponse({"status": 500, "error": detail, "requestId": request_id}, 500)
    body = problem_body(HTTPStatus.INTERNAL_SERVER_ERROR, detail, ErrorCode.INTERNAL_ERROR)
    return JSONResponse({**body, "requestId": request_id}, 500, media_type=MEDIA_TYPE)


def register(app: FastAPI) -> None:
    app.add_exception_handler(RowlineError, _failure)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _wrong_request)


def reason_of(request: Request, failure: RowlineError) -> str:
    """The detail of an error.

    Server faults are logged, and only callers with a key read which server or user it was.
    """
    if status_of(failure) < HTTPStatus.INTERNAL_SERVER_ERROR:
        return str(failure)
    log.warning("a request failed: %s", failure)
    return str(failure) if is_known(request) else PUBLIC_DETAIL


def is_known(request: Request) -> bool:
    """Whether a caller showed a key or a session."""
    return getattr(request.state, "caller", None) is not None


def _failure(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RowlineError)
    status = status_of(error)
    # a stranger learns the code of a server fault as little as its detail
    code = error.code if status < HTTPStatus.INTERNAL_SERVER_ERROR or is_known(request) else None
    return problem(status, reason_of(request, error), HEADERS.get(status), code=code)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _other_method(request)
    if error.status_code == HTTPStatus.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase:  # the router's
        detail = "There is nothing at this address"  # the address itself may hold a key
        return problem(HTTPStatus.NOT_FOUND, detail, code=ErrorCode.UNKNOWN_ADDRESS)
    code = error.code if isinstance(error, Refusal) else None
    return problem(error.status_code, str(error.detail), error.headers, code=code)


def _other_method(request: Request) -> Response:
    """Names the methods of all routes at this address: the answer to OPTIONS and to a wrong method."""
    allow = {"Allow": ", ".join(allowed_methods(request))}
    if request.method == HTTPMethod.OPTIONS:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=allow)
    return problem(
        HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method} is not allowed at this address; use {allow['Allow']}", allow
    )


def _wrong_request(_: Request, error: Exception) -> JSONResponse:
    """Names the field and the reason, never the value: it may be a secret."""
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes):  # FastAPI leaves a body of another type unparsed
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body as JSON, with Content-Type: application/json")
    errors = [{"field": name_of_field(wrong), "reason": reason_of_field(wrong)} for wrong in error.errors()]
    reasons = "; ".join(f"{wrong['field']}: {wrong['reason']}" for wrong in errors)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"The request is wrong: {reasons}", errors=errors)
