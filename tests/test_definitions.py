"""The graph as Dagster sees it: what every asset carries, which checks block, what wakes us, how runs are bounded."""

import difflib
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from tests.snapshots.graph import SNAPSHOT, graph_text

ROOT = Path(__file__).resolve().parents[1]
GRAPH = ["parsed_rows", "batches", "embeddings", "namespace_vectors", "lineage"]
OPENINGS = {"The", "A", "An", "Every", "Each", "All"}
VERBS = ("load", "make", "create", "build", "run", "parse", "embed", "write", "read", "process", "compute", "update")


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return importlib.import_module("pipelines.definitions").defs  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def assets(defs: dg.Definitions) -> dict[str, Any]:
    """The assets that we make, by name; an observed one (the whole store) is in the snapshot."""
    graph = defs.resolve_asset_graph()
    nodes = map(graph.get, graph.toposorted_asset_keys)
    return {node.key.to_user_string(): node for node in nodes if node.is_executable}


@pytest.fixture(scope="module")
def instance_settings() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "dagster.yaml").read_text("utf-8")))


def test_the_definitions_load_with_an_empty_environment(tmp_path: Path) -> None:
    """A code location starts before any setting is there; what it shows then is the snapshot."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import dagster as dg\n"
        "from pipelines.definitions import defs\n"
        "from tests.snapshots.graph import graph_text\n"
        "dg.Definitions.validate_loadable(defs)\n"
        "sys.stdout.buffer.write(graph_text(defs).encode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", script],
        env={},
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert done.stdout.decode().splitlines()[0].startswith("The Dagster graph")
    assert list(tmp_path.iterdir()) == []


def test_the_graph_is_the_one_in_the_snapshot(defs: dg.Definitions) -> None:
    """Every change of the graph is seen in review: keys, groups, owners, kinds, versions, checks, pools, sensors."""
    seen, kept = graph_text(defs), SNAPSHOT.read_text("utf-8")
    difference = "\n".join(difflib.unified_diff(kept.splitlines(), seen.splitlines(), "snapshot", "now", lineterm=""))
    assert seen == kept, f"the graph changed; if that is meant, run `python -m tests.snapshots`\n{difference}"


def test_the_snapshot_is_small_enough_to_read() -> None:
    """A snapshot of megabytes is one that nobody reads."""
    lines = SNAPSHOT.read_text("utf-8").splitlines()
    assert 20 < len(lines) <= 120
    assert max(map(len, lines)) <= 120


def test_the_document_graph_is_one_line_of_five_assets(assets: dict[str, Any]) -> None:
    documents = {name: node for name, node in assets.items() if node.group_name == "documents"}
    assert list(documents) == GRAPH
    parents = [[key.to_user_string() for key in node.parent_keys] for node in documents.values()]
    assert parents == [[], *([name] for name in GRAPH[:-1])]


def test_every_asset_says_whose_and_what_it_is(assets: dict[str, Any]) -> None:
    """Group, owner, kinds and code version: what the UI sorts by, and what says that a rerun is due."""
    assert assets
    for name, node in assets.items():
        assert node.group_name not in (None, "default"), name
        assert node.owners, name
        assert node.kinds, name
        assert node.code_version, name


def test_every_asset_is_described_as_a_thing(assets: dict[str, Any]) -> None:
    """The first line of the docstring is the description in the UI: a noun phrase, not what the code does."""
    for name, node in assets.items():
        first = (node.description or "").split("\n")[0]
        assert first.split(" ")[0] in OPENINGS, f"{name}: {first!r} must open with one of {sorted(OPENINGS)}"
        assert first.endswith("."), name
        assert not name.startswith(tuple(f"{verb}_" for verb in VERBS)), f"{name}: assets are nouns"


def test_every_step_is_tried_again_after_a_transient_failure(assets: dict[str, Any]) -> None:
    """Two retries, farther and farther apart, not all at the same moment."""
    for name, node in assets.items():
        policy = node.assets_def.op.retry_policy
        assert policy is not None, name
        assert policy.max_retries == 2, name
        assert policy.backoff is dg.Backoff.EXPONENTIAL, name
        assert policy.jitter is not None, name


def test_every_asset_is_claimed_something_about(assets: dict[str, Any]) -> None:
    assert {name for name, node in assets.items() if not node.check_keys} == set()


def test_a_check_blocks_wherever_a_next_step_would_spread_the_damage(
    defs: dg.Definitions, assets: dict[str, Any]
) -> None:
    graph = defs.resolve_asset_graph()
    blocking = {
        name: sorted(key.name for key in node.check_keys if graph.get_check_spec(key).blocking)
        for name, node in assets.items()
    }
    assert {name for name, node in assets.items() if node.child_keys and not blocking[name]} == set()
    assert blocking["batches"] == ["row_counts_add_up"], "error rows are reported, they do not stop the good ones"
    assert "embeddings_sound" in blocking["embeddings"]


def test_every_check_says_what_should_be_true(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    untold = [str(key.name) for key in graph.asset_check_keys if not graph.get_check_spec(key).description]
    assert untold == []


def test_every_sensor_runs_from_the_start_and_says_what_it_watches(defs: dg.Definitions) -> None:
    """Nobody should have to switch on a sensor before the first upload is seen."""
    sensors = list(defs.get_repository_def().sensor_defs)
    assert len(sensors) >= 4
    assert {sensor.name for sensor in sensors if sensor.default_status is not dg.DefaultSensorStatus.RUNNING} == set()
    assert {sensor.name for sensor in sensors if not sensor.description} == set()


def test_the_document_graph_runs_in_one_process(defs: dg.Definitions) -> None:
    """A subprocess per step costs seconds; a run started by hand from the assets page costs no more."""
    jobs = {job.name: job for job in defs.get_repository_def().get_all_jobs()}
    assert jobs["document_graph"].executor_def.name == "in_process"
    assert {job.executor_def.name for name, job in jobs.items() if name.startswith("__")} == {"in_process"}


def test_the_document_graph_runs_every_step_and_every_check(defs: dg.Definitions, assets: dict[str, Any]) -> None:
    layer = defs.resolve_job_def("document_graph").asset_layer
    documents = [node for node in assets.values() if node.group_name == "documents"]
    assert layer.selected_asset_keys == {node.key for node in documents}
    assert layer.asset_graph.asset_check_keys >= {key for node in documents for key in node.check_keys}


def test_every_job_is_described(defs: dg.Definitions) -> None:
    jobs = [job for job in defs.get_repository_def().get_all_jobs() if not job.name.startswith("__")]
    assert {job.name for job in jobs if not job.description} == set()


def test_a_document_keeps_its_partition_over_its_versions(assets: dict[str, Any]) -> None:
    """One dynamic partition set for the whole graph: the partition's history is the document's history."""
    sets = {name: node.partitions_def for name, node in assets.items() if node.group_name == "documents"}
    assert all(isinstance(partitions, dg.DynamicPartitionsDefinition) for partitions in sets.values())
    assert {partitions.name for partitions in sets.values()} == {"documents"}


# -- the instance -----------------------------------------------------------------------------------------------


def test_dagster_accepts_the_instance_settings() -> None:
    """A misspelled key is refused by Dagster at start; here it is refused before."""
    from dagster._core.instance.config import dagster_instance_config

    accepted, _ = dagster_instance_config(str(ROOT))
    assert accepted["run_monitoring"]["enabled"] is True


def test_two_versions_of_one_document_never_run_at_once(instance_settings: dict[str, Any]) -> None:
    """The run queue's limit is on the tag that Dagster itself sets, so runs started by hand are bounded too."""
    coordinator = instance_settings["run_coordinator"]
    assert issubclass(
        getattr(importlib.import_module(coordinator["module"]), coordinator["class"]), dg.QueuedRunCoordinator
    )
    runs = instance_settings["concurrency"]["runs"]
    limits = {limit["key"]: limit for limit in runs["tag_concurrency_limits"]}
    assert limits["dagster/partition"] == {
        "key": "dagster/partition",
        "value": {"applyLimitPerUniqueValue": True},
        "limit": 1,
    }
    assert "max_concurrent_runs" not in runs, "MAX_CONCURRENT_RUNS says it"


