"""Watching a version until it ends, with a progress bar."""

import time
from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from domain.errors import TransientError
from gateway.cli.output import console
from operations.services import Services
from resources.ledger.documents.documents import Version

POLL_INTERVAL_SECONDS = 0.2  # seconds
HINT_AFTER_POLLS = 100  # looks
MAX_POLLS = 1500  # looks: five minutes
ENDED = ("completed", "failed", "rolled_back")


def watch(
    services: Services,
    document_id: str,
    number: int,
    quiet: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Version:
    """Follow one version until it has ended or waits for a service for hours, and return it as it then stands.

    Says so where nobody picks it up.
    """
    looks = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("batches"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=quiet) as progress:
        bar = progress.add_task("", total=None)
        while True:
            version = services.ledger.documents.get(document_id, number)
            batches = services.ledger.documents.batches(document_id, number)
            done = sum(batch["status"] == "completed" for batch in batches)
            progress.update(
                bar, description=f"{version.filename}: {version.status}", completed=done, total=len(batches) or None
            )
            if version.status in ENDED or version.waits_for:
                return version
            looks += 1
            if version.status == "pending" and looks == HINT_AFTER_POLLS:
                progress.console.print("Nothing has picked it up yet. Is `rowline dev` running here?", markup=False)
            if version.status == "pending" and looks >= MAX_POLLS:
                raise TransientError(
                    f"Nothing has picked up {version.filename}; start `rowline dev`, or `rowline process {document_id}`"
                )
            sleep(POLL_INTERVAL_SECONDS)
