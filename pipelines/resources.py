"""Resources as Dagster is given them: opened when a step first asks, shared by the steps of a process."""

from functools import cache
from typing import Any

import dagster as dg

from operations.services import Services, open_services
from resources.dagster_instance.run_processes import PROCESS_TAG, Process

NAMES = (
    "settings",
    "ledger",
    "objects",
    "vectors",
    "embedder",
    "inbox",
    "bucket_inbox",
    "uploads",
    "event_files",
    "channels",
    "places",
)


@cache
def services() -> Services:
    """The process's one set of services; its pools are shared by all steps and sensors."""
    return open_services()


def _opened(name: str) -> dg.ResourceDefinition:
    def opened(context: dg.InitResourceContext) -> Any:
        if (
            name in ("ledger", "places") and context.run and context.instance
        ):  # every run asks for it; a sensor has no run
            context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: Process.this(context.run.run_id).tag})
        return getattr(services(), name)

    return dg.ResourceDefinition(opened, description=f"The {name} that the settings choose.")


RESOURCES = {name: _opened(name) for name in NAMES}
