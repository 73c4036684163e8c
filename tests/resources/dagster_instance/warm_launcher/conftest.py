"""A Dagster instance whose runs are forked, over a database of its own; one fork server serves most tests."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.reconstruct import ReconstructableRepository
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from resources.dagster_instance.run_processes import Process
from resources.dagster_instance.warm_launcher.launcher import WarmRunLauncher
from tests.conftest import drop_database

AT_MOST = 2
JOBS = "tests.resources.dagster_instance.warm_launcher.jobs"
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.02)


class WarmRuns:
    """Runs of one job, asked for as Dagster's daemon asks."""

    def __init__(self, instance: dg.DagsterInstance, module: str = JOBS) -> None:
        self.instance, self.module = instance, module

    @property
    def launcher(self) -> WarmRunLauncher:
        assert isinstance(self.instance.run_launcher, WarmRunLauncher)
        return self.instance.run_launcher

    @property
    def forkserver_pid(self) -> int:
        """The process that forks."""
        assert self.launcher._forkserver
        return self.launcher._forkserver.process.pid

    def launch(self, folder: Path, **options: bool) -> str:
        return self.instance.launch_run(self.created(folder, **options).run_id, None).run_id  # type: ignore[arg-type]

    def created(self, folder: Path, **options: bool) -> dg.DagsterRun:
        """A run that nobody has launched."""
        repository = ReconstructableRepository(ModuleCodePointer(self.module, "defs"))
        job = repository.get_reconstructable_job("watched")
        return self.instance.create_run_for_job(
            job.get_definition(),
            run_config={"ops": {"written": {"config": {"folder": str(folder), **options}}}},
            job_code_origin=job.get_python_origin(),
        )

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run
        return run.status

    def ended(self, run_id: str) -> dg.DagsterRunStatus:
        until(lambda: self.status(run_id) in ENDED)
        return self.status(run_id)

    def began(self, run_id: str, folder: Path) -> tuple[int, int]:
        """Its process and that one's parent, once the op is at work."""
        file = folder / f"{run_id}.began"
        until(lambda: file.exists() and file.read_text())
        pid, parent = file.read_text().split()
        return int(pid), int(parent)

    def process(self, run_id: str) -> Process:
        run = self.instance.get_run_by_id(run_id)
        assert run
        process = Process.from_tags(run.tags, run_id, False)
        assert process
        return process


@pytest.fixture(scope="module")
def instance(
    copy_database: Callable[[str], str], with_dagster: str, server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dg.DagsterInstance]:
    url, home = copy_database(with_dagster), tmp_path_factory.mktemp("home")
    ours = {
        "module": "resources.dagster_instance.warm_launcher.launcher",
        "class": "WarmRunLauncher",
        "config": {"definitions": JOBS},
    }
    storage = {"module": "resources.dagster_instance.storage", "class": "RowlineDagsterStorage", "config": {}}
    (home / "dagster.yaml").write_text(
        yaml.safe_dump({"telemetry": {"enabled": False}, "storage": {"custom": storage}, "run_launcher": ours})
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "DATABASE_URL": url,
            "ROWLINE_HOME": str(home),
            "DAGSTER_HOME": str(home),
            "MAX_CONCURRENT_RUNS": str(AT_MOST),
            "EMBEDDING_PROVIDER": "openai",  # a model need not be loaded for these
            "OPENAI_API_KEY": "sk-of-a-test",
        }.items():
            patch.setenv(name, value)
        with dg.DagsterInstance.get() as opened:
            yield opened
    drop_database(server_url, url)


@pytest.fixture
def warm_runs(instance: dg.DagsterInstance) -> WarmRuns:
    return WarmRuns(instance)


@pytest.fixture
def away(instance: dg.DagsterInstance, server_url: str) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """The database is away for the block: it hangs up on everybody and lets nobody in."""
    name = conninfo_to_dict(os.environ["DATABASE_URL"])["dbname"]
    switch = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")

    @contextmanager
    def away() -> Iterator[None]:
        with psycopg.connect(server_url, autocommit=True) as server:
            server.execute(switch.format(sql.Identifier(str(name)), sql.Literal(False)))
            try:
                server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
                yield
            finally:
                server.execute(switch.format(sql.Identifier(str(name)), sql.Literal(True)))

    yield away
    storages: tuple[Any, ...] = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
    for storage in storages:  # Dagster meets a connection that died when it uses it next, which another test would
        storage._engine.dispose()
