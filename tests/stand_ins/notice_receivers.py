"""Strict stand-ins for what takes notices over HTTP, on 127.0.0.1 only: Slack's incoming webhook, and an app's.

    with SlackServer() as slack:                      # in a test: a thread of its own
        slack.faults.append(Fault("rate_limit", headers={"Retry-After": "7"}))

Both refuse what the real one would refuse. `shown` is what a person would see, each as often as it came; the webhook
receiver keeps to `Idempotency-Key`, so it takes a message once. Kinds beyond the common ones: redirect, hang.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from tests.stand_ins.faults import NONE, Fault, next_fault
from tests.stand_ins.serving import Served

SLACK_PATH = "/services/T0STANDIN/B0STANDIN/never-shown-secret"
SIGNING_KEY = "signkey-test-" + "0123456789abcdef" * 4
HOOK = "/hooks/rowline"
STATUSES = {"rate_limit": 429, "server_error": 500, "unavailable": 503, "gateway_timeout": 504, "missing": 404}


class Receiver(Served):
    """Takes a POST, after the next fault has had its way with it."""

    path = "/"

    def __init__(self, name: str, port: int = 0) -> None:
        super().__init__(port, name)
        self.faults: deque[Fault] = deque()
        self.requests = 0

    def application(self) -> web.Application:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post("/{path:.*}", self._taken)
        return app

    async def _taken(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        fault = next_fault(self.faults, "post") if self.faults else NONE
        body = await request.read()
        if fault.kind == "reset_before":
            return cut(request)
        if fault.kind in STATUSES:
            return web.Response(status=STATUSES[fault.kind], text=fault.message or fault.kind, headers=fault.headers)
        if fault.kind == "redirect":
            return web.Response(status=307, headers={"Location": f"{self.address}{self.path}"})
        refusal = self.refusal(request, body)
        if refusal:
            return web.Response(status=refusal[0], text=refusal[1])
        self.take(request.headers, orjson.loads(body))
        if fault.kind == "reset_after":
            return cut(request)
        if fault.kind in ("slow", "hang"):
            await asyncio.sleep(fault.seconds or 3600)
        return web.Response(text="<html>welcome</html>" if fault.kind == "garbage" else "ok")

    def refusal(self, request: web.Request, body: bytes) -> tuple[int, str] | None:
        """Status and text where the real one would refuse it."""
        raise NotImplementedError

    def take(self, headers: Mapping[str, str], document: Any) -> None:
        raise NotImplementedError


class SlackServer(Receiver):
    """`shown`: the texts that stand in the channel."""

    path = SLACK_PATH

    def __init__(self, port: int = 0) -> None:
        super().__init__("slack-stand-in", port)
        self.shown: list[str] = []

    @property
    def url(self) -> str:
        return f"{self.address}{SLACK_PATH}"

    def refusal(self, request: web.Request, body: bytes) -> tuple[int, str] | None:
        if request.path != SLACK_PATH:
            return 404, "no_service"
        if request.content_type != "application/json":
            return 400, "invalid_payload"
        try:
            document = orjson.loads(body)
        except ValueError:
            return 400, "invalid_payload"
        text = document.get("text") if isinstance(document, dict) else None
        if not isinstance(text, str) or not text:
            return 400, "no_text"
        return (400, "msg_too_long") if len(text) > 40_000 else None

    def take(self, headers: Mapping[str, str], document: Any) -> None:
        self.shown.append(document["text"])


class WebhookReceiver(Receiver):
    """`taken`: by idempotency key, what the app acted on; `signatures`: of each request that was believed."""

    path = HOOK

    def __init__(self, port: int = 0, clock: Callable[[], float] = time.time) -> None:
        super().__init__("webhook-stand-in", port)
        self.taken: dict[str, dict[str, Any]] = {}
        self.hosts: list[str] = []
        self._clock = clock

    @property
    def url(self) -> str:
        return f"{self.address}{HOOK}"

    def refusal(self, request: web.Request, body: bytes) -> tuple[int, str] | None:
        self.hosts.append(request.host)
        if request.path != HOOK:
            return 404, "no such hook"
        if not self._is_signed(request.headers.get("x-inngest-signature", ""), body):
            return 401, "wrong signature"
        if not request.headers.get("Idempotency-Key") or request.content_type != "application/json":
            return 400, "no idempotency key, or no JSON"
        return None

    def take(self, headers: Mapping[str, str], document: Any) -> None:
        kept = self.taken.setdefault(headers["Idempotency-Key"], document)
        assert kept == document, "one key, two messages"

    def _is_signed(self, signature: str, body: bytes) -> bool:
        """As the contract has it, written a second time: HMAC-SHA256 over body and time, not older than 5 minutes."""
        match = re.fullmatch(r"t=(\d+)&s=([0-9a-f]{64})", signature)
        if not match or abs(self._clock() - int(match[1])) > 300:
            return False
        key = SIGNING_KEY.removeprefix("signkey-test-").encode()
        return hmac.compare_digest(hmac.new(key, body + match[1].encode(), hashlib.sha256).hexdigest(), match[2])


def cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
