"""Error codes: each is described once, in the catalogue, on the page and wherever an error can be raised."""

from __future__ import annotations

import ast
import importlib
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.error_pages import PAGE, error_page
from domain.error_catalog import SECTIONS
from domain.errors import ErrorCode, NotFound, PermanentError, RowlineError
from settings.settings import PROJECT_ROOT

FOLDERS = ("domain", "formats", "settings", "resources", "operations", "assets", "sensors", "pipelines", "gateway")
SOURCES = [path for folder in FOLDERS for path in sorted((PROJECT_ROOT / folder).rglob("*.py"))]


def classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield path, node


def error_classes() -> dict[str, type[RowlineError]]:
    """Every subclass of RowlineError in the product's code, by its full name."""
    found: dict[str, type[RowlineError]] = {}
    for path, node in classes():
        if node.bases and re.search(r"\w", ast.unparse(node.bases[0])):
            module = ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts)
            if not any(base in ast.unparse(node) for base in ("Error", "Request", "Found", "Large", "File")):
                continue
            kind = getattr(importlib.import_module(module), node.name, None)
            if isinstance(kind, type) and issubclass(kind, RowlineError):
                found[f"{module}.{node.name}"] = kind
    return found


def used_codes() -> set[str]:
    """Names of the members of ErrorCode that product code outside of the two catalogues names."""
    names: set[str] = set()
    for path in SOURCES:
        if path.name != "error_catalog.py":
            names |= set(re.findall(r"\bErrorCode\.([A-Z_]+)", path.read_text("utf-8")))
    return names


def test_every_code_is_in_the_catalogue_once() -> None:
    listed = [code for section in SECTIONS for code in section.entries]
    assert sorted(listed) == sorted(ErrorCode)
    assert all(entry.meaning and entry.fix for section in SECTIONS for entry in section.entries.values())


def test_every_code_is_used_and_kebab_case() -> None:
    assert used_codes() == set(ErrorCode.__members__)
    assert [code for code in ErrorCode if not re.fullmatch(r"[a-z]+(-[a-z]+)*", code)] == []


def test_the_page_is_the_catalogue() -> None:
    assert PAGE.read_text("utf-8") == error_page(), "run `python -m docs.error_pages --write`"
    assert re.findall(r"^### (.+)$", error_page(), re.MULTILINE) == [
        code for section in SECTIONS for code in section.entries
    ]


def test_every_error_class_has_a_code() -> None:
    """Also those that inherit it: a new class under RowlineError itself would be reported as a defect of Rowline."""
    kinds = error_classes()
    assert "formats.errors.PasswordProtected" in kinds
    assert [name for name, kind in kinds.items() if not isinstance(kind.code, ErrorCode)] == []
    assert {name for name, kind in kinds.items() if kind.code is ErrorCode.INTERNAL_ERROR} == {
        "domain.errors.RowlineError"
    }


def test_nothing_raises_the_base_class_itself() -> None:
    raised = [
        str(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "RowlineError"
    ]
    assert raised == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermanentError("x"), ErrorCode.OPERATION_FAILED),
        (PermanentError("x", code=ErrorCode.VERSION_FAILED), ErrorCode.VERSION_FAILED),
        (NotFound("x"), ErrorCode.NOT_FOUND),
    ],
)
def test_a_code_survives_a_pickle(error: RowlineError, code: ErrorCode) -> None:
    """Errors travel between processes of a run."""
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.code) == (type(error), "x", code)


def test_a_code_of_one_error_is_not_its_classes() -> None:
    assert PermanentError("x", code=ErrorCode.VERSION_FAILED).code is ErrorCode.VERSION_FAILED
    assert PermanentError.code is ErrorCode.OPERATION_FAILED
