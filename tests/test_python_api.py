"""docs/python-api.md names what user code may rely on: exactly what the package exports and the definitions hold."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

import rowline
from domain import errors
from settings.settings import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "python-api.md").read_text("utf-8")


def named(kind: str) -> set[str]:
    [cell] = re.findall(rf"^\| {kind} \| (.+) \|$", PAGE, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", cell))


def test_each_function_is_described_with_its_arguments():
    described = dict(re.findall(r"^\| `(\w+)\((.*?)\)` \|", PAGE, re.MULTILINE))
    assert sorted(described) == rowline.__all__
    for name, arguments in described.items():
        parameters = inspect.signature(getattr(rowline, name)).parameters
        assert [word for word in arguments.split(", ") if word != "*"] == list(parameters)


def test_the_assets_jobs_and_schedules_are_those_of_the_definitions():
    repository = importlib.import_module("pipelines.definitions").defs.get_repository_def()
    keys = repository.asset_graph.get_all_asset_keys()
    assert named("assets") == {key.to_user_string() for key in keys}
    assert named("jobs") == {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert named("schedules") == {schedule.name for schedule in repository.schedule_defs}


def test_the_public_resources_are_those_that_are_not_our_own_services():
    resources = importlib.import_module("pipelines.definitions").defs.resources
    internal = importlib.import_module("pipelines.resources").NAMES
    assert named("resources") == set(resources) - set(internal)


def test_all_assets_but_the_store_have_the_partitions_of_documents():
    graph = importlib.import_module("pipelines.definitions").defs.get_repository_def().asset_graph
    partitioned = {k.to_user_string() for k in graph.get_all_asset_keys() if graph.get(k).partitions_def is not None}
    assert partitioned == named("assets") - {"vector_store"}


@pytest.mark.parametrize("name", re.findall(r"^\| `([A-Z]\w+)` \|", PAGE, re.MULTILINE))
def test_each_error_is_one_of_ours(name: str):
    assert issubclass(getattr(errors, name), errors.RowlineError)
