"""Dagster's private API as we use it, compared with the Dagster that is installed.

PINNED is the whole of it: what resources/dagster_instance imports, names in strings or reaches through an attribute. A
new use fails until it is listed; a release of Dagster that changes a listed thing fails with the file to look at.
"""

from __future__ import annotations

import ast
import enum
import importlib
import importlib.util
import inspect
from collections import defaultdict
from functools import reduce
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from settings.settings import PROJECT_ROOT
from tests.dagster_private import private_attributes, private_imports, private_module_names

FOLDER = PROJECT_ROOT / "resources/dagster_instance"
THERE = "there"  # of an attribute whose shape does not matter to us
ON_INSTANCES = "set by __init__"

STORAGE = "(postgres_url, should_autocreate_tables=, inst_data=, token_provider=)"
ENGINE = {"_engine": ON_INSTANCES, "optimize_for_webserver": "(self, statement_timeout, pool_recycle, max_overflow)"}
CONFIGURABLE = "(module_name, class_name, config_yaml)"

# module:name → attribute path ("" is the thing itself) → parameters, value, or THERE
PINNED: dict[str, dict[str, str]] = {
    "dagster._cli.api:_execute_run_command_body": {"": "(run_id, instance, write_stream_fn, set_exit_code_on_failure)"},
    "dagster._core.code_pointer:ModuleCodePointer": {"": "(module, fn_name, working_directory)", "module": THERE},
    "dagster._core.definitions.asset_checks.asset_check_evaluation:AssetCheckEvaluationTargetMaterializationData": {
        "": "(storage_id, run_id, timestamp)"
    },
    "dagster._core.definitions.data_version:CODE_VERSION_TAG": {"": "'dagster/code_version'"},
    "dagster._core.definitions.reconstruct:ReconstructableRepository": {
        "": ("(pointer, container_image, executable_path, entry_point, container_context, repository_load_data)"),
        "get_definition": "(self)",
    },
    "dagster._core.events:DagsterEventBatchMetadata": {"": "(id, is_end)"},
    "dagster._core.launcher:CheckRunHealthResult": {"": "(status, msg, transient, run_worker_id)"},
    "dagster._core.launcher:LaunchRunContext": {"": "(dagster_run, workspace)"},
    "dagster._core.launcher:WorkerStatus": {"FAILED": "'FAILED'", "RUNNING": "'RUNNING'"},
    "dagster._core.launcher.base:RunLauncher": {
        "": "()",
        "_instance": THERE,
        "has_instance": THERE,
        "register_instance": "(self, instance)",
        "launch_run": "(self, context)",
        "terminate": "(self, run_id)",
        "dispose": "(self)",
        "join": "(self, timeout=)",
        "supports_check_run_worker_health": THERE,
        "check_run_worker_health": "(self, run)",
        "__abstractmethods__": "launch_run, terminate",
    },
    "dagster._core.storage.asset_check_execution_record:AssetCheckExecutionRecordStatus": {
        "SUCCEEDED": "'SUCCEEDED'",
        "FAILED": "'FAILED'",
    },
    "dagster._core.storage.event_log:schema": {
        "AssetKeyTable.c": (
            "asset_details, asset_key, cached_status_data, create_timestamp, id, last_materialization, "
            "last_materialization_timestamp, last_run_id, tags, wipe_timestamp"
        )
    },
    "dagster._core.storage.event_log.schema:AssetCheckExecutionsTable": {
        "c": (
            "asset_key, check_name, create_timestamp, evaluation_event, evaluation_event_storage_id, "
            "evaluation_event_timestamp, execution_status, id, materialization_event_storage_id, "
            "partition, run_id"
        )
    },
    "dagster._core.storage.event_log.schema:SqlEventLogStorageTable": {
        "c": "asset_key, dagster_event_type, event, id, partition, run_id, step_key, timestamp"
    },
    "dagster._core.storage.event_log.sql_event_log:SqlEventLogStorage": {
        "index_connection": "(self)",
        "has_table": "(self, table_name)",
        "store_event_batch": "(self, events)",
        "prepare_insert_event_batch": "(self, events)",
        "_event_insert_timestamp": "(self, event)",
    },
    "dagster._core.storage.tags:GRPC_INFO_TAG": {"": "'.dagster/grpc_info'"},
    "dagster._core.storage.tags:PARTITION_NAME_TAG": {"": "'dagster/partition'"},
    "dagster._core.storage.tags:RETRY_NUMBER_TAG": {"": "'dagster/retry_number'"},
    "dagster._core.storage.tags:RUN_KEY_TAG": {"": "'dagster/run_key'"},
    "dagster._core.storage.tags:WILL_RETRY_TAG": {"": "'dagster/will_retry'"},
    "dagster._daemon:sensor": {"MIN_INTERVAL_LOOP_TIME": THERE},
    "dagster._daemon.daemon:SpanMarker": {"START_SPAN": "'START_SPAN'", "END_SPAN": "'END_SPAN'"},
    "dagster._daemon.run_coordinator.queued_run_coordinator_daemon:QueuedRunCoordinatorDaemon": {
        "": "(interval_seconds, page_size=)",
        "core_loop": THERE,
        "run_iteration": "(self, workspace_process_context, fixed_iteration_time=)",
        "_logger": ON_INSTANCES,
        "interval_seconds": ON_INSTANCES,
    },
    "dagster._daemon.utils:DaemonErrorCapture": {"process_exception": "(exc_info, logger, log_message)"},
    "dagster._grpc.types:ExecuteRunArgs": {"": "(job_origin, run_id, instance_ref, set_exit_code_on_failure)"},
    "dagster._serdes:ConfigurableClass": {
        "inst_data": THERE,
        "config_type": "()",
        "from_config_value": "(inst_data, config_value)",
    },
    "dagster._serdes:ConfigurableClassData": {"": CONFIGURABLE},
    "dagster._serdes.config_class:ConfigurableClassData": {"": CONFIGURABLE},
    "dagster._utils.interrupts:capture_interrupts": {"": "()"},
    # named in strings alone
    "dagster._core.execution.api:": {},
    "dagster._core.execution.plan.active:": {"logger.name": "'dagster._core.execution.plan.active'"},
    "dagster._core.executor.in_process:": {},
    "dagster._core.instance.factory:": {},
    "dagster._core.storage.local_compute_log_manager:": {},
    "dagster._core.storage.root:": {},
    "dagster._core.system_config.composite_descent:": {},
    "dagster._daemon.controller:": {},
}

