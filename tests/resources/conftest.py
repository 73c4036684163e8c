"""At the end of a session: how many cases of each contract ran over each body."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

FIXTURES = ("store", "embedder")  # what a contract is parametrised by; the folder names the protocol
CONTRACT = "contract"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        chosen: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
        for body in (chosen[name] for name in FIXTURES if name in chosen):
            if item.path.is_relative_to(item.config.rootpath / "tests" / "resources"):
                # travels with the report, also out of a worker's process
                item.user_properties.append((CONTRACT, (item.path.parent.name, getattr(body, "__name__", str(body)))))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = [report for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    counts = Counter(tuple(value) for report in passed for name, value in report.user_properties if name == CONTRACT)
    if counts:
        terminalreporter.section("contract cases passed, by protocol and body")
        for (protocol, body), count in sorted(counts.items()):
            terminalreporter.write_line(f"{protocol:<12}{body:<12}{count:>5}")
