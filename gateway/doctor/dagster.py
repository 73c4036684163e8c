"""Checks of Dagster: does the graph load, does the daemon live, is everything switched on."""

import subprocess
import sys
from datetime import timedelta

from gateway.doctor.context import Context
from gateway.doctor.results import Verdict, failed, fine, warned
from settings.settings import PROJECT_ROOT

LOAD_TIMEOUT_SECONDS = 40.0  # Dagster's own import alone takes ten on a cold and busy computer
HEARTBEAT_TIMEOUT = timedelta(seconds=120)  # a daemon is heard every 30 s
LOAD = "import dagster; from pipelines.definitions import defs; dagster.Definitions.validate_loadable(defs)"


def code_location(_: Context) -> Verdict:
    """The definitions are imported and validated where a crash or a hang harms nobody."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", LOAD],
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LOAD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return failed(f"pipelines.definitions did not load within {LOAD_TIMEOUT_SECONDS:g} s", "Run `dg check defs`")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return failed(f"pipelines.definitions does not load: {last}", "Run `dg check defs` to see where")
    return fine("pipelines.definitions loads and is valid")


def daemon(context: Context) -> Verdict:
    from pipelines.instance_status import instance, last_heartbeats

    with instance() as dagster:
        heard = last_heartbeats(dagster)
    silent = sorted(name for name, at in heard.items() if at is None or context.clock() - at > HEARTBEAT_TIMEOUT)
    if not silent:
        return fine(f"alive: {', '.join(sorted(heard)).lower()}")
    remedy = "Start it: `rowline dev`, or `dagster-daemon run` beside the web server"
    if len(silent) == len(heard):
        return context.error_in_production("not running: uploads wait until it is", remedy)
    return context.error_in_production(
        f"not heard for {HEARTBEAT_TIMEOUT.seconds} s: {', '.join(silent).lower()}", remedy
    )


def switches(_: Context) -> Verdict:
    from pipelines.instance_status import instance, stopped_by_hand, switched_on_by_default

    wanted = switched_on_by_default()
    with instance() as dagster:
        stopped = sorted(wanted & stopped_by_hand(dagster))
    if stopped:
        return warned(
            f"{', '.join(stopped)} {'was' if len(stopped) == 1 else 'were'} stopped by a person",
            "Switch on in the Dagster UI, under Automation, or leave as is where that was meant",
        )
    return fine(f"on: {', '.join(sorted(wanted))}")
