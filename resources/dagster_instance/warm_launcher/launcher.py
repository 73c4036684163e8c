"""The run launcher that `dagster.yaml` names: runs are forked from a warm process, or started as Dagster does."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.launcher.base import RunLauncher
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass
from dagster._serdes.config_class import ConfigurableClassData

from resources.dagster_instance.run_processes import Process
from resources.dagster_instance.tags import GRPC_INFO_TAG
from resources.dagster_instance.warm_launcher.forkserver_client import Parent, ParentGone
from settings.settings import load_settings

STOP_SECONDS = 20.0  # for a run that was told to stop, before it is killed
MOST_PAUSE = 15.0  # between tries to write how a run ended; run monitoring looks as often
TRIES = 3  # of code that changes while it is loaded, and of fork parents that die
log = logging.getLogger("rowline.warm_runs")


class WarmRunLauncher(RunLauncher[dg.DagsterInstance], ConfigurableClass):
    """Forks runs of our definitions; all others, and all where RUN_LAUNCHER=dagster, start as Dagster's own do."""

    def __init__(self, definitions: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._definitions, self._inst_data = definitions, inst_data
        settings = load_settings()
        self._warm, self._at_most = settings.run_launcher == "warm", settings.max_concurrent_runs
        self._plain: Any = dg.DefaultRunLauncher()
        self._parent: Parent | None = None
        self._lock, self._disposed = threading.Lock(), threading.Event()
        self.on_end: Callable[[], None] = lambda: None  # somebody may wait for a place
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {"definitions": dg.Field(str, description="Module whose definitions are kept warm.")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        return cls(config_value["definitions"], inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        super().register_instance(instance)
        self._plain.register_instance(instance)

    # -- beginning --------------------------------------------------------------------------------------------

    def warm(self) -> None:
        """Start the fork parent now, rather than with the first run."""
        if self._warm:
            with self._lock:
                self._current()

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        if not (self._warm and self._is_ours(run)):
            self._plain.launch_run(context)
            return
        try:
            self._begin(run.run_id, self._args(run))
        except ParentGone as error:
            log.warning("%s; Dagster's own launcher starts run %s", error, run.run_id)
            self._plain.launch_run(context)

    def _is_ours(self, run: dg.DagsterRun) -> bool:
        pointer = run.job_code_origin.repository_origin.code_pointer if run.job_code_origin else None
        return isinstance(pointer, ModuleCodePointer) and pointer.module == self._definitions

    def _args(self, run: dg.DagsterRun) -> str:
        assert run.job_code_origin  # ours has one
        return dg.serialize_value(ExecuteRunArgs(run.job_code_origin, run.run_id, self._instance.get_ref()))

    def _begin(self, run_id: str, args: str) -> None:
        """Raises ParentGone where no fork parent would have it."""
        for _ in range(TRIES):
            with self._lock:
                parent = self._current()
            try:
                if parent.ask(run_id, args):
                    return
            except ParentGone as error:
                log.warning("%s; a fresh one is started", error)
            with self._lock:
                if self._parent is parent:  # its code is old: what it has it finishes, what comes has the new code
                    parent.let_go()
                    self._parent = None
        raise ParentGone(f"{TRIES} fork parents in a row took no run")

    def _current(self) -> Parent:
        if self._parent is None or not self._parent.alive():
            self._parent = Parent.started(self._definitions, self._at_most, self._ended, self._lost)
        return self._parent

    def _lost(self, run_id: str, args: str) -> None:
        """A fork parent died with this run, which waited in it for a place."""
        self._until_done(self._begin_again, run_id, args)

    def _begin_again(self, run_id: str, args: str) -> None:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:  # somebody has ended it meanwhile
            return
        try:
            self._begin(run_id, args)
        except ParentGone as error:
            self._fail(run_id, f"The run was not begun: {error}")

    # -- ending -----------------------------------------------------------------------------------------------

    def _ended(self, run_id: str, code: int) -> None:
        self.on_end()
        if code:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self._until_done(self._fail, run_id, f"The run's process {how} before it could say how the run ended.")

    def _until_done(self, call: Callable[[str, str], None], run_id: str, more: str) -> None:
        """Again and again while it fails, as it does while the database is away; in a thread of its own (Parent)."""
        from tenacity import RetryCallState, Retrying, sleep_using_event, stop_when_event_set, wait_exponential

        def told(state: RetryCallState) -> None:
            reason = type(state.outcome.exception()).__name__ if state.outcome else "?"  # its text may hold an address
            log.warning("What became of run %s cannot be written (%s); it is tried again", run_id, reason)

        Retrying(
            wait=wait_exponential(max=MOST_PAUSE),
            sleep=sleep_using_event(self._disposed),
            stop=stop_when_event_set(self._disposed),
            before_sleep=told,
            retry_error_callback=lambda _: None,  # the launcher ends: run monitoring finds the run
        )(call, run_id, more)

    def _fail(self, run_id: str, reason: str) -> None:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return
        if run.status is dg.DagsterRunStatus.CANCELING:
            self._instance.report_run_canceled(run, reason)
        else:
            self._instance.report_run_failed(run, reason)

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id) if self.has_instance else None
        if run is None or run.is_finished:
            return False
        if GRPC_INFO_TAG in run.tags:
            return bool(self._plain.terminate(run_id))
        self._instance.report_run_canceling(run)
        # one that begins just now, or runs on another machine, sees that by itself
        process = Process.of(run.tags, run_id, run.parent_run_id is not None)
        if process and process.lives():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            threading.Thread(target=self._kill_late, args=(run_id, process), daemon=True).start()
        elif process and process.lives() is False:
            self._fail(run_id, "The run's process is gone.")
        return True

    def _kill_late(self, run_id: str, process: Process) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while process.lives() and time.monotonic() < deadline:
            time.sleep(0.2)
        if process.lives():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            self._fail(run_id, f"The run's process did not stop in {STOP_SECONDS:.0f} s and was killed.")

    def dispose(self) -> None:
        self._disposed.set()
        with self._lock:
            parent, self._parent = self._parent, None
        if parent:
            parent.stop()

    def join(self, timeout: int = 30) -> None:
        self._plain.join(timeout)

    # -- health -----------------------------------------------------------------------------------------------

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """FAILED only where the process can be seen to be gone: on this machine, and named by the run."""
        process = Process.of(run.tags, run.run_id, run.parent_run_id is not None)
        lives = process.lives() if process else None
        if lives is False:
            assert process
            return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {process.pid} is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING, None if lives else "its process cannot be seen from here")
