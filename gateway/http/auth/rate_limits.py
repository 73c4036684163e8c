"""Requests per key and wrong keys per address, counted in each process of the gateway."""

import time
from collections.abc import Callable
from http import HTTPStatus
from math import ceil

from fastapi import HTTPException, Request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from domain.access.api_keys import Caller
from settings.settings import Settings


class RateLimits:
    """The counters of one process. N workers have N of them, and let through N times as much."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._clock = clock
        self._requests = RateLimitItemPerMinute(settings.requests_per_minute, namespace="requests")
        self._events = RateLimitItemPerMinute(settings.event_requests_per_minute, namespace="events")
        self._wrong_keys = RateLimitItemPerMinute(settings.failed_logins_per_minute, namespace="wrong")

    def count_request(self, request: Request, caller: Caller) -> None:
        """Answers 429 to a key with too many requests. Headers of every answer say how many are left."""
        self._count(request, self._requests, caller)

    def count_send(self, request: Request, caller: Caller) -> None:
        """The same for requests that send events, but with 503: SDKs give up at 429, and repeat a 503."""
        self._count(request, self._events, caller, HTTPStatus.SERVICE_UNAVAILABLE)

    def count_wrong_key(self, request: Request) -> None:
        """Answers 429 to an address that sent too many wrong keys.

        Valid keys are checked first and never counted: keys are random, so nobody finds one by trying, and wrong keys
        of somebody else at the same address lock no holder out.
        """
        if not self._limiter.hit(self._wrong_keys, client_address(request)):
            wait = self._headers(self._wrong_keys, client_address(request))
            raise HTTPException(
                HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong keys came from this address; try again in a minute", wait
            )

    def _count(
        self,
        request: Request,
        item: RateLimitItem,
        caller: Caller,
        refusal: HTTPStatus = HTTPStatus.TOO_MANY_REQUESTS,
    ) -> None:
        who = caller.key_id or f"organization {caller.organization_id}"
        allowed = self._limiter.hit(item, who)
        headers = self._headers(item, who)
        if not allowed:
            reason = (
                f"This key has sent {item.amount:,} requests within a minute; try again in {headers['Retry-After']} s"
            )
            raise HTTPException(refusal, reason, headers)
        request.state.rate_limit = {name: value for name, value in headers.items() if name != "Retry-After"}

    def _headers(self, item: RateLimitItem, who: str) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers names them."""
        window = self._limiter.get_window_stats(item, who)
        seconds = max(1, ceil(window.reset_time - self._clock()))
        return {
            "RateLimit-Policy": f'"{item.namespace}";q={item.amount};w={item.get_expiry()}',
            "RateLimit": f'"{item.namespace}";r={max(0, window.remaining)};t={seconds}',
            "Retry-After": str(seconds),
        }


def get_limits(request: Request) -> RateLimits:
    limits = request.app.state.limits
    assert isinstance(limits, RateLimits)
    return limits


def client_address(request: Request) -> str:
    """The client's address; a proxy's word for it counts if TRUSTED_PROXIES names the proxy."""
    return request.client.host if request.client else "nowhere"
