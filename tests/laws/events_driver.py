"""The sensor's work on events, over and over, in a process that a test kills; it says when nothing is left.

Without Dagster around it, which would take seconds to import: what is requested of Dagster has tests of its own.
"""

from __future__ import annotations

import sys

from domain.errors import TransientError
from operations.functions.handlers import FunctionResources
from operations.functions.runner import FunctionRunner
from operations.services import open_services

LIMITS = {"document-process": 7}  # small groups, so that a kill falls between two of them


def main() -> None:
    services = open_services()
    resources = FunctionResources(services.ledger, None, services.event_files)  # type: ignore[arg-type]
    runner = FunctionRunner(resources, limits=lambda _: LIMITS)
    runs = services.ledger.function_runs
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        try:
            runner.work(10)
            runs.finish_from_versions()
            if not runs.list_due(LIMITS) and "--once" in sys.argv:
                break
            runs.wait_for_work(LIMITS, 1, poll_interval=0.1)
        except TransientError:
            if "--once" in sys.argv:
                raise


if __name__ == "__main__":
    main()
