"""What the fork server has loaded before its first run: the clients of AWS only if objects are in a bucket."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from settings.settings import PROJECT_ROOT

LOADED = """
import json, sys, psutil
from resources.dagster_instance.warm_launcher.forkserver import load
load("pipelines.definitions")
print(json.dumps([sorted({"dagster_aws", "boto3"} & set(sys.modules)), psutil.Process().num_threads()]))
"""


def loaded(store: str) -> tuple[list[str], int]:
    """The clients of AWS that a parent over this object store has loaded, and its threads."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT_ROOT),
        "OBJECT_STORE": store,
        "EMBEDDING_PROVIDER": "openai",
        "OPENAI_API_KEY": "sk-not-used",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOADED], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    modules, threads = json.loads(done.stdout)
    return modules, threads


@pytest.mark.usefixtures("clean_environment")
def test_the_fork_server_loads_the_clients_of_aws_for_a_bucket_only():
    """A run would take seconds to import them itself. They start no thread, which a fork would lose."""
    folder, bucket = loaded("objects"), loaded("s3://bucket/prefix")
    assert (folder[0], bucket[0]) == ([], ["boto3", "dagster_aws"])
    assert bucket[1] == folder[1]
