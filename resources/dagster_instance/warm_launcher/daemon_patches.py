"""Dagster's daemon without its pauses: it looks at its queue when a run is put there, at sensors twice a second.

Dagster has no setting for either: it looks for sensors every 5 s and for runs when half-second naps have added up to
the interval. So, in the daemon's process only, one constant and one loop are replaced (ADR 0016); tests fail where
Dagster's own are not what these were written for.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

SENSOR_LOOP_SECONDS = 0.5
_bell = threading.Event()


def notify_queue() -> None:
    """A run waits in the queue, or a place is free: look now, not at the next interval."""
    _bell.set()


def patch_daemon() -> None:
    """Nothing happens in a process that is not Dagster's daemon."""
    if "dagster._daemon.controller" not in sys.modules:
        return
    from dagster._daemon import sensor
    from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

    vars(sensor)["MIN_INTERVAL_LOOP_TIME"] = SENSOR_LOOP_SECONDS
    QueuedRunCoordinatorDaemon.core_loop = _core_loop  # type: ignore[method-assign, assignment]


def _core_loop(daemon: Any, workspace_process_context: Any, shutdown_event: threading.Event) -> Iterator[Any]:
    """`IntervalDaemon.core_loop`, with a wait that ends when the bell is rung."""
    from dagster._daemon.daemon import SpanMarker
    from dagster._daemon.utils import DaemonErrorCapture

    launcher = workspace_process_context.instance.run_launcher
    warm: Callable[[], None] | None = getattr(launcher, "warm", None)
    if warm:
        launcher.on_end = notify_queue
        warm()
    while not shutdown_event.is_set():
        _bell.clear()
        yield SpanMarker.START_SPAN
        try:
            yield from daemon.run_iteration(workspace_process_context)
        except Exception:  # noqa: BLE001 - as Dagster has it: the daemon tells it, and goes on
            yield DaemonErrorCapture.process_exception(
                sys.exc_info(), logger=daemon._logger, log_message="The run queue could not be looked at"
            )
        yield SpanMarker.END_SPAN
        _bell.wait(daemon.interval_seconds)
        yield None
