"""Peak memory while a file is indexed: the run's process above what it weighs idle, and the reader's child apart.

Idle means after a first small document: interpreter, libraries, pools and all. The peak is the kernel's own
high-water mark (VmHWM), reset just before. Linux only.
"""

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import generator
from benchmarks.comparison import WARM_UP_ROWS, Say, started_server
from benchmarks.surroundings import Latency, endpoint, environment, home, measured

SAMPLE_SECONDS = 0.01
QUICK = Latency(fixed=1, per_input=0)
FORMATS = {"xlsx": generator.write_xlsx, "csv": generator.write_csv}


def megabytes(field: str, process: int | str = "self") -> float:
    """A figure of /proc/…/status, such as VmHWM (the peak so far) or VmRSS (now)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0  # a process that is just ending has none


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


class Children(threading.Thread):
    """Polls the processes below this one until `stop`; remembers the largest peak of one."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            for child in self._now():
                with suppress(OSError):  # it may be gone meanwhile
                    self.peak = max(self.peak, megabytes("VmHWM", child))

    def stop(self) -> float:
        self._over.set()
        self.join()
        return self.peak

    @staticmethod
    def _now() -> list[int]:
        import psutil

        found = [child.pid for child in psutil.Process().children(recursive=True)]
        # until it executes its own program, a child shares its parent's memory
        return [child for child in found if _program(child) != _program(os.getpid())]


def _program(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_text()
    return ""


def peaks(rows: int, file_format: str, folder: Path, settings: dict[str, str]) -> dict[str, Any]:
    """Index a file of so many rows in a process of its own."""
    path = folder / f"{rows}.{file_format}"
    FORMATS[file_format](path, generator.make_lists(rows).v1)
    warm_up = folder / "warm_up.xlsx"
    generator.write_xlsx(warm_up, generator.make_lists(WARM_UP_ROWS, seed=1).v1)
    job = {"file": str(path), "warm_up": str(warm_up), "organization": f"{file_format}-{rows}"}
    results = measured("benchmarks.memory", job, folder, settings)
    file_size = path.stat().st_size / 2**20
    path.unlink()
    return {"rows": rows, "format": file_format, "file": file_size, **results}


def measure(sizes: list[int], say: Say) -> list[dict[str, Any]]:
    """Every size in every format; the endpoint is quick, because memory is asked and not time."""
    results = []
    with home() as folder, started_server(folder), endpoint(QUICK) as address:
        # the first process in a home makes the tables, which takes libraries that no other one loads
        peaks(WARM_UP_ROWS, "csv", folder, environment(folder, address))
        for rows in sizes:
            for file_format in FORMATS:
                say(f"memory: {rows:,} rows of {file_format}")
                results.append(peaks(rows, file_format, folder, environment(folder, address)))
    return results


def main() -> None:
    """Reads {file, warm_up, organization} as an argument, writes megabytes and seconds."""
    from benchmarks.rowline import worker

    job = json.loads(sys.argv[1])
    with worker() as warm:
        warm.index(Path(job["warm_up"]), "warm-up")
        idle = megabytes("VmRSS")
        forget_peak()
        children = Children()
        children.start()
        indexed = warm.index(Path(job["file"]), job["organization"])
        results = {"idle": idle, "peak": megabytes("VmHWM"), "child": children.stop(), "seconds": indexed["seconds"]}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
