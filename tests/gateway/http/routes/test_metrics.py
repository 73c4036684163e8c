"""`/metrics`: Prometheus can read it, it says what has happened, and nobody sees it who may not."""

import json
import re

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.testclient import TestClient

from domain.events.registry import FUNCTIONS
from gateway.app import create_app
from gateway.http.auth.operators import OPERATOR_REQUIRED
from gateway.http.routes import metrics
from gateway.http.routes.metrics import COUNTERS, GAUGES, CachedFigures, LedgerCollector
from operations.services import Services
from resources.ledger.counters import MANY_LINES, Figure
from settings.settings import PROJECT_ROOT, Settings
from tests.laws.deployment import Deployment, items

TOKEN = "t" * 40
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
# where nothing was embedded yet, and no daemon has run
NOT_YET = {"rowline_tokens_total", "rowline_cost_usd_total", "rowline_daemon_heartbeat_age_seconds"}
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})


@pytest.fixture
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_AGE_SECONDS", 0.0)


def scraped(client: TestClient) -> Values:
    answer = client.get("/metrics", headers=OPERATOR)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_every_documented_metric_is_there_with_its_help(client: TestClient) -> None:
    documented = set(re.findall(r"`(rowline_\w+)(?:\{[\w, ]+\})?`", (PROJECT_ROOT / "docs/operation.md").read_text()))
    families = list(text_string_to_metric_families(client.get("/metrics", headers=OPERATOR).text))
    shown = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    assert shown == documented
    assert len(shown) >= len(COUNTERS) + len(GAUGES)
    assert [one.name for one in families if not one.documentation] == []


def test_labels_are_the_documented_ones(client: TestClient) -> None:
    """A label more multiplies the series; whoever adds one writes it down."""
    text = (PROJECT_ROOT / "docs/operation.md").read_text()
    documented = {
        name: set(filter(None, re.split(r", ?", labels or "")))
        for name, labels in re.findall(r"`(rowline_\w+)(?:\{([\w, ]+)\})?`", text)
    }
    wrong = {
        (name, label)
        for (name, labels), _ in scraped(client).items()
        for label, _ in labels
        if label not in documented[re.sub(r"_(bucket|count|sum)$", "", name)] | {"le"}
    }
    assert wrong == set()


def test_openmetrics_is_spoken_to_those_who_ask_for_it(client: TestClient) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = client.get("/metrics", headers=OPERATOR | accept)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert {family.name for family in openmetrics(answer.text)} >= {"rowline_events", "rowline_documents"}


@pytest.mark.usefixtures("always_fresh")
def test_what_a_document_did_is_counted_and_stays_counted(client: TestClient, rowline: Deployment) -> None:
    """Counters never fall: what is removed has happened all the same."""
    first = rowline.index(items("apple", "pear", "pear"))
    rowline.index(items("apple", "plum"), first.document_id)
    rowline.upload(items("waits"))
    after = scraped(client)
    assert after["rowline_rows_total", (("outcome", "kept"),)] == 3
    assert after["rowline_rows_total", (("outcome", "unchanged"),)] == 1
    assert after["rowline_rows_total", (("outcome", "duplicate"),)] == 1
    assert after["rowline_rows_total", (("outcome", "error"),)] == 0
    assert after["rowline_versions_total", (("outcome", "completed"),)] == 2
    assert after["rowline_batches_total", (("outcome", "completed"),)] == 2
    model = (("model", rowline.services.embedder.model.key),)
    assert after["rowline_embedded_inputs_total", model] == 3
    assert after["rowline_documents", (("status", "completed"),)] == 1
    assert after["rowline_documents", (("status", "pending"),)] == 1
    assert after["rowline_waiting", (("what", "uploads"),)] == 1
    assert after["rowline_oldest_waiting_seconds", (("what", "uploads"),)] > 0
    rowline.sql("DELETE FROM documents")
    gone = scraped(client)
    assert gone["rowline_documents", (("status", "completed"),)] == 0
    counted = {key: value for key, value in after.items() if key[0].endswith("_total")}
    assert {key: gone[key] for key in counted} == counted


@pytest.mark.usefixtures("always_fresh")
def test_a_failed_document_and_what_it_waited_for_are_seen(client: TestClient, rowline: Deployment) -> None:
    assert rowline.process(rowline.upload(b"PK\x03\x04 no workbook", filename="a.xlsx").document_id).status == "failed"
    shown = scraped(client)
    assert shown["rowline_versions_total", (("outcome", "failed"),)] == 1
    assert shown["rowline_documents", (("status", "failed"),)] == 1


