"""The contract of a run launcher, kept by processes that are forked."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.launcher import WorkerStatus

from resources.dagster_instance.run_processes import PROCESS_TAG, Process
from resources.dagster_instance.warm_launcher import launcher as launching
from resources.dagster_instance.warm_launcher.launcher import WarmRunLauncher
from resources.dagster_instance.warm_launcher.run_worker import execute
from tests.resources.dagster_instance.warm_launcher.conftest import AT_MOST, WarmRuns, until

pytestmark = pytest.mark.slow
SUCCESS, FAILURE, CANCELED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED

TRIED_AGAIN = "cannot be written"
Away = Callable[[], AbstractContextManager[None]]


def children(warm_runs: WarmRuns) -> list[int]:
    return [child.pid for child in psutil.Process(warm_runs.forkserver_pid).children()]


def test_a_run_is_forked_executed_and_leaves_no_process(warm_runs: WarmRuns, tmp_path: Path):
    run_id = warm_runs.launch(tmp_path)
    assert warm_runs.ended(run_id) is SUCCESS
    pid, parent = warm_runs.began(run_id, tmp_path)
    assert parent == warm_runs.forkserver_pid
    assert warm_runs.process(run_id).pid == pid
    until(lambda: not children(warm_runs))


def test_the_fork_server_has_nothing_that_a_fork_would_tear(warm_runs: WarmRuns, tmp_path: Path):
    """No connection of any kind but the launcher's socket, and no thread of ours."""
    warm_runs.ended(warm_runs.launch(tmp_path))
    parent = psutil.Process(warm_runs.forkserver_pid)
    assert parent.net_connections(kind="inet") == []
    unix = [one for one in parent.net_connections(kind="unix") if one.laddr or one.raddr]
    assert unix == [], "the database is behind a unix socket"
    names = [Path(f"/proc/{parent.pid}/task/{thread.id}/comm").read_text().strip() for thread in parent.threads()]
    assert [name for name in names if name != "jemalloc_bg_thd"] == [names[0]]  # jemalloc forks as it should


def test_a_run_that_is_stopped_ends_canceled(warm_runs: WarmRuns, tmp_path: Path):
    run_id = warm_runs.launch(tmp_path, held=True)
    warm_runs.began(run_id, tmp_path)
    assert warm_runs.launcher.terminate(run_id)
    assert warm_runs.ended(run_id) is CANCELED
    assert not warm_runs.launcher.terminate(run_id), "it has ended"


def test_a_run_on_another_machine_is_stopped_by_its_status_alone(warm_runs: WarmRuns, tmp_path: Path):
    """A UI in another container can send no signal."""
    run_id = warm_runs.launch(tmp_path, held=True)
    warm_runs.began(run_id, tmp_path)
    run = warm_runs.instance.get_run_by_id(run_id)
    assert run
    warm_runs.instance.report_run_canceling(run)
    assert warm_runs.ended(run_id) is CANCELED


