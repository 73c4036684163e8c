"""The sensor's work on events, over and over, in a process that a test kills; it says when nothing is left.

Without Dagster around it, which would take seconds to import: what is requested of Dagster has tests of its own.
"""

from __future__ import annotations

import sys

from domain.errors import TransientError
from operations.events.functions import Effects
from operations.services import open_services

MOST = {"document-process": 7}  # small groups, so that a kill falls between two of them


def main() -> None:
    services = open_services()
    effects = Effects(services.ledger, None, services.event_files, most=lambda _: MOST)  # type: ignore[arg-type]
    runs = services.ledger.function_runs
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        try:
            effects.work(10)
            runs.finish_from_versions()
            if not runs.list_due(MOST) and "--once" in sys.argv:
                break
            runs.wait_for_work(MOST, 1, poll_interval=0.1)
        except TransientError:
            if "--once" in sys.argv:
                raise


if __name__ == "__main__":
    main()
