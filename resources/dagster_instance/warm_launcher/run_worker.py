"""A run in a process forked for it: what `dagster api execute_run` does, without the seconds before."""

import os
import signal
import threading

import dagster as dg
from dagster._cli.api import _execute_run_command_body
from dagster._grpc.types import ExecuteRunArgs
from dagster._utils.interrupts import capture_interrupts

from resources.dagster_instance.run_processes import PROCESS_TAG, Process

LOOK_SECONDS = 3.0
STOPPING = {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}


def execute(serialized_args: str) -> int:
    """Execute a run to its end; 0 where its outcome, whatever it is, was written."""
    with capture_interrupts():
        args = dg.deserialize_value(serialized_args, ExecuteRunArgs)
        assert args.instance_ref  # the launcher gives it
        with dg.DagsterInstance.from_ref(args.instance_ref) as instance:
            if not _taken(instance, args.run_id):
                return 0
            done = threading.Event()
            watch = threading.Thread(target=_stop_when_told, args=(instance, args.run_id, done), daemon=True)
            watch.start()
            try:
                return _execute_run_command_body(args.run_id, instance, lambda _: None, False)
            finally:
                done.set()
                watch.join(LOOK_SECONDS)


def _taken(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether this process is to execute the run: it says so first, so that a stop asked for now reaches it."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    other = Process.of(run.tags, run_id, run.parent_run_id is not None)
    if other and other.lives():  # the fork parent died after it began the run, and the run was asked for again
        return False
    instance.add_run_tags(run_id, {PROCESS_TAG: Process.this(run_id).tag})
    run = instance.get_run_by_id(run_id)
    if run and run.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run)
    return run is not None and not run.is_finished and run.status not in STOPPING


def _stop_when_told(instance: dg.DagsterInstance, run_id: str, done: threading.Event) -> None:
    """Interrupts the run when it is to be stopped: a UI on another machine cannot send it a signal."""
    while not done.wait(LOOK_SECONDS):
        run = instance.get_run_by_id(run_id)
        if run is None or run.status in STOPPING:
            os.kill(os.getpid(), signal.SIGINT)
            return