# Public classes, of which we override methods or use private attributes.
PUBLIC: dict[str, dict[str, str]] = {
    "dagster:DagsterEvent": {
        "asset_materialization": "(step_context, materialization, batch_metadata=)",
        "from_step": "(event_type, step_context, event_specific_data=, message=, batch_metadata=)",
    },
    "dagster:QueuedRunCoordinator": {
        "": (
            "(max_concurrent_runs=, tag_concurrency_limits=, dequeue_interval_seconds=, "
            "dequeue_use_threads=, dequeue_num_workers=, max_user_code_failure_retries=, "
            "user_code_failure_retry_delay=, block_op_concurrency_limited_runs=, inst_data=)"
        ),
        "submit_run": "(self, context)",
    },
    "dagster_postgres:DagsterPostgresStorage": {
        "": STORAGE,
        "_event_log_storage": ON_INSTANCES,
        "run_storage": THERE,
        "event_log_storage": THERE,
        "schedule_storage": THERE,
    },
    "dagster_postgres:PostgresEventLogStorage": {"": STORAGE, **ENGINE, "_connect": "(self)"},
    "dagster_postgres:PostgresRunStorage": {"": STORAGE, **ENGINE},
    "dagster_postgres:PostgresScheduleStorage": {"": STORAGE, **ENGINE},
}


