"""The demo from outside: a process of its own, a home of its own, run twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME")


@pytest.fixture
def home() -> Iterator[Path]:
    """Short, because the path of a PostgreSQL socket may have 107 characters only."""
    folder = Path(tempfile.mkdtemp(prefix="rl"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def demo(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run in `home`, where no `.env` of the developer is found."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    return subprocess.run(
        [sys.executable, *(command or ("-m", "samples.demo"))],
        cwd=home,
        env=environment | {"ROWLINE_HOME": str(home), "PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_the_demo_shows_the_way_from_workbook_to_source_row(home: Path) -> None:
    """Each question crosses to the row it should; the second run recognises its files."""
    first = demo(home)
    assert (first.returncode, first.stderr) == (0, "")
    for line in (
        "premiums_ko.xlsx (version 1): ✅ completed (완료) with 3 error rows",
        "60 rows: 55 kept, 0 unchanged, 2 duplicate, 3 error",
        "! 보험료, row 39: employee E1O04 (column employeeNumber) is not in the employee list",
        "97 rows: 97 kept",
    ):
        assert line in first.stdout
    assert first.stdout.count("✅ completed (완료)") == 6
    best = [block.splitlines()[1:3] for block in first.stdout.split("\n$ ")[1:4]]
    assert [(row.split("  ", 1)[1], place.strip()) for row, place in best] == [
        ("휴대전화 파손: 스마트폰을 떨어뜨려 화면이 깨지면 수리비를 보상합니다", "↳ policies_ko_en.xlsx, 국문, row 10"),
        ("상해보험 월보험료 10400원. 출장 중 사고 보장", "↳ premiums_ko.xlsx, 보험료, row 44"),
        (
            "Stolen bicycle: We pay for your bicycle when it was locked and stolen",
            "↳ policies_ko_en.xlsx, English, row 9",
        ),
    ]
    assert "policies_ko_en.xlsx v1 (live), English, row 9, batch 2, run " in first.stdout

    second = demo(home)
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout.count("(version 1): known already, nothing to do") == 5
    # the one with error rows is read again: the employee list might know more by now
    assert "premiums_ko.xlsx (version 2): ✅ completed (완료) with 3 error rows" in second.stdout
    assert "0 kept, 55 unchanged, 2 duplicate, 3 error · 0 vectors created, 0 deleted" in second.stdout
    assert "↳ policies_ko_en.xlsx, English, row 9" in second.stdout


@pytest.mark.slow
def test_the_demo_fails_where_a_document_fails_or_a_question_finds_nothing(home: Path) -> None:
    """A demo that ends well whatever happened would prove nothing."""
    only_a_locked_file = (
        "import sys; from samples import demo; "
        "demo.SAMPLES = (demo.Sample('../tests/data/workbooks/password.xls'),); sys.exit(demo.main())"
    )
    ended = demo(home, "-c", only_a_locked_file)
    assert ended.returncode == 1
    assert "password.xls (version 1): ❌ failed (실패)" in ended.stdout
    assert "Done in" not in ended.stdout
    lines = ended.stderr.splitlines()
    assert lines[0] == "✗ ../tests/data/workbooks/password.xls did not complete"
    assert len([line for line in lines if line.startswith("✗ nothing was found for: ")]) == 3
    assert len(lines) == 4, "one sentence for each trouble, no traceback, no log"
