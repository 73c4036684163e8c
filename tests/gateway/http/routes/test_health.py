"""Health: alive is not ready, each part is asked by itself, and strangers learn no reasons."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from domain.errors import TransientError
from gateway.app import create_app
from gateway.http.readiness import CHECKS, Readiness
from operations.services import Services
from tests.stand_ins.s3_server import S3Server

OPERATOR = "o" * 40


@pytest.fixture
def dagster_lives(services: Services, with_dagster: str, copy_database) -> Services:
    """A deployment whose daemon was heard just now."""
    url = copy_database(with_dagster)
    beat(url, datetime.now(UTC))
    return Services(services.settings.model_copy(update={"database_url": SecretStr(url)}))


def beat(url: str, at: datetime) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM daemon_heartbeats")
        connection.execute(
            "INSERT INTO daemon_heartbeats (daemon_type, daemon_id, timestamp, body) VALUES ('SENSOR', 'd', %s, '')",
            (at.replace(tzinfo=None),),
        )


def shown(services: Services, operator: bool = True, **query: Any) -> tuple[int, dict[str, Any]]:
    settings = services.settings.model_copy(update={"metrics_token": SecretStr(OPERATOR)})
    services.__dict__["settings"] = settings
    headers = {"Authorization": f"Bearer {OPERATOR}"} if operator else {}
    with TestClient(create_app(services)) as client:
        answer = client.get("/health/ready", params=query, headers=headers)
        assert answer.json()["status"] == answer.status_code
        return answer.status_code, answer.json()["parts"]


def test_alive_is_said_as_the_apps_know_it_and_nobody_is_asked() -> None:
    services = Services.__new__(Services)  # nothing to ask
    from settings.settings import Settings

    services.__dict__["settings"] = Settings(database_url="postgresql://nobody@127.0.0.1:1/x")
    with TestClient(create_app(services)) as client:
        for path in ("/health", "/health/live"):
            assert client.get(path).json() == {"status": 200, "message": "OK"}


def test_all_is_up(dagster_lives: Services) -> None:
    assert shown(dagster_lives) == (200, {part: {"up": True} for part in CHECKS})
    dagster_lives.close()


def test_a_silent_daemon_is_down_and_the_rest_is_up(dagster_lives: Services) -> None:
    beat(dagster_lives.settings.database_url.get_secret_value(), datetime(2020, 1, 1, tzinfo=UTC))  # type: ignore[union-attr]
    status, parts = shown(dagster_lives)
    assert status == 503
    assert [part for part, state in parts.items() if not state["up"]] == ["daemon"]
    assert "its last heartbeat" in parts["daemon"]["reason"]
    assert shown(dagster_lives, part=["database", "vectors"])[0] == 200, "a load balancer asks for what it needs"
    dagster_lives.close()


def test_a_daemon_that_never_ran_is_reported_with_what_to_do(services: Services) -> None:
    assert "rowline dev" in shown(services, part="daemon")[1]["daemon"]["reason"]


def test_a_database_that_is_away_is_reported_without_its_password(services: Services) -> None:
    url = SecretStr("postgresql://app:hidden-word@127.0.0.1:1/x")
    away = Services(services.settings.model_copy(update={"database_url": url}))
    status, parts = shown(away)
    assert status == 503
    assert not parts["database"]["up"]
    assert "127.0.0.1:1" in parts["database"]["reason"]
    assert "hidden-word" not in str(parts)


def test_a_schema_that_is_behind_is_down(services: Services, empty_database_url: str) -> None:
    behind = Services(services.settings.model_copy(update={"database_url": SecretStr(empty_database_url)}))
    assert "rowline db upgrade" in shown(behind, part="database")[1]["database"]["reason"]


def test_an_object_store_that_refuses_is_down(services: Services, s3: S3Server) -> None:
    gone = services.settings.model_copy(
        update={"object_store": "s3://no-such-bucket/x", "s3_endpoint_url": s3.endpoint_url}
    )
    status, parts = shown(Services(gone), part="objects")
    assert (status, parts["objects"]["up"]) == (503, False)
    assert "no-such-bucket" in parts["objects"]["reason"]


def test_a_folder_that_cannot_be_read_is_down(services: Services, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", "utf-8")
    wrong = services.settings.model_copy(update={"object_store": str(tmp_path / "file")})
    assert shown(Services(wrong), part="objects")[0] == 503


def test_strangers_learn_no_reasons(services: Services) -> None:
    status, parts = shown(services, operator=False)
    assert status == 503
    assert parts["daemon"] == {"up": False}
    assert set(parts) == set(CHECKS)


def test_an_unknown_part_is_a_wrong_request(services: Services) -> None:
    with TestClient(create_app(services)) as client:
        assert client.get("/health/ready", params={"part": "moon"}).status_code == 422


# -- how parts are asked ------------------------------------------------------------------------------------------


def test_a_part_that_hangs_costs_its_limit_and_one_thread(services: Services) -> None:
    """However often it is asked: a probe each second must not pile up threads."""
    goes_on, asked = threading.Event(), []

    def hangs(_: Services) -> None:
        asked.append(1)
        goes_on.wait()

    readiness = Readiness(services, {"slow": hangs, "quick": lambda _: None}, seconds=0.05)
    first = readiness.states(["slow", "quick"])
    assert [(state.part, state.up) for state in first] == [("slow", False), ("quick", True)]
    assert first[0].reason == "It did not answer within 0.05 s"
    readiness.states(["slow"])
    assert asked == [1]
    goes_on.set()


def test_an_answer_is_good_for_a_second(services: Services) -> None:
    now, asked = [100.0], []
    readiness = Readiness(services, {"part": lambda _: asked.append(1)}, clock=lambda: now[0])
    for at in (100.0, 100.9, 101.1, 101.2):
        now[0] = at
        assert readiness.states(["part"])[0].up
    assert len(asked) == 2


def test_parts_are_asked_at_the_same_time(services: Services) -> None:
    """Each waits for the other: one after the other, neither would answer."""
    both = threading.Barrier(2, timeout=30)

    def meets(_: Services) -> None:
        both.wait()

    states = Readiness(services, {"one": meets, "two": meets}, seconds=30).states(["one", "two"])
    assert all(state.up for state in states)


def test_a_librarys_own_words_are_not_reported(services: Services) -> None:
    def breaks(_: Services) -> None:
        raise ValueError("https://user:secret@host/")

    def explains(_: Services) -> None:
        raise TransientError("The index is being made")

    states = Readiness(services, {"odd": breaks, "explained": explains}).states(["odd", "explained"])
    assert [state.reason for state in states] == ["The check failed (ValueError)", "The index is being made"]
