"""Tables of `benchmarks.life`."""

import os
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.report import Section

Results = dict[str, Any]
HARM = ("stale", "missing", "wrong")
WITHIN_A_SECOND = "0 inputs, ≤ 1 s"


def versions_section(results: Results) -> Section:
    """1 % changed, and rollback in both directions."""
    steps, rows = results["steps"], []
    changed = steps["changed"]
    rows.append(
        (
            "1 % changed, 0.5 % gone: the version",
            "–",
            f"{changed['seconds']:.2f}",
            "–",
            *_counts([changed]),
            "100 inputs",
        )
    )
    titles = {"1 %": "after a 1 % change", "all": "between two quite different lists"}
    for name, title in titles.items():
        for direction, way in (("back", "back"), ("forth", "forth again")):
            turns = [step for key, step in steps.items() if key.startswith(f"{name} {direction} ")]
            job = steps[f"{name} job {direction}"]
            moved = f"{turns[0]['vectorsRestored']:,} restored, {turns[0]['vectorsDeleted']:,} deleted"
            seconds = " · ".join(f"{turn['seconds']:.2f}" for turn in turns)
            live = " · ".join(f"{turn['liveAfterMs'] / 1000:.2f}" for turn in turns)
            title_of_row = f"{title}, {way}: {moved}"
            rows.append(
                (title_of_row, live, seconds, f"{job['seconds']:.2f}", *_counts([*turns, job]), WITHIN_A_SECOND)
            )
    note = (
        "Seconds of each turn: until searches show the version, and with the sweep after it; as a job: the same as a "
        "run of Dagster in the same process. Inputs: texts that the embeddings endpoint was asked for. Wrong: vectors "
        f"whose numbers are not those first seen under their id, and texts that live rows say too much or too "
        f"little. Load {results['load']:.1f} on {os.cpu_count()} cores."
    )
    columns = ("", "live after s", "whole s", "as a job s", "inputs", "stale / missing / wrong", "target")
    return Section(f"Versions and rollback, {results['rows']:,} rows", columns, rows, note)


def harm_section(results: Results, killed: Results) -> Section:
    """Vectors lost behind the back, and kill -9 half way."""
    steps = results["steps"]
    lost, compared, repaired = steps["lost"], steps["compared"], steps["repaired"]
    found = f"{compared['missing']} of {lost['missing']} found"
    rows = [
        (f"{lost['missing']} vectors lost from the store: compared", found, f"{compared['seconds']:.2f}",
         str(compared["inputs"]), "–", "found"),
        ("repaired from kept embeddings", f"{repaired['repaired']} repaired", f"{repaired['seconds']:.2f}",
         *_counts([repaired]), "repaired, 0 inputs"),
        (f"killed (-9) after {killed['asked']:,} of {killed['texts']:,} texts", f"{killed['kept']:,} kept", "–",
         f"{killed['before']:,}", "–", ""),
        ("the next process", f"{killed['twice']:,} paid twice", f"{killed['seconds']:.2f}",
         *_counts([killed]), "only what was in flight"),
    ]  # fmt: skip
    note = (
        f"In flight at most 5 requests of 256 texts. Limit by hand in the same harness: 3,328 paid twice at most. "
        f"Load {killed['load']:.1f}."
    )
    columns = ("", "", "s", "inputs", "stale / missing / wrong", "target")
    return Section(f"Harm, {killed['rows']:,} rows", columns, rows, note)


def sync_section(results: Sequence[Results], dimensions: str) -> Section:
    rows = []
    for one in results:
        for name, title in (("agreed", "compared, nothing lost"), ("compared", "compared"), ("repaired", "repaired")):
            step = one[name]
            counts = f"{step['missing']} / {step['repaired']}"
            rate = f"{step['checked'] / step['seconds']:,.0f}"
            seconds, above = f"{step['seconds']:.2f}", f"{step['above']:.1f}" if "above" in step else "–"
            rows.append((f"{step['checked']:,} vectors: {title}", seconds, rate, above, counts, str(step["inputs"])))
    ends = "; ".join(" / ".join(str(one[name]) for name in HARM) for one in results)
    loads = " and ".join(f"{one['load']:.1f}" for one in results)
    note = (
        f"Memory: peak of the process above what it weighed before its first comparison. At the end "
        f"stale / missing / wrong: {ends}. "
        f"The larger scene is one processed document and copies of it by SQL, each with its own vectors of "
        f"{dimensions} numbers, no ANALYZE by hand. Load {loads}."
    )
    columns = ("", "s", "vectors/s", "memory MB", "missing / repaired", "inputs")
    return Section("Vector-sync", columns, rows, note)


def cleanup_section(results: Results) -> Section:
    size = results["size"]
    rows = [
        (
            "tried first (dry run)",
            f"{results['dry']:.2f}",
            f"{1000 * results['dry'] / size:.0f}",
            f"{results['said']:,}",
        ),
        (
            "removed one by one",
            f"{results['wet']:.2f}",
            f"{1000 * results['wet'] / size:.0f}",
            f"{results['vectors']:,}",
        ),
        ("as many more as one job", f"{results['job']:.2f}", f"{1000 * results['job'] / size:.0f}", "–"),
    ]
    harm = " / ".join(str(results[name]) for name in HARM)
    note = (
        f"Small documents of ten rows, one of which all of them share; one was processed, the others are copies by SQL "
        f"with their own files, embeddings and vectors ({results['filled']['seconds']:.0f} s), no ANALYZE by hand. "
        f"Median {1000 * results['median']:.0f} ms, slowest {1000 * results['slowest']:.0f} ms a document. At the "
        "end stale / "
        f"missing / wrong: {harm}, files left of them: {results['files_left']}. Load {results['load']:.1f}."
    )
    columns = ("", "s", "ms a document", "vectors deleted")
    return Section(f"Clean-up of {size} documents among {results['documents']:,}", columns, rows, note)


def _counts(steps: Sequence[Results]) -> tuple[str, str]:
    """(inputs, stale / missing / wrong), the worst of the steps."""
    harm = " / ".join(str(max(step[name] for step in steps)) for name in HARM)
    return f"{median(step['inputs'] for step in steps):,.0f}", harm
