"""Patches that make Dagster's daemon check its queue when a run is submitted, and sensors twice a second.

Dagster has no setting for either: it checks sensors every 5 s, and runs when half-second naps have added up to
the interval. So, in the daemon's process only, one constant and one loop are replaced (ADR 0016); tests fail if
Dagster's own are not what these were written for.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

SENSOR_LOOP_SECONDS = 0.5
_queue_changed = threading.Event()


def notify_queue() -> None:
    """A run waits in the queue, or a slot is free: wake the queue now, not at the next interval."""
    _queue_changed.set()


def patch_daemon() -> None:
    """Does nothing in a process that is not Dagster's daemon."""
    if "dagster._daemon.controller" not in sys.modules:
        return
    from dagster._daemon import sensor
    from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

    vars(sensor)["MIN_INTERVAL_LOOP_TIME"] = SENSOR_LOOP_SECONDS
    QueuedRunCoordinatorDaemon.core_loop = _core_loop  # type: ignore[method-assign, assignment]


def _core_loop(daemon: Any, workspace_process_context: Any, shutdown_event: threading.Event) -> Iterator[Any]:
    """`IntervalDaemon.core_loop`, with a wait that `notify_queue` ends."""
    from dagster._daemon.daemon import SpanMarker
    from dagster._daemon.utils import DaemonErrorCapture

    launcher = workspace_process_context.instance.run_launcher
    warm: Callable[[], None] | None = getattr(launcher, "warm", None)
    if warm:
        launcher.on_end = notify_queue
        warm()
    while not shutdown_event.is_set():
        _queue_changed.clear()
        yield SpanMarker.START_SPAN
        try:
            yield from daemon.run_iteration(workspace_process_context)
        except Exception:  # noqa: BLE001 - as in Dagster: the daemon reports it and continues
            yield DaemonErrorCapture.process_exception(
                sys.exc_info(), logger=daemon._logger, log_message="The run queue could not be looked at"
            )
        yield SpanMarker.END_SPAN
        _queue_changed.wait(daemon.interval_seconds)
        yield None
