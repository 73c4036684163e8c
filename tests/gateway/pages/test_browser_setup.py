"""`make browser` on machines that are not this one: a browser, or one sentence that says what to do."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from settings.settings import PROJECT_ROOT

SCRIPT = PROJECT_ROOT / ".ci" / "browser"
Told = subprocess.CompletedProcess[str]


@pytest.fixture
def machine(tmp_path: Path) -> Callable[..., Told]:
    """Runs the script where these commands are all that there is."""

    def ran(**commands: str) -> Told:
        for name, body in commands.items():
            file = tmp_path / name.replace("_", "-")
            file.write_text(f"#!/bin/bash\n{body}\n")
            file.chmod(0o755)
        return subprocess.run(
            ["/bin/bash", SCRIPT], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
        )

    return ran


def test_a_browser_that_starts_is_enough(machine: Callable[..., Told]) -> None:
    told = machine(google_chrome="exit 0", apt_get="exit 9")
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_root_on_debian_gets_one(machine: Callable[..., Told], tmp_path: Path) -> None:
    """One that is there and does not start, as Ubuntu's stand-in for a snap, is none."""
    browser = tmp_path / "chromium"
    install = f"[ $1 = update ] || {{ echo noise; echo '#!/bin/bash' > {browser}; /bin/chmod +x {browser}; }}"
    told = machine(chromium_browser="exit 1", id="echo 0", apt_get=install)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("Installing")
    assert "noise" not in told.stdout


@pytest.mark.parametrize(
    ("commands", "why"),
    [
        ({"id": "echo 0"}, "there is no apt-get"),
        ({"id": "echo 1000", "apt_get": "exit 0"}, "only root may"),
        ({"id": "echo 0", "apt_get": "exit 0"}, "does not start"),
    ],
)
def test_elsewhere_one_sentence_says_what_to_do(
    machine: Callable[..., Told], commands: dict[str, str], why: str
) -> None:
    told = machine(**commands)
    assert told.returncode == 1
    assert why in told.stderr
    assert "sudo apt-get install chromium" in told.stderr
    assert told.stderr.count("\n") == 1


def test_what_apt_has_to_say_is_told_where_it_fails(machine: Callable[..., Told]) -> None:
    told = machine(id="echo 0", apt_get="echo 'E: Unable to locate package' >&2; exit 100")
    assert told.returncode == 1
    assert told.stderr.startswith("E: Unable to locate package\nThe tests of the pages need a browser")
