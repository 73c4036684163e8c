"""Runs the sessions of a documentation page: its files are written, its commands run, their output is compared.

    ```csv staff.csv          a file of the page, written into the current folder
    ```console                `$ rowline …` runs in this process, `$ export NAME=value` sets it for the commands below

Other blocks are not run. Ids, keys and seconds differ from run to run: the first id of the page stands for the first id
of the run, and so on. A line with only `…` stands for any number of lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.laws.command import Command

BLOCK = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ID = re.compile(r"doc_[0-9a-f]{32}|nt[cf]_[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CHANGING = (
    (re.compile(r"(?<=\S) {2,}"), "  "),  # a column is as wide as its longest name, which settings decide
    (re.compile(r"\brl_([a-z]+)_[0-9a-z]+_\S+"), r"rl_\1_KEY"),
    (re.compile(r"\b\d+\.\d s\b"), "# s"),
)
ANY_LINES = "…"


@dataclass
class Exchange:
    """A command of the page, the output that the page shows, and the output of the run."""

    command: str
    expected: list[str]
    actual: list[str]
    code: int


@dataclass
class Session:
    """Everything on a page, run in order. `replacements`: values of the page that a test must replace, such as URLs."""

    run: Command
    replacements: Mapping[str, str] = field(default_factory=dict)
    after: Callable[[Mapping[str, str]], None] = lambda environment: None
    environment: dict[str, str] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    page_ids: list[str] = field(default_factory=list)
    run_ids: list[str] = field(default_factory=list)

    def play(self, page: str) -> str:
        """Runs the page and returns it with the output of this run in place of its own."""

        def block(match: re.Match[str]) -> str:
            language, name, body = match.groups()
            if language == "console":
                return f"```console {name}".rstrip() + "\n" + self._console(body) + "```"
            if name:
                self.run.file(name, body)
            return match[0]

        return BLOCK.sub(block, page)

    def _console(self, body: str) -> str:
        renewed = []
        for command, expected in commands(body):
            actual, code = self._execute(command)
            self.exchanges.append(Exchange(command, expected, actual, code))
            remember(self.page_ids, expected)
            remember(self.run_ids, actual)
            renewed += [f"$ {self._with_ids_of_the_run(command)}"]
            renewed += expected if ANY_LINES in expected else actual
        return "\n".join(renewed) + "\n"

    def _execute(self, command: str) -> tuple[list[str], int]:
        words = shlex.split(self._with_ids_of_the_run(command), comments=True)
        for value, replacement in self.replacements.items():
            words = [word.replace(value, replacement) for word in words]
        if words[0] == "export":
            self.environment |= dict(word.split("=", 1) for word in words[1:])
            return [], 0
        if words[0] != "rowline":
            raise ValueError(f"A console block runs `rowline` and `export` only: {command}")
        said = self.run(*words[1:], **self.environment)
        self.after(self.environment)
        return [line.rstrip() for line in (said.out + said.err).splitlines()], said.code

    def _with_ids_of_the_run(self, text: str) -> str:
        known = dict(zip(self.page_ids, self.run_ids, strict=False))
        return ID.sub(lambda found: known.get(found[0], found[0]), text)

    def differences(self) -> Iterator[str]:
        """One text per command whose output or exit code is not what the page says."""
        for exchange in self.exchanges:
            expected = masked(exchange.expected, self.page_ids)
            actual = masked(exchange.actual, self.run_ids)
            if not matches(expected, actual):
                yield "\n".join([f"$ {exchange.command}", "page:", *expected, "run:", *actual])
            shows_failure = any(line.startswith("✗") or "❌" in line for line in exchange.actual)
            if (exchange.code != 0) != shows_failure:
                yield f"$ {exchange.command} ended with exit code {exchange.code}"


def commands(body: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block with the lines below it."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, *output = part.rstrip("\n").split("\n")
        yield command, output


def remember(ids: list[str], lines: list[str]) -> None:
    ids += [found for found in dict.fromkeys(ID.findall("\n".join(lines))) if found not in ids]


def masked(lines: list[str], ids: list[str]) -> list[str]:
    text = ID.sub(lambda found: f"<id {ids.index(found[0])}>", "\n".join(lines))
    for pattern, replacement in CHANGING:
        text = pattern.sub(replacement, text)
    return text.split("\n") if text else []


def matches(expected: list[str], actual: list[str]) -> bool:
    """Line by line; `…` in `expected` is any number of lines."""
    pattern = "".join(r"(?:.*\n)*?" if line == ANY_LINES else re.escape(line) + r"\n" for line in expected)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in actual)) is not None
