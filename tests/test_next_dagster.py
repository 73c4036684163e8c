"""`.ci/next-dagster` finds the newest whole set of Dagster's packages; pip decides, over a folder of packages."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from settings.settings import PROJECT_ROOT

COMMAND = PROJECT_ROOT / ".ci" / "next-dagster"
PACKAGES = ("dagster-webserver", "dagster-dg-cli", "dagster-postgres", "dagster-aws")


def wheel(folder: Path, name: str, version: str, core: str | None = None) -> None:
    """A package without content that wants this version of the core, as Dagster's do."""
    stem = f"{name.replace('-', '_')}-{version}"
    needs = f"Requires-Dist: dagster=={core}\n" if core else ""
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(
            f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        )
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """1.13.27 to 1.13.110 are there as cores; the last whole set is 1.13.100, which sorts before 1.13.27 as text."""
    for patch in (27, 28, 100, 110):
        wheel(tmp_path, "dagster", f"1.13.{patch}")
        for name in PACKAGES:
            if patch < 110 and (patch != 28 or name != "dagster-aws"):
                major = "0.29" if name in ("dagster-postgres", "dagster-aws") else "1.13"
                wheel(tmp_path, name, f"{major}.{patch}", f"1.13.{patch}")
    return tmp_path


@pytest.mark.parametrize(("options", "core"), [([], "1.13.100"), (["--ahead"], "1.13.110")])
def test_the_newest_set_is_found(index: Path, options: list[str], core: str):
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        [sys.executable, COMMAND, "--show", *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    moved = dict(part.rsplit(" → ", 1) for part in done.stdout.strip().split(", "))
    versions = {name.split()[0]: version for name, version in moved.items()}
    assert versions == {
        "dagster": core,
        "dagster-webserver": "1.13.100",
        "dagster-dg-cli": "1.13.100",
        "dagster-postgres": "0.29.100",
        "dagster-aws": "0.29.100",
    }
