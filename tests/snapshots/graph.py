"""The Dagster graph as about sixty lines of text: what a reviewer wants to see change, and nothing else."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any

import dagster as dg

SNAPSHOT = Path(__file__).with_name("graph.txt")
HEAD = "The Dagster graph. Renew with: python -m tests.snapshots"


def graph_text(defs: dg.Definitions) -> str:
    """Assets in the order of the graph with everything they carry, then checks, sensors, schedules and jobs."""
    lines = [HEAD, "", "ASSETS"]
    graph = defs.resolve_asset_graph()
    for key in graph.toposorted_asset_keys:
        lines += _asset(graph.get(key))
    lines += ["", "CHECKS"]
    for key in graph.toposorted_asset_keys:
        lines += _checks(graph, key)
    repository = defs.get_repository_def()
    lines += ["", "SENSORS"]
    for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name):
        lines.append(f"  {sensor.name}: {sensor.default_status.value}, every {_interval(sensor)}")
    lines += ["", "SCHEDULES"]
    for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name):
        lines.append(f"  {schedule.name}: {schedule.default_status.value}, {schedule.cron_schedule}")
    lines += ["", "JOBS"]
    for job in sorted(repository.get_all_jobs(), key=lambda job: job.name):
        if not job.name.startswith("__"):
            lines += _job(job)
    lines += ["", "RESOURCES", *wrap(_told(defs.resources or {}), 100, initial_indent="  ", subsequent_indent="  ")]
    return "\n".join(lines) + "\n"


def _asset(node: Any) -> Iterator[str]:
    op = node.assets_def.op if node.is_executable else None
    retries = op.retry_policy.max_retries if op and op.retry_policy else 0
    partitions = node.partitions_def.name if node.partitions_def else "–"
    yield f"  {node.key.to_user_string()}"
    yield f"    from {_told(key.to_user_string() for key in node.parent_keys)}"
    yield f"    group {node.group_name} · owners {_told(node.owners)} · kinds {_told(node.kinds)}"
    pool = (op and op.pool) or "–"
    yield f"    code version {node.code_version} · pool {pool} · retries {retries} · partitions {partitions}"


def _checks(graph: Any, key: dg.AssetKey) -> Iterator[str]:
    for check in sorted(graph.get(key).check_keys, key=lambda check: str(check.name)):
        blocking = "blocks" if graph.get_check_spec(check).blocking else "tells"
        yield f"  {key.to_user_string()}: {check.name} ({blocking})"


def _interval(sensor: dg.SensorDefinition) -> str:
    return f"{sensor.minimum_interval_seconds} s" if sensor.minimum_interval_seconds else "default"


def _job(job: dg.JobDefinition) -> Iterator[str]:
    yield f"  {job.name}: executor {job.executor_def.name}"
    selected = job.asset_layer.selected_asset_keys
    if selected:
        yield f"    assets {_told(key.to_user_string() for key in selected)}"


def _told(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "–"
