"""Every route of the gateway, and who may use it: one row a route, or several where it can be asked in several ways.

`{documentId}` and its like in a path are things of acme (`world` in test_tenants.py names them). A new route without a
row fails `test_every_route_has_a_row`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.access.api_keys import Role

Things = Mapping[str, str]  # name in a path → what it is for acme
EVENT = {"name": "app/unknown.event", "data": {"from": "a test"}}
CSV = {"file": ("new.csv", b"item,colour\nanvil,grey\n")}


@dataclass(frozen=True)
class Route:
    """How a route is asked, and what is answered to whom.

    `role`: who may; None: anybody. `theirs`: it asks for a thing of acme's, which another organization's key does not
    find (404); else it is about the caller's own. `stranger`: what no good key gets; `forbidden`: a key without the
    role. `good`: what the right key gets.
    """

    method: str
    path: str
    role: Role | None
    asks: Callable[[Things], dict[str, Any]] = field(default=lambda _: {})
    theirs: bool = False
    page: bool = False
    key_in_path: bool = False
    stranger: int = 401
    forbidden: int = 403
    elsewhere: int = 404
    good: int = 200
    as_employee: int | None = None  # where a key of one employee gets something else than its role says
    variant: str = ""

    @property
    def name(self) -> str:
        return f"{'page ' if self.page else ''}{self.method} {self.path}{f' ({self.variant})' if self.variant else ''}"


def theirs(method: str, path: str, role: Role | None, **more: Any) -> Route:
    return Route(method, path, role, theirs=True, **more)


def page(method: str, path: str, role: Role | None, **more: Any) -> Route:
    """A page: strangers are asked to sign in, and come back."""
    return Route(method, path, role, page=True, **{"stranger": 303, **more})


ROUTES = [
    Route("GET", "/openapi.json", None),
    Route("GET", "/health", None),
    Route("GET", "/health/live", None),
    Route("GET", "/health/ready", None, lambda _: {"params": {"part": "database"}}),
    theirs("GET", "/metrics", "admin", elsewhere=403),  # of DEFAULT_ORGANIZATION, which acme is here
    # events
    Route("POST", "/e/{event_key:anything}", "events", lambda _: {"json": EVENT}, key_in_path=True, forbidden=401),
    Route(
        "POST",
        "/e/{event_key:anything}",
        "events",
        lambda _: {"json": {"name": "document/cleanup", "data": {"documentId": _["documentId"], "tenantId": "acme"}}},
        theirs=True,
        key_in_path=True,
        forbidden=401,
        elsewhere=403,
        variant="of a tenant that is named",
    ),
    *(
        Route(method, "/e/{event_key:anything}", None, key_in_path=True, good=405)
        for method in ("GET", "PUT", "PATCH", "DELETE")
    ),
    Route("GET", "/v1/events", "events"),
    theirs("GET", "/v1/events/{eventId}", "events"),
    theirs("GET", "/v1/events/{eventId}/runs", "events"),
    theirs("GET", "/v1/runs/{runId}", "events"),
    theirs("DELETE", "/v1/runs/{runId}", "events", good=204),
    Route("GET", "/functions", "events"),
    # documents
    Route("GET", "/documents", "upload"),
    Route("POST", "/documents", "upload", lambda _: {"files": CSV}, good=201),
    theirs(
        "POST",
        "/documents",
        "upload",
        asks=lambda things: {"files": CSV, "data": {"documentId": things["documentId"]}},
        good=201,
        variant="a new version",
    ),
    theirs("GET", "/documents/{documentId}", "upload"),
    theirs("GET", "/api/documents/{documentId}/status", "upload"),
    theirs("GET", "/documents/{documentId}/batches", "upload"),
    theirs("GET", "/documents/{documentId}/result", "upload"),
    theirs("GET", "/documents/{documentId}/versions", "upload"),
    theirs("GET", "/documents/{documentId}/versions/{number}/file", "upload"),
    theirs("GET", "/documents/{documentId}/errors.xlsx", "upload"),
    theirs("POST", "/documents/{documentId}/retry", "upload", good=409),
    theirs(
        "POST", "/documents/{documentId}/rollback", "upload", asks=lambda _: {"json": {"targetVersion": 1}}, good=409
    ),
    theirs("DELETE", "/documents/{documentId}", "upload", asks=lambda _: {"params": {"dryRun": True}}),
    # search
    Route("GET", "/search", "search", lambda _: {"params": {"q": "treasure"}}),
    Route("POST", "/search", "search", lambda _: {"json": {"q": "treasure"}}),
    theirs(
        "POST",
        "/search",
        "search",
        asks=lambda things: {"json": {"q": "treasure", "documentId": things["documentId"]}},
        variant="in a document",
    ),
    theirs("GET", "/lineage/{vectorId}", "search", as_employee=404),
    # keys
    Route("GET", "/keys", "admin"),
    Route("POST", "/keys", "admin", lambda _: {"json": {"roles": ["search"]}}, good=201),
    theirs("POST", "/keys/{keyId}/rotate", "admin", good=201),
    theirs("DELETE", "/keys/{keyId}", "admin"),
    # notifications, and their old name
    Route("GET", "/notifications", "admin"),
    theirs("POST", "/notifications/{notificationId}/retry", "admin", good=409),
    Route("GET", "/notices", "admin"),
    theirs("POST", "/notices/{noticeId}/retry", "admin", good=409),
    # pages
    page("GET", "/sign-in", None),
    page("POST", "/sign-in", None, good=401),
    page("POST", "/sign-out", None, good=303),
    page("POST", "/language", None, asks=lambda _: {"data": {"language": "ko"}}, good=303),
    page("GET", "/", "upload", forbidden=303),  # to where the key begins
    page("POST", "/upload", "upload", asks=lambda _: {"files": CSV}, good=303),
    page("GET", "/d/{documentId}", "upload", theirs=True),
    page("POST", "/d/{documentId}/retry", "upload", theirs=True, good=409),
    page("GET", "/d/{documentId}/rollback/{number}", "upload", theirs=True),
    page("POST", "/d/{documentId}/rollback/{number}", "upload", theirs=True, good=409),
    page("GET", "/d/{documentId}/delete", "upload", theirs=True),
    page("POST", "/d/{documentId}/delete", "upload", theirs=True, good=303),
    page("GET", "/search", "search", asks=lambda _: {"params": {"q": "treasure"}}),
    page("GET", "/lineage/{vectorId}", "search", theirs=True, as_employee=404),
    page("GET", "/events", "events"),
    page("POST", "/events", "events", asks=lambda _: {"data": {"name": "app/unknown.event", "data": "{}"}}, good=303),
    page("GET", "/events/{eventId}", "events", theirs=True),
    page("GET", "/functions", "events"),
    page("GET", "/docs/errors", None),
]
