#!/bin/sh
# The guess: SIGTERM ends `uvicorn --workers N` at once, whatever it is doing.
# What happens: on SIGHUP the supervisor replaces one worker after the other and waits until each new one has started.
#   Signals are only looked at between two such rounds: a SIGTERM that comes during a reload is heard when all N workers
#   have been replaced, also those that nobody will need.
# Who is hurt: a deployment that reloads and is then stopped, as systemd and Kubernetes do: with slow imports the reload
#   outlasts the grace period, and everything is killed in the middle of its requests. Rowline's supervisor looks at
#   signals while it waits for a worker.
# Seen with: uvicorn 0.54.0, Python 3.11.7: 4 workers whose import takes 2 s each; ends 8 to 11 s after the SIGTERM,
#   while a SIGTERM without a reload ends it in less than a second.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "uvicorn==0.54.0"
cat > "$folder/slow_start.py" <<'PYTHON'
import time

time.sleep(2)


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"up"})
PYTHON
cat > "$folder/finding.py" <<'PYTHON'
import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.request

WORKERS, IMPORT_SECONDS = 4, 2


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def seconds_to_stop(reload: bool) -> float:
    """From SIGTERM to the end of the supervisor, one second after SIGHUP if `reload`."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "slow_start:app", "--workers", str(WORKERS), "--port", str(port)]
    options = ["--lifespan", "off", "--log-level", "error"]
    supervisor = subprocess.Popen([*command, *options], cwd=os.path.dirname(__file__), start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5).read()
                break
            except OSError:
                assert time.monotonic() < deadline, "uvicorn did not start"
                time.sleep(0.1)
        time.sleep(2 * IMPORT_SECONDS)  # the other workers are up as well
        if reload:
            supervisor.send_signal(signal.SIGHUP)
            time.sleep(1)
        started = time.monotonic()
        supervisor.terminate()
        supervisor.wait(120)
        return time.monotonic() - started
    finally:
        if supervisor.poll() is None:
            os.killpg(supervisor.pid, signal.SIGKILL)


if __name__ == "__main__":
    import uvicorn

    print("uvicorn", uvicorn.__version__, "Python", platform.python_version())
    plain, during_reload = seconds_to_stop(reload=False), seconds_to_stop(reload=True)
    print(f"SIGTERM alone: ended after {plain:.1f} s; during a reload: after {during_reload:.1f} s")
    assert during_reload > plain + (WORKERS - 1) * IMPORT_SECONDS - 1, "changed: a stop is heard during a reload"
    print("holds")
PYTHON
"$folder/venv/bin/python" "$folder/finding.py"