@pytest.mark.usefixtures("always_fresh")
def test_folding_tallies_changes_no_sum(client: TestClient, services: Services) -> None:
    with services.database.transaction() as connection:
        connection.execute("INSERT INTO counters SELECT 'events', '', 1 FROM generate_series(1, %s)", (MANY_LINES + 5,))
    assert scraped(client)["rowline_events_total", ()] == MANY_LINES + 5
    with services.database.transaction() as connection:
        assert connection.execute("SELECT count(*) AS lines FROM counters").fetchone() == {"lines": 1}
    assert scraped(client)["rowline_events_total", ()] == MANY_LINES + 5


def test_labels_stay_few_whatever_the_ledger_holds() -> None:
    """A function that is gone from the code, or a name from elsewhere, does not become a series of its own."""

    class Source(CachedFigures):
        def figures(self) -> list[Figure]:
            names = [f"gone-{number}" for number in range(100)]
            return [Figure("counter", "function_runs", f"{name}|failed", 1.0) for name in names]

        def price(self) -> None:
            return None

    samples = [
        sample
        for family in LedgerCollector(Source(None)).collect()  # type: ignore[arg-type]
        if family.name == "rowline_event_runs"
        for sample in family.samples
    ]
    assert len(samples) == len(FUNCTIONS) * 3 + 1
    assert [sample.value for sample in samples if sample.labels["function"] == "other"] == [100.0]


def test_requests_are_labelled_by_the_template_of_their_route(client: TestClient) -> None:
    for number in range(3):
        client.get(f"/documents/doc_{number}")
        client.get(f"/nothing/here/{number}")
    routes = {
        dict(labels)["route"] for (name, labels) in scraped(client) if name == "rowline_http_request_seconds_count"
    }
    assert {"/documents/{documentId}", "(none)"} <= routes
    assert not any("doc_" in route or "nothing" in route for route in routes)


def test_the_whole_deployments_figures_are_for_its_operators(client: TestClient, shown_by, services: Services) -> None:
    """An organization's admin would see how much the others do."""
    stranger, other, own, weak = (
        {},
        shown_by("acme", "admin"),
        shown_by(services.settings.default_organization, "admin"),
        shown_by(services.settings.default_organization, "events", "search", "upload"),
    )
    shown = [client.get("/metrics", headers=headers).status_code for headers in (stranger, other, weak, own, OPERATOR)]
    assert shown == [401, 403, 403, 200, 200]
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert OPERATOR_REQUIRED in client.get("/metrics").json()["detail"]


@pytest.mark.parametrize(
    ("environment", "host", "headers", "status"),
    [
        ("development", "localhost", {}, 200),
        ("development", "rebound.example.com", {}, 401),
        ("development", "localhost", {"X-Forwarded-For": "10.0.0.1"}, 401),
        ("production", "localhost", {}, 401),
    ],
)
def test_in_development_this_computer_needs_no_key(
    services: Services, environment: str, host: str, headers: dict[str, str], status: int
) -> None:
    settings = services.settings.model_copy(update={"environment": environment})
    services.__dict__["settings"] = settings
    with TestClient(create_app(services), f"http://{host}", client=("127.0.0.1", 5)) as near:
        assert near.get("/metrics", headers=headers).status_code == status


def test_a_ledger_that_is_away_is_reported_and_the_rest_still_measured(services: Services) -> None:
    away = Services(services.settings.model_copy(update={"database_url": SecretStr("postgresql://a@127.0.0.1:1/x")}))
    with TestClient(create_app(away), raise_server_exceptions=False) as client:
        client.get("/health")
        shown = scraped(client)
    assert shown["rowline_ledger_up", ()] == 0
    assert any(name == "rowline_http_request_seconds_count" for name, _ in shown)


def test_dashboard_and_alert_rules_ask_for_what_there_is(client: TestClient) -> None:
    """Metric names, the route of events, and the labels that are matched."""
    shown = scraped(client)
    client.post("/e/unknown", json={"name": "a/b"})
    names = {name for name, _ in shown} | {name for name, _ in scraped(client)} | NOT_YET
    rules = yaml.safe_load((PROJECT_ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8"))
    board = json.loads((PROJECT_ROOT / "deploy/grafana/rowline.json").read_text("utf-8"))
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    asked += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert {name for expression in asked for name in re.findall(r"rowline_\w+", expression)} - names == set()
    routes = {dict(labels)["route"] for name, labels in scraped(client) if name == "rowline_http_request_seconds_count"}
    assert {route for expression in asked for route in re.findall(r'route="([^"]+)"', expression)} <= routes
    outcomes = {dict(labels)["outcome"] for _, labels in shown if "outcome" in dict(labels)}
    assert {one for expression in asked for one in re.findall(r'outcome="(\w+)"', expression)} <= outcomes
