"""The child: it streams, it ends with its reader, it knows no secrets."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import xlsxwriter

from domain.documents.tables import RowBatch
from domain.errors import TransientError
from formats.errors import FileTooLarge
from formats.limits import Limits
from formats.reading import read_workbook
from formats.sandbox import forkserver_client
from resources.database.embedded import runs

ROOT = Path(__file__).parents[2]


def servers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if forkserver_client.MODULE in " ".join(child.cmdline())]


def children() -> list[psutil.Process]:
    return [child for server in servers() for child in server.children()]


def ends(process: int) -> bool:
    """Within moments: the kernel closes what a process held before it is gone."""
    for _attempt in range(100):
        if not runs(process):
            return True
        time.sleep(0.05)
    return False


def small_csv(path: Path) -> Path:
    path.write_text("name,city\nKim,Seoul\n")
    return path


def read(path: Path) -> int:
    return sum(len(batch.rows) for batch in read_workbook(path, path.name) if isinstance(batch, RowBatch))


def long_csv(path: Path, rows: int = 400_000) -> Path:
    path.write_text("name,city,note\n" + "Kim,Seoul,nothing to say about this one\n" * rows)
    return path


def test_closing_the_generator_ends_and_reaps_the_child(tmp_path: Path) -> None:
    batches = read_workbook(long_csv(tmp_path / "a.csv"), "a.csv")
    assert isinstance(next(batches), RowBatch)
    (child,) = children()
    batches.close()  # type: ignore[attr-defined]
    assert not psutil.pid_exists(child.pid)


def test_the_child_waits_for_a_slow_reader_and_its_pauses_do_not_count(tmp_path: Path) -> None:
    batches = read_workbook(long_csv(tmp_path / "a.csv", 60_000), "a.csv", limits=Limits(wall_seconds=1.0))
    next(batches)
    (child,) = children()
    start = child.cpu_times().user
    time.sleep(1.2)
    assert child.cpu_times().user - start < 0.6, "it works ahead by a pipe, not by the file"
    assert sum(len(batch.rows) for batch in batches if isinstance(batch, RowBatch)) == 59_000


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    """Also one that is stopped, as busy as one that says nothing for a minute: it would not meet the broken pipe."""
    long_csv(tmp_path / "a.csv")
    script = (
        "import os, psutil; from pathlib import Path\n"
        "from formats.reading import read_workbook\n"
        f"batches = read_workbook(Path({str(tmp_path / 'a.csv')!r}), 'a.csv'); next(batches)\n"
        "child = psutil.Process().children()[0].children()[0]; child.suspend(); "
        "print(child.pid, flush=True); os._exit(0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert ends(int(done.stdout)), "the child outlives its parent"


def test_the_child_gets_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    batches = read_workbook(long_csv(tmp_path / "a.csv"), "a.csv")
    next(batches)
    (child,) = children()
    assert set(child.environ()) == {"PYTHONPATH", "LC_ALL", "PYTHONDONTWRITEBYTECODE"}
    batches.close()  # type: ignore[attr-defined]


def test_the_child_may_use_what_reading_takes_and_no_more(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=2**29, cpu_seconds=100)
    batches = read_workbook(long_csv(tmp_path / "a.csv"), "a.csv", limits=limits)
    next(batches)
    (child,) = children()
    told = {name: child.rlimit(getattr(psutil, f"RLIMIT_{name}")) for name in ("AS", "CPU", "FSIZE", "CORE", "NOFILE")}
    assert told == {"AS": (2**29, 2**29), "CPU": (100, 101), "FSIZE": (0, 0), "CORE": (0, 0), "NOFILE": (64, 64)}
    batches.close()  # type: ignore[attr-defined]


def test_memory_of_the_parent_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = long_csv(tmp_path / "a.csv")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(len(batch.rows) for batch in read_workbook(path, "a.csv") if isinstance(batch, RowBatch))
    assert count == 400_000
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 12


def test_batches_hold_as_many_rows_as_asked_for(tmp_path: Path) -> None:
    path = long_csv(tmp_path / "a.csv", 250)
    batches = [batch for batch in read_workbook(path, "a.csv", batch_rows=100) if isinstance(batch, RowBatch)]
    assert [len(batch.rows) for batch in batches] == [100, 100, 50]


def test_one_server_serves_file_after_file_and_each_has_a_child_of_its_own(tmp_path: Path) -> None:
    read(small_csv(tmp_path / "a.csv"))
    before = servers()
    seen = set()
    for number in range(3):
        batches = read_workbook(long_csv(tmp_path / f"{number}.csv", 20_000), "a.csv")
        next(batches)
        seen |= {child.pid for child in children()}
        assert sum(len(batch.rows) for batch in batches if isinstance(batch, RowBatch)) == 19_000
    assert (servers(), len(seen)) == (before, 3)


def test_files_that_are_read_at_once_have_servers_of_their_own(tmp_path: Path) -> None:
    both = [read_workbook(long_csv(tmp_path / f"{number}.csv", 20_000), "a.csv") for number in range(2)]
    for batches in both:
        next(batches)
    assert len({server.pid for server in servers() if server.children()}) == 2
    for batches in both:
        assert sum(len(batch.rows) for batch in batches if isinstance(batch, RowBatch)) == 19_000


def test_a_server_that_died_while_idle_is_replaced(tmp_path: Path) -> None:
    path = small_csv(tmp_path / "a.csv")
    assert read(path) == 1
    idle = servers()
    for process in idle:
        process.kill()
        process.wait()
    assert read(path) == 1
    assert servers()
    assert not set(servers()) & set(idle)


def test_a_server_that_dies_at_work_is_no_verdict_on_the_file(tmp_path: Path) -> None:
    """Its child dies with it."""
    batches = read_workbook(long_csv(tmp_path / "a.csv"), "a.csv")
    next(batches)
    (child,) = children()
    child.parent().kill()  # type: ignore[union-attr]
    with pytest.raises(TransientError, match="try again"):
        list(batches)
    assert ends(child.pid)
    assert read(small_csv(tmp_path / "b.csv")) == 1


def test_a_server_that_hears_nothing_any_more_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped, or frozen: the file is given up as any that takes too long, and the next has a new server."""
    monkeypatch.setattr(forkserver_client, "RESPONSE_TIMEOUT_SECONDS", 0.1)
    batches = read_workbook(long_csv(tmp_path / "a.csv"), "a.csv", limits=Limits(wall_seconds=0.3))
    next(batches)
    (child,) = children()
    stopped = child.parent()
    assert stopped is not None
    for process in (stopped, child):
        process.suspend()
    with pytest.raises(FileTooLarge, match="takes too long"):
        list(batches)
    assert ends(child.pid)
    assert stopped not in servers()
    assert read(small_csv(tmp_path / "b.csv")) == 1


