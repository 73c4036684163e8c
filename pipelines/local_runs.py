"""The document graph in this process: what `rowline process`, the demo and CI run."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from domain.documents.statuses import unexplained_end
from domain.errors import RowlineError
from operations.services import Services
from pipelines.resources import NAMES
from resources.dagster_instance.loggers import STEP_LOGGER
from resources.dagster_instance.run_processes import PROCESS_TAG, Process
from settings.settings import PROJECT_ROOT, Settings

QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}  # the outcome is printed once
UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def dagster_home(settings: Settings) -> str:
    """The instance's folder: `dagster.yaml` of the project, copied to where this deployment's data is."""
    home = settings.rowline_home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT_ROOT / "dagster.yaml", home / "dagster.yaml")
    return str(home)


@contextmanager
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """This deployment's Dagster instance, as its daemon and UI see it."""
    os.environ["DAGSTER_HOME"] = dagster_home(settings)
    with dg.DagsterInstance.get() as opened:
        yield opened


def end_abandoned_runs(settings: Settings) -> int:
    """End the runs whose process is gone, so that they take no place in the queue; returns how many.

    To be called while no daemon runs over this home: then only `rowline process`, or another machine, can be at
    work, and their runs name their process. `failed_runs` then fails their documents.
    """
    count = 0
    with instance(settings) as dagster:
        for run in dagster.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
            process = Process.from_tags(run.tags, run.run_id, run.parent_run_id is not None)
            if process is None or process.is_alive() is False:
                dagster.report_run_failed(run, "The process that ran it is gone")
                count += 1
    return count


def run_operation(job: str, op: str, config: dict[str, Any], services: Services) -> Any:
    """Run one of the maintenance jobs in this process; returns what its op returned.

    Raises the error that failed the op, as it was before it became a `dg.Failure`.
    """
    from pipelines.definitions import defs

    with instance(services.settings) as dagster:
        try:
            run = defs.resolve_job_def(job).execute_in_process(
                instance=dagster,
                tags={PROCESS_TAG: Process.current().tag},
                resources={name: getattr(services, name) for name in NAMES},
                run_config={"ops": {op: {"config": config}}, **QUIET},
            )
        except dg.Failure as failure:
            if isinstance(failure.__cause__, RowlineError):
                raise failure.__cause__ from None
            raise
    return run.output_for_node(op)


def run_document_graph(document_id: str, services: Services) -> dg.ExecuteInProcessResult:
    """Run all steps and checks of one document. The outcome is in the ledger; the result is Dagster's own."""
    from pipelines.definitions import defs

    # of a document that waits for an embedding job, it warns of each check whose asset was not materialized
    logging.getLogger(STEP_LOGGER).setLevel(logging.ERROR)
    version = services.ledger.documents.latest(document_id)
    # a daemon over the same ledger need not run it too
    services.ledger.documents.mark_requested([(document_id, version.version, version.attempt)])
    with instance(services.settings) as dagster:
        dagster.add_dynamic_partitions("documents", [document_id])
        result = defs.resolve_job_def("document_graph").execute_in_process(
            partition_key=document_id,
            instance=dagster,
            raise_on_error=False,
            tags={"document": document_id, PROCESS_TAG: Process.current().tag},
            resources={name: getattr(services, name) for name in NAMES},
            run_config=QUIET,
        )
    if not result.success:
        steps = [event.step_key or "" for event in result.all_events if event.is_step_failure]
        services.ledger.documents.fail(
            document_id, None, unexplained_end("failed", steps, result.run_id), result.run_id
        )
    return result
