"""The child process: one file, one reader, no secrets, hard limits. Forked by forkserver.py, speaks frames.py."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from domain.documents.tables import Layout, ReadWarning, RowBatch, SheetHeader
from domain.errors import UnreadableFile
from formats.detection import kind_of
from formats.errors import FileTooLarge
from formats.limits import Limits
from formats.sandbox.preflight import check_package, check_size
from formats.sandbox.wire import pack_fact, pack_rows, write_all
from formats.spreadsheets.reader_chain import ladder, open_sheets
from formats.spreadsheets.sheet_selection import read_sheets

PR_SET_PDEATHSIG = 1
SIGKILL = 9
OPEN_FILES = 64
TOO_MUCH_TEXT = "the file holds more text than one file may; split it into smaller files and send those"

Send = Callable[[bytes], None]


def confine(limits: Limits, parent: int) -> None:
    """Give up what parsing does not need: memory, CPU time, writing files, outliving the parent."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)


def work(job: dict[str, Any], limits: Limits, send: Send) -> None:
    """Read the file and send its frames. Raises whatever preflight, reader or selection raise."""
    path = Path(job["path"])
    reader = job["reader"]
    if reader is None:
        check_size(path, limits)
        kind = kind_of(path)
        check_package(path, kind, limits)
        readers = ladder(kind, path)
        send(pack_fact("readers", kind.value, readers))
        reader = readers[0]
    layout = Layout(job["sheet"], job["header_row"])
    _send_all(read_sheets(open_sheets(reader, path, limits), layout, limits, job["batch_rows"]), limits, send)
    send(pack_fact("end"))


def _send_all(items: Iterator[RowBatch | ReadWarning], limits: Limits, send: Send) -> None:
    header: SheetHeader | None = None
    sent = 0
    for item in items:
        if isinstance(item, ReadWarning):
            send(pack_fact("warning", item.sheet, item.row_number, item.message))
            continue
        if item.header is not header:
            header = item.header
            send(pack_fact("header", header.sheet, header.columns, header.header_rows))
        frame = pack_rows(item.rows)
        sent += len(frame)
        if sent > limits.text_bytes:
            raise FileTooLarge(TOO_MUCH_TEXT)
        send(frame)


def read(job: dict[str, Any], parent: int) -> NoReturn:
    """All that this process does. Its last frame is `end`, `unreadable` (a verdict on the file, with its code) or
    `failed` (of this reader only)."""
    limits = Limits(**job["limits"])
    confine(limits, parent)
    try:
        work(job, limits, lambda frame: write_all(1, frame))
    except UnreadableFile as error:
        write_all(1, pack_fact("unreadable", error.code.value, str(error)))
    except MemoryError:
        write_all(1, pack_fact("failed", "memory", "MemoryError"))
    except BrokenPipeError:
        os._exit(0)  # nobody listens any more
    # Third-party parsers raise anything on damaged files, and calamine's PanicException is a BaseException:
    # the parent needs a frame instead of a traceback, and decides about the next reader.
    except BaseException as error:  # noqa: BLE001
        write_all(1, pack_fact("failed", "reader", f"{type(error).__name__}: {error}"[:500]))
    os._exit(0)  # tearing down a million cells takes longer than the kernel does
