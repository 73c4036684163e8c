"""Imports a module and tells, as JSON, what that did to the world. Run by test_architecture in a fresh interpreter.

    python -B watched_import.py PROJECT MODULE

`written`: files made, changed or removed · `reached`: sockets and processes · `read`: files of the working folder ·
`asked`: environment variables that code of the project looked up · `modules`: all that are loaded afterwards.
"""

import importlib
import json
import os
import sys
from typing import Any

project, module = sys.argv[1:]
sys.path[0] = project
found: dict[str, list[str]] = {"written": [], "reached": [], "read": [], "asked": []}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("mkdir", "rename", "remove", "rmdir", "chmod", "link", "symlink", "truncate")
REACHES = {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system", "urllib.Request"}
LIBRARIES = f"{os.sep}.venv{os.sep}"


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and not isinstance(arguments[0], int):
        path, (mode, flags) = os.path.abspath(os.fsdecode(arguments[0])), arguments[1:]
        if set(mode or "") & set("wax+") or (flags or 0) & WRITES:
            found["written"].append(path)
        elif path.startswith(os.getcwd() + os.sep) and not path.endswith((".py", ".pyc")):
            found["read"].append(path)
    elif event == "sqlite3.connect" or event.removeprefix("os.") in CHANGES:
        found["written"].append(f"{event} {arguments[0]}")
    elif event in REACHES or event.startswith("socket."):
        found["reached"].append(f"{event} {arguments}")


look_up = os._Environ.__getitem__


def asked_for(self: Any, name: str) -> Any:
    caller: Any = sys._getframe(1)
    while caller.f_code.co_filename.startswith("<frozen ") or caller.f_code.co_filename == os.__file__:
        caller = caller.f_back
    file = caller.f_code.co_filename
    if file.startswith(project + os.sep) and LIBRARIES not in file:
        found["asked"].append(f"{os.path.relpath(file, project)}: {name}")
    return look_up(self, name)


os._Environ.__getitem__ = asked_for  # type: ignore[method-assign]
sys.addaudithook(watch)
importlib.import_module(module)
report = json.dumps(found | {"modules": sorted(name for name in sys.modules if "." not in name)})
sys.stdout.write(report)
