"""State of this deployment's Dagster: daemon heartbeats, sensors and schedules; read, never changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg

from settings.settings import PROJECT_ROOT


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """This deployment's instance, without the folder that a running one makes for itself."""
    with dg.DagsterInstance.from_config(str(PROJECT_ROOT)) as opened:
        yield opened


def last_heartbeats(dagster: dg.DagsterInstance) -> dict[str, datetime | None]:
    """When each daemon that this instance needs was last heard; None for never."""
    heartbeats = dagster.get_daemon_heartbeats()
    return {
        name: datetime.fromtimestamp(heartbeats[name].timestamp, UTC) if name in heartbeats else None
        for name in dagster.get_required_daemon_types()
    }


def switched_on_by_default() -> set[str]:
    """Names of the sensors and schedules that run unless a person stops them."""
    from pipelines.definitions import defs

    repository = defs.get_repository_def()
    sensors = {s.name for s in repository.sensor_defs if s.default_status is dg.DefaultSensorStatus.RUNNING}
    schedules = {s.name for s in repository.schedule_defs if s.default_status is dg.DefaultScheduleStatus.RUNNING}
    return sensors | schedules


def stopped_by_hand(dagster: dg.DagsterInstance) -> set[str]:
    """Names of the sensors and schedules that a person stopped in the UI."""
    return {state.instigator_name for state in dagster.all_instigator_state() if state.status.value == "STOPPED"}
