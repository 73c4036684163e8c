"""A run in a process forked for it: what `dagster api execute_run` does, without the seconds before."""

import os
import signal
import threading

import dagster as dg
from dagster._cli.api import _execute_run_command_body
from dagster._grpc.types import ExecuteRunArgs
from dagster._utils.interrupts import capture_interrupts

from resources.dagster_instance.run_processes import PROCESS_TAG, Process

POLL_INTERVAL_SECONDS = 3.0
STOP_REQUESTED = {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}


def execute(serialized_args: str) -> int:
    """Execute a run to its end; 0 if its outcome, whatever it is, was recorded."""
    with capture_interrupts():
        args = dg.deserialize_value(serialized_args, ExecuteRunArgs)
        assert args.instance_ref  # set by the launcher
        with dg.DagsterInstance.from_ref(args.instance_ref) as instance:
            if not _claim(instance, args.run_id):
                return 0
            done = threading.Event()
            watch = threading.Thread(target=_interrupt_on_stop_request, args=(instance, args.run_id, done), daemon=True)
            watch.start()
            try:
                return _execute_run_command_body(args.run_id, instance, lambda _: None, False)
            finally:
                done.set()
                watch.join(POLL_INTERVAL_SECONDS)


def _claim(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether this process is to execute the run; it tags the run first, so that a stop requested now reaches it."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    other = Process.from_tags(run.tags, run_id, run.parent_run_id is not None)
    if other and other.is_alive():  # the fork server died after it started the run, which was then launched again
        return False
    instance.add_run_tags(run_id, {PROCESS_TAG: Process.current(run_id).tag})
    run = instance.get_run_by_id(run_id)
    if run and run.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run)
    return run is not None and not run.is_finished and run.status not in STOP_REQUESTED


def _interrupt_on_stop_request(instance: dg.DagsterInstance, run_id: str, done: threading.Event) -> None:
    """Interrupts the run once its status says so: a UI on another machine cannot send it a signal."""
    while not done.wait(POLL_INTERVAL_SECONDS):
        run = instance.get_run_by_id(run_id)
        if run is None or run.status in STOP_REQUESTED:
            os.kill(os.getpid(), signal.SIGINT)
            return
