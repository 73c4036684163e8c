"""`python -m benchmarks.documents`: all benchmarks of the document graph, a table, and `results.md`."""

import argparse
import signal
import sys
from collections.abc import Iterator

from rich.console import Console

from benchmarks import comparison, latency, memory, report, stores

console = Console(stderr=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documents", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the compared workbook")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of Rowline and the limit by hand; 0: none")
    parser.add_argument("--store-rounds", type=int, default=2, help="pairs for each of both vector stores; 0: none")
    parser.add_argument("--memory-rows", type=int, nargs="*", default=[10_000, 200_000], help="sizes; none: skip")
    parser.add_argument("--uploads", type=int, default=20, help="uploads into a running `rowline dev`; 0: none")
    parser.add_argument("--no-file", action="store_true", help="print the tables only, leave results.md as it is")
    return parser.parse_args()


def parts(chosen: argparse.Namespace) -> Iterator[list[report.Section]]:
    """The tables, part by part, as they are measured."""
    if chosen.rounds:
        yield list(report.comparison_sections(comparison.compare(chosen.rows, chosen.rounds, console.print)))
    if chosen.store_rounds:
        yield [stores.measure(chosen.rows, chosen.store_rounds, console.print)]
    if chosen.uploads:
        yield [report.latency_section(latency.measure(chosen.uploads, console.print))]
    if chosen.memory_rows:
        yield [report.memory_section(memory.measure(chosen.memory_rows, console.print))]


def main() -> None:
    chosen = options()
    # stopped from outside, every part still ends what it started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    command = " ".join(["python -m benchmarks.documents", *sys.argv[1:]])
    sections: list[report.Section] = []
    for part in parts(chosen):
        report.show(part)
        sections += part
        if not chosen.no_file:  # at once: a part that fails later costs only itself
            report.write(sections, command)


if __name__ == "__main__":
    main()
