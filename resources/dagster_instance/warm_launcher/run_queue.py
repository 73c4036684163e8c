"""The run queue that `dagster.yaml` names: Dagster's own, with its limit from the settings and no polling delay."""

from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster._serdes.config_class import ConfigurableClassData

from resources.dagster_instance.warm_launcher import daemon_patches
from settings.settings import load_settings


class RowlineRunCoordinator(dg.QueuedRunCoordinator[dg.DagsterInstance]):
    """As many runs at once as MAX_CONCURRENT_RUNS says."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        daemon_patches.patch_daemon()
        return cls(
            max_concurrent_runs=load_settings().max_concurrent_runs, dequeue_interval_seconds=1, inst_data=inst_data
        )

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        run = super().submit_run(context)
        daemon_patches.notify_queue()
        return run
