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

from domain.errors import Conflict, InvalidRequest, NotFound, RowlineError, TooLarge, TransientError, UnreadableFile
from domain.validation_messages import name_of_field, reason_of_field
from gateway.http.methods import allowed_methods

# the first match counts
STATUSES: Sequence[tuple[type[RowlineError], HTTPStatus]] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InvalidRequest, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnreadableFile, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TransientError, HTTPStatus.SERVICE_UNAVAILABLE),
)
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
    """An error, as RFC 9457 defines it: `detail` is one sentence for a person, `errors` names the wrong fields."""

    type: str = Field(examples=["about:blank"])
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
    status: int, detail: str, headers: Mapping[str, str] | None = None, errors: Sequence[Any] = ()
) -> JSONResponse:
    """A problem document; `errors` names each wrong field, if there are some."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if errors:
        body["errors"] = list(errors)
    return JSONResponse(body, int(status), headers, media_type=MEDIA_TYPE)


def unexpected_error(request: Request, request_id: str) -> JSONResponse:
    """The answer to an unforeseen exception: only the request id, which leads to the log. `error` is for the SDKs."""
    detail = f"Something went wrong here, not with your request; the log has it under the request id {request_id}"
    if request.url.path.startswith(("/e/", "/v1/")):
        return JSONResponse({"status": 500, "error": detail, "requestId": request_id}, 500)
    body = {"type": "about:blank", "title": "Internal Server Error", "status": 500, "detail": detail}
    return JSONResponse({**body, "requestId": request_id}, 500, media_type="application/problem+json")


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
    return str(failure) if getattr(request.state, "caller", None) else PUBLIC_DETAIL


def _failure(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RowlineError)
    status = status_of(error)
    return problem(status, reason_of(request, error), HEADERS.get(status))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _other_method(request)
    if error.status_code == HTTPStatus.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase:  # the router's
        return problem(HTTPStatus.NOT_FOUND, "There is nothing at this address")  # the path may hold a key
    return problem(error.status_code, str(error.detail), error.headers)


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
