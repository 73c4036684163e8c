"""What is replaced in Dagster's daemon is still there to be replaced, and does what Dagster's own did."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from dagster._daemon import sensor
from dagster._daemon.daemon import IntervalDaemon
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from resources.dagster_instance.warm_launcher import daemon_patches


class Looks(QueuedRunCoordinatorDaemon):
    """Counts its looks at the queue, and fails each second one."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.looks = 0

    def run_iteration(self, *_: Any, **__: Any) -> Iterator[None]:  # type: ignore[override]
        self.looks += 1
        yield None
        if self.looks % 2 == 0:
            raise ConnectionError("the database is away")


def workspace(launcher: object) -> Any:
    return SimpleNamespace(instance=SimpleNamespace(run_launcher=launcher))


@pytest.fixture
def unquickened(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Dagster has it, also where an earlier test of this process has quickened it."""
    monkeypatch.setattr(sensor, "MIN_INTERVAL_LOOP_TIME", 5)
    monkeypatch.setattr(QueuedRunCoordinatorDaemon, "core_loop", IntervalDaemon.core_loop)


def test_the_loop_over_the_queue_says_the_same_as_dagsters_own():
    """The loop yields heartbeats, spans and errors."""
    theirs, ours = Looks(0), Looks(0)
    said = [
        [getattr(one, "cls_name", one) for one in islice(loop, 14)]
        for loop in (
            IntervalDaemon.core_loop(theirs, workspace(None), threading.Event()),
            daemon_patches._core_loop(ours, workspace(None), threading.Event()),
        )
    ]
    assert said[0] == said[1]
    assert "ConnectionError" in said[0]
    assert theirs.looks == ours.looks > 2


def test_a_run_that_is_put_into_the_queue_is_looked_at_without_a_pause():
    daemon = Looks(3600)
    loop = daemon_patches._core_loop(daemon, workspace(None), threading.Event())
    list(islice(loop, 3))
    daemon_patches.notify_queue()
    list(islice(loop, 3))
    assert daemon.looks == 2


def test_the_daemon_warms_its_launcher_before_the_first_look_and_is_rung_when_a_place_is_free():
    done: list[str] = []
    launcher = SimpleNamespace(warm=lambda: done.append("warm"), on_end=None)
    next(daemon_patches._core_loop(Looks(1), workspace(launcher), threading.Event()))
    assert (done, launcher.on_end) == (["warm"], daemon_patches.notify_queue)


def test_the_loop_ends_with_the_daemon():
    over = threading.Event()
    over.set()
    assert list(daemon_patches._core_loop(Looks(3600), workspace(None), over)) == []


@pytest.mark.usefixtures("unquickened")
def test_only_the_daemons_process_is_quickened(monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.delitem(sys.modules, "dagster._daemon.controller", raising=False)
    daemon_patches.patch_daemon()
    assert sensor.MIN_INTERVAL_LOOP_TIME == 5
    assert QueuedRunCoordinatorDaemon.core_loop is IntervalDaemon.core_loop
    monkeypatch.setitem(sys.modules, "dagster._daemon.controller", SimpleNamespace())  # type: ignore[arg-type]
    daemon_patches.patch_daemon()
    assert sensor.MIN_INTERVAL_LOOP_TIME == daemon_patches.SENSOR_LOOP_SECONDS
    assert QueuedRunCoordinatorDaemon.core_loop is daemon_patches._core_loop


def test_dagster_still_reads_what_is_replaced():
    assert "\nMIN_INTERVAL_LOOP_TIME = 5\n" in inspect.getsource(sensor)
    assert "MIN_INTERVAL_LOOP_TIME - loop_duration" in inspect.getsource(sensor.execute_sensor_iteration_loop)
    assert "def core_loop" not in inspect.getsource(QueuedRunCoordinatorDaemon)
    assert issubclass(QueuedRunCoordinatorDaemon, IntervalDaemon)
