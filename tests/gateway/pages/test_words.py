"""Words are in the catalogues, in both languages, and nowhere else."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.pages.localization import LANGUAGES, Language, catalogue
from gateway.pages.rendering import environment, static_folder

PAGES = static_folder().parent
TEMPLATES = sorted((PAGES / "templates").glob("*.html"))
NAMES = {"Rowline"}  # the same in every language
SPOKEN = ("title", "placeholder", "alt", "aria-label", "label", "content")


def test_both_languages_say_the_same_things() -> None:
    assert set(catalogue("ko")) == set(catalogue("en"))
    assert [key for code in LANGUAGES for key, words in catalogue(code).items() if not words] == []


def test_both_languages_fill_in_the_same_values() -> None:
    def values(code: str, key: str) -> set[str]:
        words = catalogue(code)[key]
        return set(re.findall(r"{(\w+)}", " ".join(words.values()) if isinstance(words, Mapping) else words))

    assert [key for key in catalogue("en") if values("en", key) != values("ko", key)] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_bare_text(template: Path) -> None:
    """What Jinja would write as it stands: between tags and in attributes that are read aloud, no word."""
    tokens = environment().lex(template.read_text("utf-8"))
    data = "".join(value if kind == "data" else "\0" for _, kind, value in tokens if kind != "whitespace")
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", data, flags=re.S)
    spoken = re.findall(rf'\s(?:{"|".join(SPOKEN)})="([^"]*)"', text)
    spoken = [words for words in spoken if not words.startswith(("width=", "light", "5"))]  # of meta, not spoken
    words = " ".join([re.sub(r"<[^>]*>", " ", text), *spoken])
    assert set(re.findall(r"[^\W\d_]{2,}", words)) - NAMES == set()


def test_every_key_that_is_said_exists_and_every_key_is_said() -> None:
    """`t("nav.skip")` names one; `t("status." ~ status)` names all of them that begin so."""
    known = set(catalogue("en"))
    sources = [path.read_text("utf-8") for path in (*TEMPLATES, *PAGES.glob("*.py"))]
    text = "\n".join(sources)
    prefixes = set(re.findall(r't\(["\'](\w+\.\w*)["\']\s*~', text)) | set(re.findall(r'say\(f"(\w+\.\w*){', text))
    prefixes |= {f"{found}" for found in re.findall(r't\(\(?["\'](\w+\.\w*)["\'] ~', text)}
    named = set(re.findall(r'\bt\(["\'](\w+\.\w+)["\']\s*[,)]', text)) | set(re.findall(r'say\("(\w+\.\w+)"', text))
    assert named - known == set()
    unsaid = {key for key in known - named if not any(key.startswith(prefix) for prefix in prefixes)}
    assert unsaid == set()


def test_no_page_holds_a_script_or_a_style() -> None:
    """The policy forbids them, so one that slips in would be dead."""
    for template in TEMPLATES:
        text = template.read_text("utf-8")
        assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text) == [], template.name


def test_plurals_follow_the_language() -> None:
    assert Language("en").say("errors.title", n=1) == "1 error row"
    assert Language("en").say("errors.title", n=1200) == "1,200 error rows"
    assert Language("ko").say("errors.title", n=1) == "오류 1행"


@pytest.mark.parametrize(
    ("milliseconds", "ko", "en"),
    [
        (40, "0.0초", "0.0 s"),
        (59_940, "59.9초", "59.9 s"),
        (59_960, "1분 0초", "1 min 0 s"),
        (754_000, "12분 34초", "12 min 34 s"),
        (90_000_000, "25시간 0분", "25 h 0 min"),
    ],
)
def test_times_are_written_in_units_that_fit(milliseconds: float, ko: str, en: str) -> None:
    assert (Language("ko").seconds(milliseconds), Language("en").seconds(milliseconds)) == (ko, en)


def test_scripts_hold_no_words() -> None:
    """Words come to them in `data-` attributes; nothing else is ever shown."""
    for script in static_folder().glob("*.js"):
        code = re.sub(r"//[^\n]*", "", script.read_text("utf-8"))
        assert re.findall(r"textContent = [\"']", code) == [], script.name


def test_python_holds_no_words() -> None:
    """Strings of three words and more in the modules of pages are docstrings, or refusals, which apps read too."""
    wrong = []
    for path in PAGES.glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        homes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
        known = {ast.get_docstring(node, False) for node in ast.walk(tree) if isinstance(node, homes)}
        raised = [part for node in ast.walk(tree) if isinstance(node, ast.Raise) for part in ast.walk(node)]
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            told = text in known or node in raised
            if not told and re.search(r"[a-z가-힣]{2,} [a-z가-힣]{2,} [a-z가-힣]{2,}", text):
                wrong.append(f"{path.name}:{node.lineno} {text}")
    assert wrong == []
