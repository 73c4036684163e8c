"""Jobs whose runs can be watched from outside: they write files into the folder of their config, and wait for files."""

import os
import time
from pathlib import Path

import dagster as dg

WAIT_SECONDS = 60.0


class Options(dg.Config):
    """`folder` to write into; `held`: wait until the file `go` is there; `deaf`: no signal ends it."""

    folder: str
    held: bool = False
    deaf: bool = False


@dg.op
def written(context: dg.OpExecutionContext, config: Options) -> None:
    folder = Path(config.folder)
    (folder / f"{context.run_id}.began").write_text(f"{os.getpid()} {os.getppid()}")
    deadline = time.monotonic() + WAIT_SECONDS
    while config.held and not (folder / "go").exists() and time.monotonic() < deadline:
        try:
            time.sleep(0.02)
        except BaseException:
            if not config.deaf:
                raise


@dg.job(executor_def=dg.in_process_executor)
def watched() -> None:
    written()


defs = dg.Definitions(jobs=[watched])