def test_a_fork_in_the_middle_of_a_file_leaves_it_to_its_parent(tmp_path: Path) -> None:
    """What it inherited of the reading ends without a word to the parent's server."""
    batches = read_workbook(long_csv(tmp_path / "a.csv", 60_000), "a.csv")
    rows = len(next(batches).rows)  # type: ignore[union-attr]
    fork = os.fork()
    if fork == 0:
        batches.close()  # type: ignore[attr-defined]
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert rows + sum(len(batch.rows) for batch in batches if isinstance(batch, RowBatch)) == 60_000


def test_a_fork_of_ours_has_a_server_of_its_own(tmp_path: Path) -> None:
    path = small_csv(tmp_path / "a.csv")
    assert read(path) == 1
    ours = servers()
    fork = os.fork()
    if fork == 0:
        os._exit(0 if read(path) == 1 and not set(servers()) & set(ours) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert read(path) == 1
    assert servers() == ours


@pytest.mark.slow
def test_ten_thousand_rows_take_seconds_at_the_most(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    page = book.add_worksheet()
    for row in range(10_001):
        page.write_row(row, 0, [f"이름 {row} {column}" for column in range(12)])
    book.close()
    start = time.perf_counter()
    assert sum(len(batch.rows) for batch in read_workbook(path, "a.xlsx") if isinstance(batch, RowBatch)) == 10_000
    assert time.perf_counter() - start < 2.0  # 0.25 s measured on 2 idle cores; others may be working
