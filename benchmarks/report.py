"""Figures beside their targets: a table for the terminal, `results.md` for the repository."""

import datetime
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.comparison import Comparison, around, checking, whole, work
from benchmarks.surroundings import PROJECT

RESULTS = Path(__file__).with_name("results.md")
LIBRARIES = ("dagster", "psycopg", "numpy", "pyarrow", "python-calamine", "openai")


@dataclass(frozen=True, slots=True)
class Section:
    """One table."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def comparison_sections(comparison: Comparison) -> Iterator[Section]:
    yield _against_the_limit(comparison)
    yield _work_and_what_surrounds_it(comparison)
    yield _steps(comparison)


TARGETS = {
    "first": ("first index", "≤ 2.5 s of work, ≤ 2.5 × limit"),
    "same": ("same file again", "≤ 0.1 s, 0 inputs"),
    "resaved": ("saved again, same cells", "≤ 0.6 s, 0 inputs"),
    "changed": ("1 % changed, 0.5 % gone", "≤ 0.7 s, exactly the changed rows, 0 stale, 0 missing"),
}


def _against_the_limit(comparison: Comparison) -> Section:
    rows = []
    for phase, (title, target) in TARGETS.items():
        counts = [
            comparison.rowline(phase, lambda results, name=name: results[name]) for name in ("inputs", "requests")
        ]
        rows.append(
            (
                title,
                _s(comparison.limit(phase)),
                _s(comparison.rowline(phase, work)),
                _s(comparison.rowline(phase, whole)),
                f"{comparison.ratio(phase, work):.1f} ×",
                f"{comparison.ratio(phase, whole):.1f} ×",
                f"{counts[0]:,.0f} / {counts[1]:,.0f}",
                target,
            )
        )
    columns = ("", "limit s", "work s", "whole s", "work ×", "whole ×", "inputs / requests", "target")
    return Section(f"{comparison.rows:,} rows × 12 columns", columns, rows, _verdict(comparison))


def _verdict(comparison: Comparison) -> str:
    facts = comparison.facts
    ends = [pair.rowline["end"] for pair in comparison.rounds]
    right = all(end["texts"] == comparison.texts_at_end for end in ends)
    rate = comparison.rows / comparison.rowline("first", whole)
    ratios = comparison.ratios("first", whole)
    loads = [load for pair in comparison.rounds for load in pair.load]
    return (
        f"First index: {rate:,.0f} rows/s; ratios to the limit pair by pair {', '.join(f'{r:.1f}' for r in ratios)}. "
        f"In the file {facts.texts_v1:,} different texts, then {facts.new_texts:,} new and {facts.gone_texts:,} gone. "
        f"At the end stale {max(end['stale'] for end in ends)}, missing {max(end['missing'] for end in ends)}, "
        f"texts {'exactly those of the file' if right else 'NOT those of the file'}. "
        f"{comparison.server}. Load {min(loads):.1f} to {max(loads):.1f} processes on {os.cpu_count()} cores."
    )


def _work_and_what_surrounds_it(comparison: Comparison) -> Section:
    rows = []
    for phase, (title, _) in TARGETS.items():
        parts = (comparison.rowline(phase, part) for part in (work, checking, around, whole))
        rows.append((title, *map(_s, parts)))
    imports = min(pair.rowline["imports"] for pair in comparison.rounds)
    warm_up = min(pair.rowline["warm_up"] for pair in comparison.rounds)
    note = (
        f"Before the clock, once a process: imports {imports:.1f} s, a first document of 50 rows with everything that "
        f"is opened at first use {warm_up:.1f} s (the quickest of the rounds)."
    )
    return Section("Work and what surrounds it", ("", "work s", "checks s", "Dagster s", "whole s"), rows, note)


def _steps(comparison: Comparison) -> Section:
    phases = [phase for phase in TARGETS if phase != "same"]
    steps = comparison.rounds[0].rowline["phases"]["first"]["steps"]
    rows = [
        (step, *(_s(comparison.rowline(phase, lambda results, step=step: results["steps"][step])) for phase in phases))
        for step in steps
    ]
    uploads = (_s(comparison.rowline(phase, lambda results: results["upload"])) for phase in phases)
    columns = ("seconds", *(TARGETS[phase][0] for phase in phases))
    return Section("Step by step", columns, [("upload", *uploads), *rows])


def stores_section(pgvector: Comparison, pinecone: Comparison) -> Section:
    """The same rows into both stores, each beside its own limit by hand."""
    rows = []
    for name, compared in (("pgvector", pgvector), ("Pinecone", pinecone)):
        for phase in ("first", "changed"):
            ours, limit = (_at_store(results) for results in _phases(compared, phase))
            rows.append(
                (
                    f"{name}, {TARGETS[phase][0]}",
                    _s(compared.limit(phase)),
                    _s(compared.rowline(phase, work)),
                    f"{compared.ratio(phase, work):.1f} ×",
                    _s(compared.rowline(phase, lambda results: results["steps"]["namespace_vectors"])),
                    ours,
                    limit,
                )
            )
    columns = ("", "limit s", "work s", "work ×", "namespace_vectors s", "Rowline sends", "limit sends")
    note = (
        f"{pinecone.rows:,} rows. Sends: upserts + deletes, vectors + ids, bytes of all requests. The stand-in for "
        "Pinecone is strict and runs on the same cores: it reads and checks every number it is sent. "
        + _verdict(pinecone)
    )
    return Section("Two vector stores", columns, rows, note)


def _phases(compared: Comparison, phase: str) -> tuple[dict[str, Any], dict[str, Any]]:
    last = compared.rounds[-1]
    return last.rowline["phases"][phase], last.limit[phase]


def _at_store(results: dict[str, Any]) -> str:
    if "store" not in results:
        return "–"
    sent = results["store"]
    requests = f"{sent['upserts']} + {sent['deletes']}"
    return f"{requests}, {sent['vectors']:,} + {sent['deleted']:,}, {sent['bytes'] / 1e6:.1f} MB"


def memory_section(results: Sequence[dict[str, Any]]) -> Section:
    rows = [
        (
            f"{one['rows']:,} rows, {one['format']}, {one['file']:.1f} MB",
            f"{one['idle']:.0f}",
            f"{one['peak'] - one['idle']:.0f}",
            f"{one['child']:.0f}",
            f"{one['seconds']:.1f}",
        )
        for one in results
    ]
    columns = ("peak memory, MB", "idle process", "above idle", "reader's child", "whole s")
    note = "Target: flat from 10,000 to 1,000,000 rows. The endpoint answers at once here, so seconds are not above's."
    return Section("Memory", columns, rows, note)


def latency_section(results: dict[str, Any]) -> Section:
    rows = [
        ("upload → searchable, p50", f"{results['p50']:.2f}", "≤ 1.5 s with warm runs (≤ 5 s without)"),
        ("upload → searchable, p95", f"{results['p95']:.2f}", ""),
        ("of it until a run is requested (p50)", f"{results['legs']['requested']:.2f}", ""),
        ("until the run's process begins work (p50)", f"{results['legs']['started']:.2f}", ""),
        ("until its version is live (p50)", f"{results['legs']['completed']:.2f}", ""),
        ("`rowline dev` up", f"{results['up']:.1f}", ""),
        ("the very first document", f"{results['first']:.1f}", ""),
        ("`rowline dev` down", f"{results['down']:.1f}", ""),
    ]
    note = (
        f"{results['uploads']} uploads one by one, {results['rows']} rows each, local embedder, a search every 20 ms. "
        f"Processes left behind: {results['left_behind']}. Load {results['load'][0]:.1f} to {results['load'][1]:.1f}."
    )
    return Section("Upload to searchable", ("with `rowline dev` running", "seconds", "target"), rows, note)


def show(sections: Sequence[Section]) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 140
    for section in sections:
        table = Table(title=section.title, caption=section.note or None)
        for number, column in enumerate(section.columns):
            table.add_column(column, justify="right" if number and "target" not in column else "left")
        for row in section.rows:
            table.add_row(*row)
        console.print(table)


def write(sections: Sequence[Section], command: str, path: Path = RESULTS) -> None:
    parts = ["# How fast, measured\n", _how(command)]
    for section in sections:
        lines = [f"\n## {section.title}\n", _line(section.columns), _line(["---"] * len(section.columns))]
        lines += [_line(row) for row in section.rows]
        parts.append("\n".join(lines) + (f"\n\n{section.note}" if section.note else ""))
    path.write_text("\n".join(parts) + "\n", "utf-8")


def _how(command: str) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (
        f"Written by `{command}` on {today}, {_commit()}; how to read it: `README.md` beside this file. "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{libraries}."
    )


def _commit() -> str:
    """Which code was measured, as far as git is here to tell."""
    git = shutil.which("git")
    if git is None:
        return "commit unknown"
    results = subprocess.run([git, "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, check=False)
    return f"commit {results.stdout.decode().strip() or 'unknown'}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _s(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds < 0.1 else f"{seconds:.2f}"
