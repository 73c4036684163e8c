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

from pipelines.documents.reading.model import Limits
from pipelines.documents.reading.sandbox import _environment
from pipelines.documents.reading.workbook import RowBatch, read_workbook

ROOT = Path(__file__).parents[3]


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "reading.child" in " ".join(child.cmdline())]


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
    long_csv(tmp_path / "a.csv")
    script = (
        "import os, sys, psutil; from pathlib import Path\n"
        "from pipelines.documents.reading.workbook import read_workbook\n"
        f"batches = read_workbook(Path({str(tmp_path / 'a.csv')!r}), 'a.csv'); next(batches)\n"
        "print(psutil.Process().children()[0].pid, flush=True); os._exit(0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    for _attempt in range(50):
        if not psutil.pid_exists(int(done.stdout)) or psutil.Process(int(done.stdout)).status() == "zombie":
            return
        time.sleep(0.05)
    pytest.fail("the child outlives its parent")


def test_the_child_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    assert set(_environment()) == {"PYTHONPATH", "LC_ALL", "PYTHONDONTWRITEBYTECODE"}


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