def test_a_dead_run_gives_its_slots_back(instance_settings: dict[str, Any]) -> None:
    monitoring = instance_settings["run_monitoring"]
    assert monitoring["enabled"] is True
    assert 0 < monitoring["free_slots_after_run_end_seconds"] <= 300
    assert instance_settings["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_ticks_are_not_kept_for_ever(instance_settings: dict[str, Any]) -> None:
    """A sensor that looks every second writes 86,400 ticks a day."""
    for kind in ("sensor", "schedule"):
        days = instance_settings["retention"][kind]["purge_after_days"]
        assert {"skipped", "success", "failure"} <= set(days)
        assert all(0 < kept <= 90 for kept in days.values())


def test_one_waiting_sensor_does_not_hold_up_the_others(
    instance_settings: dict[str, Any], defs: dg.Definitions
) -> None:
    """`new_uploads` waits on the ledger for most of its tick: it needs a thread of its own."""
    assert instance_settings["sensors"]["use_threads"] is True
    assert instance_settings["sensors"]["num_workers"] > len(list(defs.get_repository_def().sensor_defs)) - 1


def test_dagster_sends_nothing_home_and_keeps_its_storage_in_our_database(instance_settings: dict[str, Any]) -> None:
    assert instance_settings["telemetry"] == {"enabled": False}
    storage = instance_settings["storage"]["custom"]
    assert hasattr(importlib.import_module(storage["module"]), storage["class"])
    assert not re.search(r"postgres(ql)?://", (ROOT / "dagster.yaml").read_text("utf-8")), "no address in the file"


def test_the_workspace_points_at_the_definitions() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text("utf-8"))
    [entry] = workspace["load_from"]
    module = importlib.import_module(entry["python_module"]["module_name"])
    assert isinstance(module.defs, dg.Definitions)
    assert entry["python_module"]["location_name"] == "rowline"


def test_no_run_is_ended_for_its_age(instance_settings: dict[str, Any], defs: dg.Definitions) -> None:
    """A living run of a large document is not dead (ADR 0014): `stuck_runs` ends those that are."""
    assert not {name for name in instance_settings["run_monitoring"] if "max_runtime" in name}
    tagged = [job.name for job in defs.resolve_all_job_defs() if any("max_runtime" in tag for tag in job.tags)]
    assert tagged == []
