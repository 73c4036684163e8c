"""Metrics for Prometheus: the ledger's counters, the current state, and the duration of requests.

Labels have few values by construction: route templates, functions of the registry, states, models of the settings.
"""

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from domain.documents.costs import cost_usd
from domain.errors import RowlineError
from domain.events.registry import FUNCTIONS
from gateway.http.auth.callers import OurServices
from gateway.http.auth.operators import check_operator
from gateway.http.problems import problem_responses
from operations.services import Services
from resources.ledger.counters import Figure

MAX_AGE_SECONDS = 5.0  # of the ledger's figures, however many scrape
OTHER = "other"

log = logging.getLogger("rowline.gateway.metrics")
router = APIRouter(tags=["operation"])

HTTP = Histogram(
    "rowline_http_request_seconds",
    "Seconds until a request was answered, by route template and class of status",
    ["method", "route", "status"],
    registry=None,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
disable_created_metrics()  # type: ignore[no-untyped-call] # they would double the series
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def observe(method: str, route: str, status: int, seconds: float) -> None:
    HTTP.labels(method if method in METHODS else OTHER, route, f"{status // 100}xx").observe(seconds)


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[Depends(check_operator)],
    responses=problem_responses(401, 403, 429, 503),
)
def metrics(request: Request, services: OurServices) -> Response:
    """Figures of the whole deployment, in Prometheus' text format or OpenMetrics."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(make_registry(request, services)), media_type=content_type)


def make_registry(request: Request, services: Services) -> CollectorRegistry:
    """The requests of all workers of this gateway, and the ledger's figures."""
    registry = CollectorRegistry(auto_describe=False)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(HTTP)
    state = request.app.state
    if not hasattr(state, "figures"):
        state.figures = CachedFigures(services)
    registry.register(LedgerCollector(state.figures))
    return registry


@dataclass(eq=False)
class CachedFigures:
    """The ledger's figures, read at most every MAX_AGE_SECONDS; never older ones if the ledger does not answer."""

    services: Services
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _read_at: float | None = None
    _figures: Sequence[Figure] | None = None

    def figures(self) -> Sequence[Figure] | None:
        """None if the ledger does not answer."""
        with self._lock:
            if self._read_at is None or self.clock() - self._read_at >= MAX_AGE_SECONDS:
                self._read_at, self._figures = self.clock(), self._read()
            return self._figures

    def _read(self) -> Sequence[Figure] | None:
        try:
            counters = self.services.ledger.counters
            figures = counters.figures()
            with suppress(RowlineError):  # only makes the next read faster
                counters.fold()
            return figures
        except RowlineError as error:
            log.warning("the ledger's figures cannot be read: %s", error)
            return None

    def price(self) -> tuple[str, float | None] | None:
        """The model in use and what a million of its tokens cost; None if the embedder does not answer."""
        try:
            embedder = self.services.embedder
            return embedder.model.key, embedder.price_per_million_tokens()
        except RowlineError:
            return None


@dataclass(eq=False)
class LedgerCollector(Collector):
    """The ledger's figures as metrics; only `rowline_ledger_up` if it does not answer."""

    source: CachedFigures

    def collect(self) -> Iterator[Metric]:
        figures = self.source.figures()
        yield gauge(
            "rowline_ledger_up", "Whether the figures of the ledger could be read", [((), float(figures is not None))]
        )
        if figures is None:
            return
        by_kind: dict[str, list[Figure]] = defaultdict(list)
        for figure in figures:
            by_kind[figure.kind].append(figure)
        yield from counters(by_kind["counter"])
        yield from costs(by_kind["counter"], self.source.price())
        yield from gauges(by_kind)