def test_a_run_that_does_not_stop_is_killed(warm_runs: WarmRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(launching, "TERMINATION_TIMEOUT_SECONDS", 0.5)
    run_id = warm_runs.launch(tmp_path, held=True, deaf=True)
    warm_runs.began(run_id, tmp_path)
    assert warm_runs.launcher.terminate(run_id)
    assert warm_runs.ended(run_id) is CANCELED
    until(lambda: not warm_runs.process(run_id).is_alive())


def test_a_run_whose_process_is_killed_is_failed_at_once(warm_runs: WarmRuns, tmp_path: Path):
    run_id = warm_runs.launch(tmp_path, held=True)
    pid, _ = warm_runs.began(run_id, tmp_path)
    before = warm_runs.instance.get_run_by_id(run_id)
    assert before
    assert warm_runs.launcher.check_run_worker_health(before).status is WorkerStatus.RUNNING
    os.kill(pid, signal.SIGKILL)
    assert warm_runs.ended(run_id) is FAILURE
    health = warm_runs.launcher.check_run_worker_health(before)
    assert (health.status, health.msg) == (WorkerStatus.FAILED, f"its process {pid} is gone")


def test_no_more_runs_at_once_than_the_setting_says_and_the_others_follow(warm_runs: WarmRuns, tmp_path: Path):
    runs = [warm_runs.launch(tmp_path, held=True) for _ in range(AT_MOST + 2)]
    until(lambda: len(list(tmp_path.glob("*.began"))) == AT_MOST)
    assert len(children(warm_runs)) == AT_MOST
    (tmp_path / "go").touch()
    assert [warm_runs.ended(run_id) for run_id in runs] == [SUCCESS] * len(runs)


def test_a_fork_server_that_dies_is_replaced_and_loses_no_run(warm_runs: WarmRuns, tmp_path: Path):
    """Runs under way go on, runs that waited in it for a place are begun by the next one."""
    runs = [warm_runs.launch(tmp_path, held=True) for _ in range(AT_MOST + 1)]
    until(lambda: len(list(tmp_path.glob("*.began"))) == AT_MOST)
    first = warm_runs.forkserver_pid
    os.kill(first, signal.SIGKILL)
    until(lambda: len(list(tmp_path.glob("*.began"))) == AT_MOST + 1)
    assert warm_runs.forkserver_pid != first
    (tmp_path / "go").touch()
    assert [warm_runs.ended(run_id) for run_id in runs] == [SUCCESS] * len(runs)


def test_a_run_that_a_living_process_is_at_work_on_is_not_executed_twice(warm_runs: WarmRuns, tmp_path: Path):
    """The fork server died after it had begun the run, and the run was asked for again."""
    run_id = warm_runs.created(tmp_path).run_id
    warm_runs.instance.add_run_tags(run_id, {PROCESS_TAG: Process.current(run_id).tag})
    run = warm_runs.instance.get_run_by_id(run_id)
    assert run is not None
    assert execute(warm_runs.launcher._args(run)) == 0
    assert warm_runs.status(run_id) is dg.DagsterRunStatus.NOT_STARTED
    assert [*tmp_path.glob(f"{run_id}*")] == []


def test_a_run_that_dies_while_the_database_is_away_is_failed_when_it_is_back(
    warm_runs: WarmRuns, tmp_path: Path, away: Away, caplog: pytest.LogCaptureFixture
):
    """The launcher no longer listened: each later run had its fork server killed after 30 s without an answer."""
    run_id = warm_runs.launch(tmp_path, held=True)
    pid, parent = warm_runs.began(run_id, tmp_path)
    with away():
        os.kill(pid, signal.SIGKILL)
        until(lambda: TRIED_AGAIN in caplog.text)
    assert warm_runs.ended(run_id) is FAILURE
    again = warm_runs.launch(tmp_path)
    assert warm_runs.ended(again) is SUCCESS
    assert warm_runs.began(again, tmp_path)[1] == parent, "the same one answers"
    assert "@" not in "".join(record.getMessage() for record in caplog.records if record.name == "rowline.warm_runs")


def test_a_run_that_was_not_begun_is_begun_when_the_database_is_back(
    warm_runs: WarmRuns, tmp_path: Path, away: Away, caplog: pytest.LogCaptureFixture
):
    runs = [warm_runs.launch(tmp_path, held=True) for _ in range(AT_MOST + 1)]
    until(lambda: len(list(tmp_path.glob("*.began"))) == AT_MOST)
    [waiting] = [run_id for run_id in runs if not (tmp_path / f"{run_id}.began").exists()]
    with away():
        os.kill(warm_runs.forkserver_pid, signal.SIGKILL)
        until(lambda: TRIED_AGAIN in caplog.text)
        assert warm_runs.launcher._forkserver is None or not warm_runs.launcher._forkserver.is_alive()
    (tmp_path / "go").touch()
    assert warm_runs.ended(waiting) is SUCCESS


def test_a_run_has_the_code_that_is_on_disk(warm_runs: WarmRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After a file was changed no run executes the old code; what is under way finishes with it."""
    source = Path(__file__).with_name("jobs.py").read_text()
    module = tmp_path / "edited_jobs.py"
    module.write_text(source)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])  # Dagster looks past the first
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    launcher = WarmRunLauncher("edited_jobs")
    launcher.register_instance(warm_runs.instance)
    monkeypatch.setattr(warm_runs.instance, "_run_launcher", launcher)
    edited = WarmRuns(warm_runs.instance, "edited_jobs")
    try:
        old = edited.launch(tmp_path, held=True)
        _, first = edited.began(old, tmp_path)
        module.write_text(source.replace('folder / f"{context.run_id}.began"', 'folder / f"{context.run_id}.new"'))
        new = edited.launch(tmp_path)
        assert edited.ended(new) is SUCCESS
        assert (tmp_path / f"{new}.new").exists()
        (tmp_path / "go").touch()
        assert edited.ended(old) is SUCCESS
        until(lambda: not psutil.pid_exists(first) or psutil.Process(first).status() == psutil.STATUS_ZOMBIE)
    finally:
        launcher.dispose()


def test_nothing_outlives_the_launcher_and_its_runs_say_how_they_ended(
    warm_runs: WarmRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What the daemon does when it is stopped. A run that is interrupted is failed, which Dagster tries once more."""
    launcher = WarmRunLauncher(warm_runs.module)
    launcher.register_instance(warm_runs.instance)
    monkeypatch.setattr(warm_runs.instance, "_run_launcher", launcher)
    run_id = warm_runs.launch(tmp_path, held=True)
    pid, parent = warm_runs.began(run_id, tmp_path)
    launcher.dispose()
    assert not psutil.pid_exists(pid)
    assert not psutil.pid_exists(parent)
    assert warm_runs.status(run_id) is FAILURE


def test_one_setting_gives_runs_back_to_dagsters_own_launcher(
    warm_runs: WarmRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RUN_LAUNCHER", "dagster")
    launcher = WarmRunLauncher(warm_runs.module)
    given: list[str] = []
    monkeypatch.setattr(launcher._plain, "launch_run", lambda context: given.append(context.dagster_run.run_id))
    launcher.register_instance(warm_runs.instance)
    monkeypatch.setattr(warm_runs.instance, "_run_launcher", launcher)
    launcher.warm()
    assert given == [warm_runs.launch(tmp_path)]
    assert launcher._forkserver is None
