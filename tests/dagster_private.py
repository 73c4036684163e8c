"""What code uses of Dagster's private API, read from its syntax: imports, module names in strings, attributes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

PRIVATE_MODULE = re.compile(r"dagster(_\w+)?(\.\w+)*\._\w+(\.\w+)*|dagster_shared(\.\w+)*|dagster_postgres(\.\w+)+")
DAGSTER = re.compile(r"dagster(_\w+)?(\.|$)")
OTHER_MODULES = ("atexit", "os", "sys")  # whose private functions are not Dagster's


def private_imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of each private thing of Dagster that is imported; no name in `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names if PRIVATE_MODULE.fullmatch(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and DAGSTER.match(node.module):
            for alias in node.names:
                if PRIVATE_MODULE.fullmatch(node.module) or alias.name.startswith("_"):
                    yield node.lineno, node.module, alias.name


def private_module_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of each string that is the name of a private module, as for `import_module` or `sys.modules`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and PRIVATE_MODULE.fullmatch(node.value):
            yield node.lineno, node.value


def private_attributes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of each private attribute that this module reads or sets, and does not define itself.

    Empty for a module that imports nothing of Dagster.
    """
    if not any(_imports_dagster(node) for node in ast.walk(tree)):
        return
    own = set(_own_names(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            foreign = isinstance(node.value, ast.Name) and node.value.id in OTHER_MODULES
            if node.attr not in own and not foreign:
                yield node.lineno, node.attr


def _imports_dagster(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(DAGSTER.match(alias.name) for alias in node.names)
    return isinstance(node, ast.ImportFrom) and bool(DAGSTER.match(node.module or ""))


def _own_names(tree: ast.Module) -> Iterator[str]:
    """Names of this module's classes and functions, and the attributes that its classes set on themselves."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr
