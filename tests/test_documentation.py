"""The documentation agrees with the code: commands, settings, jobs, sensors, decisions, paths, links."""

import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from docs.lineage_picture import PICTURE, drawing
from docs.settings_table import END, PAGE, START, settings_table, with_table
from gateway.cli.main import app
from settings.settings import PROJECT_ROOT, Settings

ROOT = PROJECT_ROOT
README = ROOT / "README.md"
DECISIONS = ROOT / "docs" / "decisions"
HEADING = re.compile(r"^## (?:\[?Unreleased\]?|\[?\d+\.\d+\.\d+\]?(?: [-–] \d{4}-\d{2}-\d{2})?)$", re.IGNORECASE)
SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FOLDERS = (
    *(
        "domain",
        "formats",
        "settings",
        "resources",
        "operations",
        "assets",
        "sensors",
        "pipelines",
        "gateway",
        "rowline",
    ),
    *("migrations", "deploy", "docs", "samples", "benchmarks", "tests"),
)
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./{{}},-]*")
STATUS_REPORTS = re.compile(r"(COMPLETE|STATUS|SUMMARY|PROGRESS|REPORT|DONE)\w*\.md", re.IGNORECASE)


def commands(group: Any, so_far: str = "rowline") -> Iterator[str]:
    """Every command of the `rowline` tool, groups spelled out."""
    for name, command in group.commands.items():
        whole = f"{so_far} {name}"
        if hasattr(command, "commands"):
            yield from commands(command, whole)
        else:
            yield whole


def guide() -> str:
    """README and docs/ without the decisions."""
    pages = [README, *sorted((ROOT / "docs").rglob("*.md"))]
    return "\n".join(page.read_text("utf-8") for page in pages if DECISIONS not in page.parents)


def fenced(text: str) -> str:
    return "\n".join(re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def headings(text: str) -> set[str]:
    """Anchors that GitHub makes of the headings."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_the_readme_starts_with_the_two_commands() -> None:
    """A newcomer runs the demo and the tests before any other command."""
    typed = re.findall(r"^(?:\$ )?((?:make|rowline) [a-z-]+)", fenced(README.read_text("utf-8")), re.MULTILINE)
    assert typed[:2] == ["make demo", "make test"]


def test_every_make_target_in_the_guide_exists() -> None:
    typed = re.findall(r"^(?:\$ )?make ([a-z][a-z-]*)", fenced(guide()), re.MULTILINE)
    named = re.findall(r"`make ([a-z][a-z-]*)`", guide())
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {*typed, *named} - targets == set()
    assert {"setup", "demo", "dev", "test", "test-fast", "check", "checks", "bench"} <= targets


def test_make_lists_every_target_and_does_nothing_else() -> None:
    """From the `##` comments; `make` alone is `make help`."""
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert targets is not None
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout
    assert sorted(re.findall(r"^  make (\S+) +\S", listed, re.MULTILINE)) == sorted(targets[1].split())


def test_the_table_of_settings_is_the_settings_class() -> None:
    """Renew with `python -m docs.settings_table --write`."""
    page = PAGE.read_text("utf-8")
    assert START in page
    assert with_table(page) == page, "run `python -m docs.settings_table --write`"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_in_the_table(name: str) -> None:
    field = Settings.model_fields[name]
    [line] = [line for line in settings_table().splitlines() if line.startswith(f"| `{name.upper()}` |")]
    assert field.description
    assert field.description in line


def test_the_settings_table_is_the_same_on_every_computer() -> None:
    """No home folder, no path of the machine that made it, no secret."""
    assert str(ROOT) not in settings_table()
    assert str(Path.home()) + "/" not in settings_table()


def test_a_page_without_the_marks_is_refused_and_not_overwritten() -> None:
    for broken in ("no marks", START, f"{END}\n{START}", f"{START}{END}{START}{END}"):
        with pytest.raises(ValueError, match="needs one line"):
            with_table(broken)


def test_the_table_replaces_only_what_is_between_the_marks() -> None:
    page = with_table(f"before\n{START}\nold\n{END}\nafter")
    assert page == f"before\n{START}\n{settings_table()}\n{END}\nafter"
    assert with_table(page) == page


def test_every_command_is_in_the_guide() -> None:
    """A command without documentation cannot be found."""
    text = guide()
    listed = list(commands(typer.main.get_command(app)))
    assert "rowline upload" in listed
    assert [command for command in listed if not re.search(rf"{command}\b", text)] == []


def test_every_command_in_the_guide_exists() -> None:
    """The commands of console blocks are commands of the program."""
    listed = set(commands(typer.main.get_command(app)))
    existing = {" ".join(command.split()[: i + 1]) for command in listed for i in range(1, 3)}
    named = {f"rowline {word}" for word in re.findall(r"^\s*(?:\$ )?rowline ([a-z][a-z-]+)", fenced(guide()), re.M)}
    assert named - existing == set()


def test_every_job_and_sensor_and_asset_is_in_the_guide() -> None:
    repository = importlib.import_module("pipelines.definitions").defs.get_repository_def()
    names = [job.name for job in repository.get_all_jobs() if not job.name.startswith("__")]
    names += [sensor.name for sensor in repository.sensor_defs]
    names += [key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()]
    text = guide()
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_the_changelog_keeps_its_form() -> None:
    """Keep a Changelog: versions under `## `, newest first, sections of six names under `### `."""
    lines = (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
    assert lines[0] == "# Changelog"
    versions = [line for line in lines if line.startswith("## ")]
    assert versions
    assert [line for line in versions if not HEADING.fullmatch(line)] == []
    assert {line.removeprefix("### ") for line in lines if line.startswith("### ")} <= SECTIONS
    released = [tuple(map(int, number)) for number in re.findall(r"^## \[?(\d+)\.(\d+)\.(\d+)", "\n".join(lines), re.M)]
    assert released == sorted(released, reverse=True)


def test_the_contributing_page_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()) < 80


def test_decisions_are_numbered_without_gaps() -> None:
    names = sorted(path.name for path in DECISIONS.glob("*.md") if path.name != "README.md")
    assert names, "docs/decisions has no decision"
    assert [name for name in names if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)] == []
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_every_decision_that_the_code_cites_is_there() -> None:
    """A comment cites `ADR 0004`, so that page must exist."""
    existing = {path.name[:4] for path in DECISIONS.glob("*.md")}
    sources = [path for folder in FOLDERS[:10] for path in (ROOT / folder).rglob("*.py")]
    sources += [ROOT / name for name in ("pyproject.toml", "dagster.yaml")]
    cited = {(path.name, n) for path in sources for n in re.findall(r"ADR (\d{4})", path.read_text("utf-8"))}
    assert {citation for citation in cited if citation[1] not in existing} == set()


def test_links_between_pages_lead_somewhere() -> None:
    """Files exist, headings exist; addresses of the web are not requested."""
    pages = [page for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if page.is_file()]
    broken = []
    for page in pages:
        for target in LINK.findall(re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path) if path else page
            if not file.exists() or (anchor and file.suffix == ".md" and anchor not in headings(file.read_text())):
                broken.append(f"{page.relative_to(ROOT)} → {target}")
    assert broken == []


def test_paths_that_pages_name_are_there() -> None:
    """`folder/file.py` and `folder/` in backticks, from the root or from the page's own folder."""
    pages = (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").glob("*.md"))
    missing = []
    for page in pages:
        if page.name == "CHANGELOG.md":  # speaks of what was, too
            continue
        for code in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)):
            for path in expanded(code) if PATH.fullmatch(code) else ():
                if not any((folder / path).exists() for folder in (ROOT, page.parent)):
                    missing.append(f"{page.relative_to(ROOT)} → {path}")
    assert missing == []


def expanded(code: str) -> list[str]:
    """`a/{b,c}.py` as a shell reads it."""
    braces = re.fullmatch(r"(.*)\{(.+)\}(.*)", code)
    if not braces:
        return [code]
    return [f"{braces[1]}{name}{braces[3]}" for name in braces[2].split(",")]


def test_the_picture_of_lineage_is_what_its_script_draws() -> None:
    """Renew with `python -m docs.lineage_picture`."""
    assert PICTURE.read_text("utf-8") == "\n".join(drawing()) + "\n"


def test_no_status_report_lies_in_the_tree() -> None:
    """Completed work is in the log of git; changes are in CHANGELOG."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert [page.name for page in pages if STATUS_REPORTS.fullmatch(page.name)] == []