FUNCTION_NAMES = tuple(function.name for function in FUNCTIONS)
ENDED = ("completed", "failed")
CHANNELS = ("slack", "email", "webhook")
# counter → metric, help, label names, and label values that exist from the start (a rate needs a first zero)
COUNTERS: dict[str, tuple[str, str, tuple[str, ...], Sequence[tuple[str, ...]]]] = {
    "events": ("rowline_events", "Events that were accepted", (), [()]),
    "function_runs": (
        "rowline_event_runs",
        "Functions that events started and that ended",
        ("function", "outcome"),
        [(name, outcome) for name in FUNCTION_NAMES for outcome in (*ENDED, "cancelled")],
    ),
    "versions": ("rowline_versions", "Versions of documents that ended", ("outcome",), [(end,) for end in ENDED]),
    "rows": (
        "rowline_rows",
        "Rows of completed versions",
        ("outcome",),
        [("kept",), ("unchanged",), ("duplicate",), ("error",)],
    ),
    "batches": ("rowline_batches", "Batches that ended", ("outcome",), [(end,) for end in ENDED]),
    "notifications": (
        "rowline_notices",
        "Notifications that were sent or given up",
        ("channel", "outcome"),
        [(channel, outcome) for channel in CHANNELS for outcome in ("sent", "failed", "unknown")],
    ),
    "inputs": ("rowline_embedded_inputs", "Texts that were embedded", ("model",), []),
    "tokens": ("rowline_tokens", "Tokens that were billed for embedding", ("model",), []),
    "milliseconds": ("rowline_processing_seconds", "Seconds from start to end of completed versions", (), [()]),
}


def counters(tallies: Sequence[Figure]) -> Iterator[Metric]:
    for name, (metric, about, labels, known) in COUNTERS.items():
        values: dict[tuple[str, ...], float] = dict.fromkeys(known, 0.0)
        for figure in tallies:
            if figure.name == name:
                label_values = known_labels(figure.label, labels, known)
                scale = 1000 if name == "milliseconds" else 1
                values[label_values] = values.get(label_values, 0.0) + (figure.value or 0) / scale
        family = CounterMetricFamily(metric, about, labels=labels)
        for label_values, value in sorted(values.items()):
            family.add_metric(label_values, value)
        yield family


def known_labels(label: str, labels: Sequence[str], known: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The label values; a function or channel that the code no longer has is `other`. There are few models."""
    parts = tuple(label.split("|")) if labels else ()
    return parts if not known or parts in known else (*[OTHER] * (len(labels) - 1), *parts[-1:])


def costs(tallies: Sequence[Figure], price: tuple[str, float | None] | None) -> Iterator[Metric]:
    """The cost of the current model so far; nothing if its price is unknown."""
    family = CounterMetricFamily("rowline_cost_usd", "US dollars for embedding, at list price", labels=["model"])
    if price:
        paid = {(figure.name, figure.label): int(figure.value or 0) for figure in tallies}
        model, per_million = price
        cost = cost_usd(paid.get(("tokens", model), 0), per_million, paid.get(("economy_tokens", model), 0))
        if cost is not None:
            family.add_metric([model], cost)
    yield family


GAUGES = {
    "documents": ("rowline_documents", "Documents by the status of their newest version", "status"),
    "waiting": ("rowline_waiting", "What waits to be taken up", "what"),
    "oldest": ("rowline_oldest_waiting_seconds", "How long the oldest one waits; 0 if none does", "what"),
    "bytes": ("rowline_store_bytes", "Size on disk of the database and its large tables, with indexes", "table"),
    "estimated": ("rowline_store_rows", "Rows of large tables, as PostgreSQL estimates them", "table"),
    "dagster_runs": ("rowline_dagster_runs", "Dagster runs that have not ended", "status"),
    "alerts": ("rowline_open_alerts", "Alerts that have not recovered", None),
    "heartbeat": ("rowline_daemon_heartbeat_age_seconds", "Seconds since Dagster's daemon was heard", None),
}
STATUSES = ("pending", "processing", "completed", "failed", "rolled_back")
ALWAYS = {"documents": STATUSES, "dagster_runs": ("queued", "not_started", "starting", "started", "canceling")}


def gauges(by_kind: dict[str, list[Figure]]) -> Iterator[Metric]:
    for kind, (metric, about, label) in GAUGES.items():
        values = dict.fromkeys(ALWAYS.get(kind, ()), 0.0)
        for figure in by_kind[kind]:
            if figure.value is not None or kind == "oldest":
                values[figure.name] = max(figure.value or 0.0, 0.0)
        yield gauge(metric, about, [((name,) if label else (), value) for name, value in values.items()], label)


def gauge(
    name: str, about: str, values: Iterable[tuple[tuple[str, ...], float]], label: str | None = None
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=[label] if label else [])
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family
