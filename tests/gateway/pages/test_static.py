"""Nothing lies about: each rule, icon and file is used by a page, and each that a page uses is there."""

import re
from pathlib import Path

from gateway.pages.rendering import static_folder

STATIC = static_folder()
TEMPLATES = [path.read_text("utf-8") for path in sorted((STATIC.parent / "templates").glob("*.html"))]
SCRIPTS = [path.read_text("utf-8") for path in sorted(STATIC.glob("*.js"))]
TEXT = "\n".join([*TEMPLATES, *SCRIPTS])
CSS = re.sub(r"/\*.*?\*/", "", (STATIC / "rowline.css").read_text("utf-8"), flags=re.S)


def said(word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", TEXT) is not None


def test_every_class_of_the_style_sheet_is_used() -> None:
    selectors = re.findall(r"([^{}]+)\{", CSS)
    classes = {name for selector in selectors for name in re.findall(r"\.([a-z][\w-]*)", selector)}
    assert {name for name in classes if not said(name)} == set()
    assert len(classes) > 50


def test_every_icon_is_used_and_there() -> None:
    there = set(re.findall(r'<symbol[^>]*\bid="([\w-]+)"', (STATIC / "icons.svg").read_text("utf-8")))
    assert {name for name in there if not said(name)} == set()
    assert set(re.findall(r'ui\.icon\("([\w-]+)"', TEXT)) - there == set()
    assert "circle-check" in there


def test_every_static_file_is_loaded() -> None:
    files = {path.name for path in STATIC.iterdir() if path.suffix != ".LICENSE"}
    loaded = set(re.findall(r"asset\('([\w.-]+)'\)", TEXT)) | set(re.findall(r'url\("([\w.-]+)"\)', CSS))
    assert files == loaded


def test_a_file_is_as_long_as_can_be_read() -> None:
    pages = [path for path in STATIC.parent.rglob("*") if path.suffix in (".py", ".html", ".css", ".js", ".yaml")]
    assert [str(path) for path in pages if lines(path) >= 400] == []


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())
