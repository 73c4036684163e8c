"""Watching a version until it ends, with a progress bar."""

import time
from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from domain.errors import TransientError
from gateway.cli.output import console
from operations.services import Services
from resources.ledger.documents.documents import Version

POLL_INTERVAL_SECONDS = 0.2  # seconds
HINT_AFTER_POLLS = 100
MAX_POLLS = 1500  # five minutes
ENDED = ("completed", "failed", "rolled_back")


def watch(
    services: Services,
    document_id: str,
    version_number: int,
    quiet: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Version:
    """Follow one version until it ends or waits for a service, perhaps for hours; returns it as it is then.

    Prints a hint if no run picks it up. Raises TransientError if none does for five minutes.
    """
    polls = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("batches"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=quiet) as progress:
        bar = progress.add_task("", total=None)
        while True:
            version = services.ledger.documents.get(document_id, version_number)
            batches = services.ledger.documents.batches(document_id, version_number)
            done = sum(batch["status"] == "completed" for batch in batches)
            progress.update(
                bar, description=f"{version.filename}: {version.status}", completed=done, total=len(batches) or None
            )
            if version.status in ENDED or version.waiting_reason:
                return version
            polls += 1
            if version.status == "pending" and polls == HINT_AFTER_POLLS:
                progress.console.print("Nothing has picked it up yet. Is `rowline dev` running here?", markup=False)
            if version.status == "pending" and polls >= MAX_POLLS:
                raise TransientError(
                    f"Nothing has picked up {version.filename}; start `rowline dev`, or `rowline process {document_id}`"
                )
            sleep(POLL_INTERVAL_SECONDS)
