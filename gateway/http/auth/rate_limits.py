"""How much one key may ask, and how often one address may guess: counted in each process of the gateway."""

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
    """The counters of one process. Other processes have their own: N workers let through N times as much."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._clock = clock
        self._requests = RateLimitItemPerMinute(settings.requests_per_minute, namespace="requests")
        self._events = RateLimitItemPerMinute(settings.event_requests_per_minute, namespace="events")
        self._wrong_keys = RateLimitItemPerMinute(settings.failed_logins_per_minute, namespace="wrong")

    def count_request(self, request: Request, caller: Caller) -> None:
        """Answers 429 to a key that asks too often. What is left is told in the headers of every answer."""
        self._count(request, self._requests, caller)

    def count_send(self, request: Request, caller: Caller) -> None:
        """The same for a send of events, which is refused with 503: SDKs give up at 429, and repeat a 503."""
        self._count(request, self._events, caller, HTTPStatus.SERVICE_UNAVAILABLE)

    def count_wrong_key(self, request: Request) -> None:
        """Answers 429 to an address that has shown too many wrong keys.

        A key is looked at first: it is random, so nobody guesses one by asking often, and somebody else's wrong keys
        from the same address never shut its holder out.
        """
        if not self._limiter.hit(self._wrong_keys, address_of(request)):
            wait = self._headers(self._wrong_keys, address_of(request))
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
        told = self._headers(item, who)
        if not allowed:
            reason = f"This key has asked {item.amount:,} times within a minute; go on in {told['Retry-After']} s"
            raise HTTPException(refusal, reason, told)
        request.state.rate_limit = {name: value for name, value in told.items() if name != "Retry-After"}

    def _headers(self, item: RateLimitItem, who: str) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers names them."""
        window = self._limiter.get_window_stats(item, who)
        seconds = max(1, ceil(window.reset_time - self._clock()))
        return {
            "RateLimit-Policy": f'"{item.namespace}";q={item.amount};w={item.get_expiry()}',
            "RateLimit": f'"{item.namespace}";r={max(0, window.remaining)};t={seconds}',
            "Retry-After": str(seconds),
        }


def limits_of(request: Request) -> RateLimits:
    limits = request.app.state.limits
    assert isinstance(limits, RateLimits)
    return limits


def address_of(request: Request) -> str:
    """Where the request comes from, as far as it is believed (`TRUSTED_PROXIES`)."""
    return request.client.host if request.client else "nowhere"
