"""The parts of results-gateway.md: each benchmark writes its own and leaves the others as they are."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("results-gateway.md")
TITLE = "# What the gateway and the daemon reach\n\nHow to read it: `README.md` beside this file.\n"


def write_part(heading: str, lines: Sequence[str], file: Path = FILE) -> None:
    """Replace the part of this heading, or add it at the end."""
    text = file.read_text("utf-8") if file.exists() else TITLE
    part = f"## {heading}\n\n" + "\n".join(lines).strip() + "\n"
    known = re.compile(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    text = known.sub(lambda _: part + "\n", text) if known.search(text) else text.rstrip("\n") + "\n\n" + part
    file.write_text(text.rstrip("\n") + "\n", "utf-8")


def how(arguments: str) -> list[str]:
    day, cores = f"{datetime.now(UTC):%Y-%m-%d}", os.cpu_count()
    return [
        f"Written by `{' '.join(['python -m benchmarks.burst', arguments]).strip()}` on {day}; {cores} cores, "
        f"{platform.system()}, Python {platform.python_version()}. `rowline dev` runs over a home of its own.",
        "",
    ]


def latency_lines(results: dict[str, Any]) -> list[str]:
    legs = results["legs"]
    return [
        "| upload → searchable, one by one | seconds | target |",
        "| --- | --- | --- |",
        f"| p50 | {results['p50']:.2f} | ≤ 1.5 |",
        f"| p95 | {results['p95']:.2f} | |",
        f"| of it until a run is requested (p50) | {legs['requested']:.2f} | |",
        f"| until the run begins work (p50) | {legs['started']:.2f} | |",
        f"| until its version is live (p50) | {legs['completed']:.2f} | |",
        f"| the very first document | {results['first']:.2f} | |",
        f"| `rowline dev` up / down | {results['up']:.1f} / {results['down']:.1f} | |",
        "",
        f"{results['uploads']} uploads of {results['rows']} rows, a search every 20 ms. Processes left behind: "
        f"{results['left_behind']}. Load {results['load'][0]:.1f} to {results['load'][1]:.1f}.",
        "",
    ]


def burst_lines(uploads: int, results: dict[str, Any]) -> list[str]:
    runs = ", ".join(f"{number} of `{job}`" for job, number in sorted(results["runs"].items()))
    return [
        f"| {uploads} workbooks of 20 rows at once | seconds | target |",
        "| --- | --- | --- |",
        f"| all are taken | {results['taken']:.1f} | |",
        f"| all are searchable | {results['done']:.1f} | {'≤ 60' if uploads == 500 else ''} |",
        "",
        f"Ended as {results['standing']}, by runs: {runs}. Processes left behind: {results['left_behind']}. "
        f"Load {results['load'][0]:.1f} to {results['load'][1]:.1f}.",
        "",
    ]


def alone_lines(uploads: int, sample: int, results: dict[str, Any]) -> list[str]:
    reckoned = results["done"] / sample * uploads
    return [
        f"One plain run each (`RUN_LAUNCHER=dagster`): {sample} workbooks at once took {results['done']:.1f} s; "
        f"{uploads} would take {reckoned:.0f} s (reckoned, not measured). "
        f"Load {results['load'][0]:.1f} to {results['load'][1]:.1f}.",
        "",
    ]
