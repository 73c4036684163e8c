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
from resources.dagster_instance.warm_launcher.forkserver_client import ForkserverClient, ForkserverGone
from settings.settings import load_settings

TERMINATION_TIMEOUT_SECONDS = 20.0  # for a run that got SIGTERM, before it is killed
MAX_BACKOFF_SECONDS = 15.0  # between tries to write how a run ended; run monitoring looks as often
MAX_ATTEMPTS = 3  # of code that changes while it is loaded, and of fork servers that die
log = logging.getLogger("rowline.warm_runs")


class WarmRunLauncher(RunLauncher[dg.DagsterInstance], ConfigurableClass):
    """Forks runs of our definitions.

    All others, and all if RUN_LAUNCHER=dagster, are started by Dagster's default launcher.
    """

    def __init__(self, definitions: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._definitions, self._inst_data = definitions, inst_data
        settings = load_settings()
        self._warm, self._max_children = settings.run_launcher == "warm", settings.max_concurrent_runs
        self._plain: Any = dg.DefaultRunLauncher()
        self._forkserver: ForkserverClient | None = None
        self._lock, self._disposed = threading.Lock(), threading.Event()
        self.on_end: Callable[[], None] = lambda: None  # the run queue may wait for a free slot
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

    # -- starting ---------------------------------------------------------------------------------------------

    def warm(self) -> None:
        """Start the fork server now, rather than with the first run."""
        if self._warm:
            with self._lock:
                self._get_forkserver()

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        if not (self._warm and self._is_ours(run)):
            self._plain.launch_run(context)
            return
        try:
            self._start(run.run_id, self._args(run))
        except ForkserverGone as error:
            log.warning("%s; Dagster's own launcher starts run %s", error, run.run_id)
            self._plain.launch_run(context)

    def _is_ours(self, run: dg.DagsterRun) -> bool:
        pointer = run.job_code_origin.repository_origin.code_pointer if run.job_code_origin else None
        return isinstance(pointer, ModuleCodePointer) and pointer.module == self._definitions

    def _args(self, run: dg.DagsterRun) -> str:
        assert run.job_code_origin  # ours has one
        return dg.serialize_value(ExecuteRunArgs(run.job_code_origin, run.run_id, self._instance.get_ref()))

    def _start(self, run_id: str, args: str) -> None:
        """Raises ForkserverGone if no fork server accepts the run."""
        for _ in range(MAX_ATTEMPTS):
            with self._lock:
                forkserver = self._get_forkserver()
            try:
                if forkserver.submit(run_id, args):
                    return
            except ForkserverGone as error:
                log.warning("%s; a fresh one is started", error)
            with self._lock:
                if self._forkserver is forkserver:  # its code is outdated: it finishes its runs
                    forkserver.retire()
                    self._forkserver = None
        raise ForkserverGone(f"{MAX_ATTEMPTS} fork servers in a row took no run")

    def _get_forkserver(self) -> ForkserverClient:
        if self._forkserver is None or not self._forkserver.is_alive():
            self._forkserver = ForkserverClient.start(
                self._definitions, self._max_children, self._on_exit, self._on_lost
            )
        return self._forkserver

    def _on_lost(self, run_id: str, args: str) -> None:
        """A fork server died while this run waited in its queue."""
        self._retry_until_done(self._restart, run_id, args)

    def _restart(self, run_id: str, args: str) -> None:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:  # it was cancelled meanwhile
            return
        try:
            self._start(run_id, args)
        except ForkserverGone as error:
            self._fail(run_id, f"The run was not started: {error}")

    # -- exits ------------------------------------------------------------------------------------------------

    def _on_exit(self, run_id: str, code: int) -> None:
        self.on_end()
        if code:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self._retry_until_done(
                self._fail, run_id, f"The run's process {how} before it could record how the run ended."
            )

    def _retry_until_done(self, call: Callable[[str, str], None], run_id: str, argument: str) -> None:
        """Retry for as long as it fails, such as while the database is down.

        ForkserverClient gives it its own thread.
        """
        from tenacity import RetryCallState, Retrying, sleep_using_event, stop_when_event_set, wait_exponential

        def log_retry(state: RetryCallState) -> None:
            reason = (
                type(state.outcome.exception()).__name__ if state.outcome else "?"
            )  # its text may hold a URL with a password
            log.warning("What became of run %s cannot be written (%s); it is tried again", run_id, reason)

        Retrying(
            wait=wait_exponential(max=MAX_BACKOFF_SECONDS),
            sleep=sleep_using_event(self._disposed),
            stop=stop_when_event_set(self._disposed),
            before_sleep=log_retry,
            retry_error_callback=lambda _: None,  # the launcher ends: run monitoring finds the run
        )(call, run_id, argument)

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
        # a run that is just starting, or is on another machine, polls for the status itself
        process = Process.from_tags(run.tags, run_id, run.parent_run_id is not None)
        if process and process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            threading.Thread(target=self._kill_after_timeout, args=(run_id, process), daemon=True).start()
        elif process and process.is_alive() is False:
            self._fail(run_id, "The run's process is gone.")
        return True

    def _kill_after_timeout(self, run_id: str, process: Process) -> None:
        deadline = time.monotonic() + TERMINATION_TIMEOUT_SECONDS
        while process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.2)
        if process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            self._fail(run_id, f"The run's process did not stop in {TERMINATION_TIMEOUT_SECONDS:.0f} s and was killed.")

    def dispose(self) -> None:
        self._disposed.set()
        with self._lock:
            forkserver, self._forkserver = self._forkserver, None
        if forkserver:
            forkserver.stop()

    def join(self, timeout: int = 30) -> None:
        self._plain.join(timeout)

    # -- health -----------------------------------------------------------------------------------------------

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """FAILED only if the run names a process of this machine that is gone."""
        process = Process.from_tags(run.tags, run.run_id, run.parent_run_id is not None)
        alive = process.is_alive() if process else None
        if alive is False:
            assert process
            return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {process.pid} is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING, None if alive else "its process cannot be seen from here")
