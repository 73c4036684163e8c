"""`python -m benchmarks.documents`: all benchmarks of the document graph, a table, and `results.md`."""

import argparse
import sys

from rich.console import Console

from benchmarks import comparison, latency, memory, report

console = Console(stderr=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documents", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the compared workbook")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of Rowline and the limit by hand; 0: none")
    parser.add_argument("--memory-rows", type=int, nargs="*", default=[10_000, 200_000], help="sizes; none: skip")
    parser.add_argument("--uploads", type=int, default=20, help="uploads into a running `rowline dev`; 0: none")
    parser.add_argument("--no-file", action="store_true", help="print the tables only, leave results.md as it is")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    sections: list[report.Section] = []
    server = ""
    if chosen.rounds:
        compared = comparison.compare(chosen.rows, chosen.rounds, console.print)
        server = compared.server
        sections += report.comparison_sections(compared)
    if chosen.memory_rows:
        sections.append(report.memory_section(memory.measure(chosen.memory_rows, console.print)))
    if chosen.uploads:
        sections.append(report.latency_section(latency.measure(chosen.uploads, console.print)))
    report.show(sections)
    if not chosen.no_file:
        report.write(sections, server, " ".join(["python -m benchmarks.documents", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