def uses() -> dict[str, set[str]]:
    """module:name → files of ours that use it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(FOLDER.rglob("*.py")):
        tree, file = ast.parse(path.read_text("utf-8")), path.relative_to(PROJECT_ROOT).as_posix()
        for _, module, name in private_imports(tree):
            found[f"{module}:{name}"].add(file)
        for _, module in private_module_names(tree):
            found[f"{module}:"].add(file)
    return found


def thing(key: str) -> Any:
    module, _, name = key.partition(":")
    loaded = importlib.import_module(module)
    if not name or hasattr(loaded, name):
        return getattr(loaded, name) if name else loaded
    return importlib.import_module(f"{module}.{name}")  # `from package import module` finds a module as well


def shape(owner: Any, path: str) -> str:
    """Parameters of a function or class, columns of a table, value of a constant; "missing" if it is not there."""
    try:
        value = reduce(getattr, filter(None, path.split(".")), owner)
    except AttributeError:
        return ON_INSTANCES if inspect.isclass(owner) and sets(owner, path) else "missing"
    if isinstance(value, enum.Enum):
        value = value.value
    if callable(value):
        return parameters(value)
    if isinstance(value, frozenset) or hasattr(value, "keys"):  # names of methods, columns of a table
        return ", ".join(sorted(value if isinstance(value, frozenset) else value.keys()))
    return repr(value) if isinstance(value, str | int | float) else THERE


def parameters(function: Any) -> str:
    """Names of the parameters, with `=` after one that has a default; fields of a tuple."""
    if inspect.isclass(function) and hasattr(function, "_fields"):
        return f"({', '.join(function._fields)})"
    names = []
    for parameter in inspect.signature(function).parameters.values():
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        names.append(f"{stars}{parameter.name}{'' if parameter.default is parameter.empty else '='}")
    return f"({', '.join(names)})"


def sets(owner: type, attribute: str) -> bool:
    """Whether the `__init__` of a class, or of one that it inherits from, sets the attribute."""
    bodies = (vars(cls).get("__init__") for cls in owner.__mro__)
    return any(f"self.{attribute} =" in inspect.getsource(body) for body in bodies if inspect.isfunction(body))


def test_the_list_is_complete():
    """What is used and not listed would break unseen; what is listed and not used only misleads."""
    used = uses()
    unlisted = {key: sorted(files) for key, files in used.items() if key not in PINNED}
    assert unlisted == {}, "new uses of Dagster's private API: is there a public name? Else list what we rely on"
    assert set(PINNED) - set(used) == set(), "listed, but used no more"


def test_each_private_attribute_is_listed():
    listed = {name for pins in (PINNED | PUBLIC).values() for path in pins for name in path.split(".")}
    unlisted = [
        f"{path.relative_to(PROJECT_ROOT)}:{line} uses {name}"
        for path in sorted(FOLDER.rglob("*.py"))
        for line, name in private_attributes(ast.parse(path.read_text("utf-8")))
        if name not in listed
    ]
    assert unlisted == []


@pytest.mark.parametrize("key", [*PINNED, *PUBLIC])
def test_it_is_what_we_wrote_against(key: str):
    module = key.partition(":")[0]
    assert importlib.util.find_spec(module), f"Dagster {dg.__version__} has no {module}: {sorted(uses()[key])} names it"
    pins, files = (PINNED | PUBLIC)[key], sorted(uses().get(key, {"resources/dagster_instance"}))
    owner = thing(key) if pins else None  # importing Dagster's daemon would have our patches applied in this process
    changed = [
        f"{key} {path or '(itself)'} is {shape(owner, path)}, was {expected}"
        for path, expected in pins.items()
        if shape(owner, path) != expected and not (expected == THERE and shape(owner, path) != "missing")
    ]
    assert changed == [], (
        f"Dagster {dg.__version__} changed what {', '.join(files)} relies on: read the change in Dagster, correct the "
        "file, and only then this list"
    )


@pytest.mark.parametrize(
    ("planted", "seen"),
    [
        ("from dagster._core.instance import DagsterInstance", "dagster._core.instance:DagsterInstance"),
        ("def f():\n    import dagster_graphql._schema", "dagster_graphql._schema:"),
        ("from dagster import _check", "dagster:_check"),
        ("from dagster_shared.serdes import pack_value", "dagster_shared.serdes:pack_value"),
        ("from dagster_postgres.utils import pg_url_from_config", "dagster_postgres.utils:pg_url_from_config"),
        ("import importlib\nimportlib.import_module('dagster._core.executor.base')", "dagster._core.executor.base:"),
    ],
)
def test_a_new_use_is_seen(planted: str, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A proof that cannot fail is none: planted in each form that a use can have."""
    (tmp_path / "planted.py").write_text(planted)
    monkeypatch.setitem(globals(), "FOLDER", tmp_path)
    monkeypatch.setitem(globals(), "PROJECT_ROOT", tmp_path)
    assert uses() == {seen: {"planted.py"}}
    with pytest.raises(AssertionError, match="new uses of Dagster's private API"):
        test_the_list_is_complete()


def test_a_private_attribute_is_seen():
    tree = ast.parse("import dagster as dg\ninstance = dg.DagsterInstance.get()\ninstance._event_storage.wipe()\n")
    assert list(private_attributes(tree)) == [(3, "_event_storage")]
