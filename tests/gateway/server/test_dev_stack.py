"""`rowline dev`: all parts up, kept up, and down together with nothing left behind."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from domain.errors import PermanentError, TransientError
from gateway.server.dev_stack import (
    MAX_RESTARTS,
    RESTART_WINDOW_SECONDS,
    Development,
    Program,
    free_listener,
    log_tail,
    revive,
    rotate_log,
    stop,
)
from gateway.server.supervisor import bound
from resources.database.embedded import runs
from settings.settings import PROJECT_ROOT, Settings

PATIENCE = 150.0
PR_SET_CHILD_SUBREAPER = 36


class Part:
    """A part that is dead until it is started."""

    def __init__(self, log: Path) -> None:
        self.name, self.log, self.starts = "The part", log, 0

    def lives(self) -> bool:
        return False

    def start(self) -> None:
        self.starts += 1


def test_a_part_that_died_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    part, said = Part(tmp_path / "part.log"), list[str]()
    revive(part, deque(maxlen=MAX_RESTARTS), 0.0, said.append)
    assert part.starts == 1
    assert said == [f"The part ended by itself and is started again; its log is {tmp_path / 'part.log'}"]


def test_a_part_that_keeps_dying_ends_it_all_with_its_last_words(tmp_path: Path) -> None:
    part = Part(tmp_path / "part.log")
    part.log.write_text("one\nModuleNotFoundError: no module\n", "utf-8")
    deaths = deque[float](maxlen=MAX_RESTARTS)
    for second in range(MAX_RESTARTS - 1):
        revive(part, deaths, float(second), lambda _: None)
    with pytest.raises(PermanentError, match=r"ended 5 times within 60 s[\s\S]*ModuleNotFoundError: no module"):
        revive(part, deaths, MAX_RESTARTS, lambda _: None)
    assert part.starts == MAX_RESTARTS - 1


def test_a_part_that_does_not_start_at_once_is_tried_again_and_that_counts(tmp_path: Path) -> None:
    """What a killed database left may be in the way for a moment."""

    class Stuck(Part):
        def start(self) -> None:
            super().start()
            raise PermanentError("it did not start")

    part, deaths = Stuck(tmp_path / "part.log"), deque[float](maxlen=MAX_RESTARTS)
    for second in range(MAX_RESTARTS - 1):
        revive(part, deaths, float(second), lambda _: None)
    assert part.starts == MAX_RESTARTS - 1
    with pytest.raises(PermanentError, match="ended 5 times"):
        revive(part, deaths, MAX_RESTARTS, lambda _: None)


def test_deaths_far_apart_are_no_reason_to_give_up(tmp_path: Path) -> None:
    part, deaths = Part(tmp_path / "part.log"), deque[float](maxlen=MAX_RESTARTS)
    for death in range(20):
        revive(part, deaths, death * RESTART_WINDOW_SECONDS, lambda _: None)
    assert part.starts == 20


def test_the_log_of_the_time_before_is_kept(tmp_path: Path) -> None:
    """Who starts again after a crash still finds why."""
    log = tmp_path / "gateway.log"
    for said in ("first", "second", "third"):
        rotate_log(log)
        log.write_text(said, "utf-8")
    rotate_log(log)
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.log.1"]
    assert (tmp_path / "gateway.log.1").read_text("utf-8") == "third"


def test_a_log_that_is_not_there_is_no_second_trouble(tmp_path: Path) -> None:
    assert log_tail(tmp_path / "none.log") == "(there is none)"


def test_the_gateway_takes_the_next_free_port(settings: Settings) -> None:
    """Two homes run side by side."""
    with bound("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with free_listener(settings.model_copy(update={"gateway_port": port})) as listener:
            assert listener.getsockname()[1] > port


def test_no_free_port_is_told_with_the_setting(settings: Settings) -> None:
    last = settings.model_copy(update={"gateway_port": 65_535})
    with (
        bound("127.0.0.1", 65_535),
        pytest.raises(TransientError, match="set GATEWAY_PORT"),
        free_listener(last),
    ):
        pass


def test_a_program_that_does_not_come_up_is_told_with_its_log(tmp_path: Path) -> None:
    program = Program(
        "The program", [sys.executable, "-c", "print('no such thing')"], tmp_path / "log", "http://127.0.0.1:1", "/"
    )
    program.start()
    assert program.process is not None
    program.process.wait(PATIENCE)
    with pytest.raises(TransientError, match=r"The program did not come up[\s\S]*no such thing"):
        Development(program, program, [program]).wait_until_ready(sleep=lambda _: None)


STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""


def test_what_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    """Asked, told, killed: time passes only on the clock that the test holds."""
    program = Program("Stubborn", [sys.executable, "-c", STUBBORN], tmp_path / "log", "", "")
    program.start()
    wait_for(lambda: program.log.read_text("utf-8").endswith("\n"), "its child's number")
    child = psutil.Process(int(program.log.read_text("utf-8")))
    now, woken = [0.0], list[float]()

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    stop([program], lambda: woken.append(now[0]), clock, lambda _: None)
    assert program.process is not None
    program.process.wait(PATIENCE)
    assert psutil.wait_procs([child], timeout=PATIENCE)[1] == []
    assert len(woken) > 20, "sensors that wait are woken as long as anything lives"


def test_an_impatient_person_is_obeyed(tmp_path: Path) -> None:
    """Each further Ctrl-C is the next, harsher word; nothing is left."""
    program = Program("Stubborn", [sys.executable, "-c", STUBBORN], tmp_path / "log", "", "")
    program.start()
    wait_for(lambda: program.log.read_text("utf-8").endswith("\n"), "its child's number")
    child = psutil.Process(int(program.log.read_text("utf-8")))
    pressed: list[float] = []

    def sleep(_: float) -> None:
        if len(pressed) < 2:
            pressed.append(0.0)
            raise KeyboardInterrupt

    stop([program], lambda: None, lambda: 0.0, sleep)
    assert program.process is not None
    program.process.wait(PATIENCE)
    assert psutil.wait_procs([child], timeout=PATIENCE)[1] == []
    assert len(pressed) == 2


# -- the real command -----------------------------------------------------------------------------------------------


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: the database's socket lies in it."""
    with TemporaryDirectory(prefix="rw", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("The gateway", "gateway.cli.main"),
        *(
            pytest.param("Dagster", mark, marks=pytest.mark.long)
            for mark in ("dagster_webserver", "dagster._daemon", "dev")
        ),
    ],
)
def test_killed_parts_come_back_and_nothing_is_left(home: Path, clean_environment: Path, name: str, mark: str) -> None:
    """kill -9 of a part, then of the database; then Ctrl-C. Orphans stay zombies, as below PID 1 of many containers."""
    said = home / "said"
    with said.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli.main", "dev"],
            env={**os.environ, "ROWLINE_HOME": str(home), "PYTHONPATH": str(PROJECT_ROOT), "GATEWAY_PORT": "18300"},
            cwd=clean_environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=keep_zombies,  # noqa: PLW1509 - no thread of ours holds a lock that it wants
        )
    try:
        wait_for(lambda: "is up" in said.read_text("utf-8"), "`rowline dev`", said)
        gateway, dagster = (find(rf"{name} +(http\S+)", said) for name in ("Pages", "Dagster UI"))
        victim = child_of(running.pid, mark)
        victim.kill()
        wait_for(lambda: other_than(running.pid, mark, victim), mark, said)
        wait_for(lambda: answers(f"{gateway}/health") and answers(f"{dagster}/server_info"), "an answer", said)
        kill_database(home)
        wait_for(lambda: answers(f"{gateway}/health/ready?part=database"), "the gateway's database", said)
        told = said.read_text("utf-8")
        assert [told.count(f"{part} ended by itself") for part in (name, "The embedded database")] == [1, 1]
        everyone = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE) == 0
        wait_for(lambda: not any(runs(process.pid) for process in everyone), "the end of all", said)
        wait_for(lambda: not (home / "postgres" / "postmaster.pid").exists(), "the end of the database", said)
    finally:
        with suppress(psutil.NoSuchProcess):
            for process in [*psutil.Process(running.pid).children(recursive=True), psutil.Process(running.pid)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        running.wait()


def wait_for(true: Callable[[], Any], what: str, log: Path | None = None) -> None:
    """Looks five times a second: the processes that are waited for need the processor."""
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while not true():
        assert time.monotonic() < deadline, f"{what}: {log.read_text('utf-8') if log else ''}"
        pause.wait(0.2)


def keep_zombies() -> None:
    """Called in a child: orphans beneath it become its own children, and it asks none of them how it ended."""
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def answers(url: str) -> bool:
    with suppress(OSError):
        return bool(urllib.request.urlopen(url, timeout=5).status == 200)
    return False


def kill_database(home: Path) -> None:
    psutil.Process(int((home / "postgres" / "postmaster.pid").read_text("utf-8").splitlines()[0])).kill()


def find(pattern: str, said: Path) -> str:
    found = re.search(pattern, said.read_text("utf-8"))
    assert found is not None
    return found[1]


def child_of(parent: int, mark: str) -> psutil.Process:
    for child in psutil.Process(parent).children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if mark in child.cmdline():
                return child
    raise LookupError(mark)


def other_than(parent: int, mark: str, victim: psutil.Process) -> bool:
    with suppress(LookupError):
        return child_of(parent, mark).pid != victim.pid
    return False
