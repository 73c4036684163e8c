"""Law 9: memory is bounded by the batch, not by the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.laws.command import Command

# the command in a process of its own, which says at its end how much memory it ever held
DRIVER = """
import resource, sys
from gateway.cli.main import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@pytest.mark.long
def test_twenty_times_the_rows_take_about_the_same_memory(rowline_command: Command):
    """2,000 and 40,000 rows of the same shape: the process that works on them grows by less than 40 MiB."""
    few_numbers = {"BATCH_ROWS": "100", "EMBEDDING_DIMENSIONS": "8"}
    command = replace(rowline_command, environment={**rowline_command.environment, **few_numbers})
    peaks = {}
    for rows in (2_000, 40_000):
        lines = (f"item {n} of {rows},a description of item {n} in some words,{n % 97}\n" for n in range(rows))
        file = command.file(f"{rows}.csv", "item,description,group\n" + "".join(lines))
        document = command.json("upload", file, "--org", "acme")["documents"][0]["documentId"]
        ended = subprocess.run(
            [sys.executable, "-c", DRIVER, "process", document, "--json"],
            env={**os.environ, **command.environment, "PYTHONUTF8": "1"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=170,
            check=True,
        )
        assert json.loads(ended.stdout)["result"]["vectorsCreated"] == rows
        peaks[rows] = int(ended.stderr.split()[-1]) / 1024  # MiB
    assert peaks[40_000] - peaks[2_000] < 40, peaks
