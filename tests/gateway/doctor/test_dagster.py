"""Dagster as it is found: the code location, the daemon's heartbeats, and switches that a person turned off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat

from gateway.doctor import dagster, databases
from gateway.doctor.context import Context
from pipelines.definitions import defs
from pipelines.instance_status import instance
from settings.settings import PROJECT_ROOT, load_settings
from tests.conftest import drop_database


@pytest.fixture
def context(
    copy_database: Callable[[str], str],
    with_dagster: str,
    server_url: str,
    clean_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Context]]:
    """A deployment that has run: Dagster's tables are there."""
    url = copy_database(with_dagster)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("ROWLINE_HOME", str(clean_environment / "home"))
    yield lambda production=False: Context(load_settings(), production=production)
    drop_database(server_url, url)


def beat(at: datetime, *left_out: str) -> None:
    """Heartbeats of all daemons, as the daemon itself leaves them."""
    with instance() as dagster:
        for name in set(dagster.get_required_daemon_types()) - set(left_out):
            dagster.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), name, "daemon-id", []))


def stopped_sensor(name: str) -> InstigatorState:
    """What the UI stores when a person turns a sensor off."""
    target = LoadableTargetOrigin(python_file=None, module_name="pipelines.definitions")
    location = InProcessCodeLocationOrigin(target, location_name="rowline")
    origin = RemoteRepositoryOrigin(location, defs.get_repository_def().name).get_instigator_origin(name)
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED)


def test_a_daemon_that_never_ran_is_a_warning_on_a_laptop_and_a_failure_in_production(
    context: Callable[..., Context],
):
    assert dagster.daemon(context()).state == "warning"
    told = dagster.daemon(context(production=True))
    assert (told.state, told.message) == ("failed", "not running: uploads wait until it is")
    assert "rowline dev" in str(told.remedy)


def test_a_daemon_that_is_heard_is_alive(context: Callable[..., Context]):
    beat(datetime.now(UTC) - timedelta(seconds=40))
    told = dagster.daemon(context(production=True))
    assert told.state == "ok"
    assert "sensor" in told.message


def test_a_daemon_that_went_silent_is_not_alive(context: Callable[..., Context]):
    """Dagster's own page shows it as running for half an hour longer."""
    beat(datetime.now(UTC) - timedelta(minutes=5))
    assert dagster.daemon(context(production=True)).message.startswith("not running")


def test_the_one_daemon_that_is_missing_is_named(context: Callable[..., Context]):
    beat(datetime.now(UTC), "SENSOR")
    assert dagster.daemon(context(production=True)).message == "not heard for 120 s: sensor"


def test_a_sensor_that_a_person_stopped_is_named(context: Callable[..., Context]):
    assert dagster.switches(context()).state == "ok"
    with instance() as opened:
        opened.add_instigator_state(stopped_sensor("new_uploads"))
    told = dagster.switches(context())
    assert (told.state, told.message) == ("warning", "new_uploads was stopped by a person")


def test_looking_at_dagster_leaves_nothing_behind(context: Callable[..., Context], clean_environment: Path):
    """Neither a home for the instance, nor a file in the project."""
    before = sorted(path.name for path in PROJECT_ROOT.iterdir())
    dagster.daemon(context())
    dagster.switches(context())
    assert not (clean_environment / "home").exists()
    assert sorted(path.name for path in PROJECT_ROOT.iterdir()) == before


def test_dagsters_tables_are_missed_before_its_first_start(
    database_url: str, clean_environment: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DATABASE_URL", database_url)
    laptop, production = Context(load_settings()), Context(load_settings(), production=True)
    assert (databases.dagster_tables(laptop).state, databases.dagster_tables(production).state) == ("warning", "failed")


def test_the_code_location_loads(context: Callable[..., Context]):
    assert dagster.code_location(context()).state == "ok"


def test_definitions_that_do_not_load_are_told_by_their_last_words(
    context: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dagster, "LOAD", "import pipelines.nowhere")
    told = dagster.code_location(context())
    assert (told.state, told.message) == (
        "failed",
        "pipelines.definitions does not load: ModuleNotFoundError: No module named 'pipelines.nowhere'",
    )


def test_definitions_that_never_load_are_given_up(context: Callable[..., Context], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dagster, "LOAD", "import threading; threading.Event().wait()")
    monkeypatch.setattr(dagster, "LOAD_TIMEOUT_SECONDS", 0.2)
    assert "did not load within 0.2 s" in dagster.code_location(context()).message
