"""The house: which folder may import which, how large a module may be, and names that say one thing."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ashare.store.queries import queries
from ashare_local import PROJECT

FOLDERS = {
    "ashare": PROJECT / "include" / "ashare",
    "ashare_emulator": PROJECT / "include" / "ashare_emulator",
    "ashare_local": PROJECT / "include" / "ashare_local",
    "ashare_airflow": PROJECT / "plugins" / "ashare_airflow",
    "dags": PROJECT / "dags",
}
MAY_IMPORT = {
    "ashare": {"ashare"},
    "ashare_emulator": {"ashare_emulator", "ashare"},
    "ashare_local": {"ashare_local", "ashare"},
    "ashare_airflow": {"ashare_airflow", "ashare"},
    "dags": {"ashare_airflow", "ashare"},
}
MOST_LINES = 400
PUNS = set("alone another told said counted caught Catch Known Wish Harvest Patient mine ours theirs".split())

OTHER_DATABASES = {
    "ashare/lake/duckdb_views.py": "writes views into a file of DuckDB's",
    "ashare_local/airflow_health.py": "reads Airflow's own database",
    "ashare_local/postgres.py": "administers the embedded server",
}
"""Modules outside of the store that execute SQL, which is none of the schema ``ashare``."""
SQL_CALLS = re.compile(r".*\.(cursor|execute|executemany)|(.*\.)?store\.rows")
"""Methods of connections and of the store."""
AIRFLOW_SESSION = "session.execute"
"""SQLAlchemy, on Airflow's own database."""


def modules() -> Iterator[tuple[str, Path]]:
    for name, folder in FOLDERS.items():
        for file in sorted(folder.rglob("*.py")):
            yield f"{name}/{file.relative_to(folder).as_posix()}", file


MODULES = dict(modules())


def imported(file: Path) -> set[str]:
    """Every module that a file imports, within functions and for type checking, too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("name", MODULES)
def test_arrows_point_one_way(name: str) -> None:
    folder = name.partition("/")[0]
    tops = {module.partition(".")[0] for module in imported(MODULES[name])}
    assert tops & set(FOLDERS) <= MAY_IMPORT[folder]
    if folder in ("ashare", "ashare_emulator"):
        assert "airflow" not in tops


@pytest.mark.parametrize(
    ("inside", "others"),
    [("ashare/source/", ("ashare.store", "ashare.sync")), ("ashare/store/", ("ashare.source", "ashare.sync"))],
)
def test_source_and_store_know_nothing_of_each_other(inside: str, others: tuple[str, ...]) -> None:
    for name, file in MODULES.items():
        if name.startswith(inside):
            assert not [module for module in imported(file) if module.startswith(others)], name


def sql_calls(file: Path) -> set[str]:
    """The calls in a file that execute SQL."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    return {call for call in called - {AIRFLOW_SESSION} if SQL_CALLS.fullmatch(call)}


def test_sql_is_executed_in_the_store_only() -> None:
    for name, file in MODULES.items():
        if not name.startswith("ashare/store/"):
            assert "ashare.store.queries" not in imported(file), name
            assert bool(sql_calls(file)) == (name in OTHER_DATABASES), name


def test_every_statement_is_used() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in MODULES.values())
    for file in (FOLDERS["ashare"] / "store" / "queries").glob("*.sql"):
        assert [name for name in (file.stem, *queries(file.stem)) if f'"{name}"' not in code] == [], file.name


def test_a_module_is_one_thing() -> None:
    large = {
        name for name, file in MODULES.items() if len(file.read_text(encoding="utf-8").splitlines()) > MOST_LINES
    }
    assert large == set()


def test_no_two_modules_have_one_name() -> None:
    names = Counter(Path(name).name for name in MODULES)
    assert [name for name, count in names.items() if count > 1 and not name.startswith("__")] == []


def defined(file: Path) -> Iterator[str]:
    """Every name that a file gives to a class, a function, a parameter or a variable."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def test_names_are_nouns_and_verbs() -> None:
    for name, file in MODULES.items():
        assert PUNS.isdisjoint(defined(file)), name


def test_the_document_has_a_line_for_each_module() -> None:
    lines = Counter[str]()
    for folder in ("dags", "ashare_airflow", "ashare"):
        for file in FOLDERS[folder].rglob("*.py"):
            says = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]
            path = file.relative_to(FOLDERS[folder]).as_posix()
            lines[f"| `{path}` | " + says.removeprefix("### ").replace("|", r"\|") + " |"] += 1
    document = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert lines - Counter(document.splitlines()) == Counter()
    assert len(re.findall(r"^\| `\S+\.py` \|", document, re.M)) == lines.total()


def test_the_files_to_change_exist() -> None:
    document = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    changes = document.split("## Where to change what")[1].split("## `dags`")[0]
    paths = [path for path in re.findall(r"`([\w./-]+)`", changes) if "." in path or path.endswith("/")]
    assert len(paths) > 30
    static = FOLDERS["ashare_airflow"] / "page" / "static"
    places = [FOLDERS["ashare"], FOLDERS["ashare_airflow"], static, PROJECT]
    assert [path for path in paths if not any((place / path).exists() for place in places)] == []
