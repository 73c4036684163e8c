"""A real PgBouncer with transaction pooling in front of a server, on 127.0.0.1; installed where it is missing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

CONFIGURATION = """
[databases]
* = host={host} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = {clients}
query_wait_timeout = {wait_seconds}
server_login_retry = 1
server_check_delay = 0
log_connections = 0
log_disconnections = 0
"""


def program() -> str:
    """Where PgBouncer is. Installs Debian's package where it is missing; raises RuntimeError where that fails too."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if found := shutil.which("pgbouncer", path=places):
        return found
    install = ["apt-get", "install", "-y", "--no-install-recommends", "pgbouncer"]
    with suppress(OSError):
        subprocess.run(["apt-get", "update"], capture_output=True, check=False)
        subprocess.run(
            install, capture_output=True, check=False, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        )
    if found := shutil.which("pgbouncer", path=places):
        return found
    raise RuntimeError("These tests need PgBouncer, and it could not be installed; on Debian: apt install pgbouncer")


@contextmanager
def bouncer(server_url: str, pool_size: int, clients: int = 200, wait_seconds: int = 120) -> Iterator[int]:
    """The port of a running PgBouncer whose transactions share `pool_size` connections of each database.

    A client waits `wait_seconds` for one of them; more than `clients` are not let in.
    """
    server = psycopg.conninfo.conninfo_to_dict(server_url)
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="rwb"))
    folder.chmod(0o755)  # read by the user that it becomes, as it will not run as root
    listen_port = free_port()
    file = folder / "pgbouncer.ini"
    file.write_text(
        CONFIGURATION.format(
            host=server["host"],
            port=server.get("port") or 5432,
            listen_port=listen_port,
            pool_size=pool_size,
            clients=clients,
            wait_seconds=wait_seconds,
        )
    )
    account = ["-u", Path(str(server["host"])).owner()] if os.geteuid() == 0 else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program(), *account, str(file)], stdout=log, stderr=log)
    try:
        wait_until_it_listens(listen_port, process, folder / "log")
        yield listen_port
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    raise RuntimeError(f"PgBouncer did not start: {log.read_text()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
