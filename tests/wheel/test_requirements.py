"""What the wheel says that it needs: all that is imported, nothing else, and in ranges that hold the pinned set."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ashare_local import PROJECT
from tests.wheel.building import build

PACKAGES = {
    "ashare": (PROJECT / "include/ashare", {"", "alerts", "lake"}),
    "ashare_emulator": (PROJECT / "include/ashare_emulator", {"", "emulator"}),
    "ashare_airflow": (PROJECT / "plugins/ashare_airflow", {"", "airflow"}),
}
"""Each package's folder, and the extras with which it works."""
OURS = {"ashare", "ashare_emulator", "ashare_airflow"}
WITHOUT = {"pytest"}
"""Imported by the fixtures, which only pytest itself imports."""
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def requirements(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Requirement]]:
    """By extra; under no name what is always needed."""
    (wheel,) = build(tmp_path_factory.mktemp("dist")).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    extras: list[str] = metadata.get_all("Provides-Extra", [])
    assert extras == ["airflow", "alerts", "all", "emulator", "lake"]
    found: dict[str, list[Requirement]] = {extra: [] for extra in ("", *extras)}
    for line in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(line)
        extra = next((extra for extra in extras if f'extra == "{extra}"' in line.replace("'", '"')), "")
        found[extra].append(requirement)
    return found


@cache
def pinned_set() -> list[tuple[str, str, Marker | None]]:
    """Name, version and marker of every line of constraints.txt."""
    lines = re.findall(
        r"^([\w.-]+)==(\S+)(?: ; (.+))?$", (PROJECT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    return [(canonicalize_name(name), version, Marker(marker) if marker else None) for name, version, marker in lines]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_pinned_set_is_within_every_range(requirements: dict[str, list[Requirement]], python: str) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.1"}
    pinned = {
        name: version for name, version, marker in pinned_set() if marker is None or marker.evaluate(environment)
    }
    needed = [one for group in requirements.values() for one in group]
    assert len(needed) > 8
    for requirement in needed:
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_imports_is_declared(requirements: dict[str, list[Requirement]], package: str) -> None:
    folder, extras = PACKAGES[package]
    declared: set[str] = {canonicalize_name(one.name) for extra in extras for one in requirements[extra]}
    if "apache-airflow" in declared:
        # Airflow is what those modules extend, so they import what Airflow itself is built of.
        declared |= {canonicalize_name(Requirement(line).name) for line in requires("apache-airflow-core") or ()}
        declared.add("apache-airflow-core")
    assert distributions(folder) - declared - WITHOUT == set()


def test_nothing_else_is_declared(requirements: dict[str, list[Requirement]]) -> None:
    imported = {name for folder, _ in PACKAGES.values() for name in distributions(folder)}
    declared = {canonicalize_name(one.name) for group in requirements.values() for one in group}
    # The first is all code of the distributions it needs; the second is asked for by fsspec for `s3://`.
    assert declared - imported == {"apache-airflow", "s3fs"}


def distributions(folder: Path) -> set[str]:
    """The distributions whose modules a package imports when it runs."""
    known = packages_distributions()
    found: set[str] = set()
    for file in folder.rglob("*.py"):
        for module in imports(ast.parse(file.read_text(encoding="utf-8"))):
            top = module.partition(".")[0]
            if top in OURS or top not in known:  # of the standard library
                continue
            found.add(airflow_distribution(module) if top == "airflow" else canonicalize_name(known[top][0]))
    return found


def airflow_distribution(module: str) -> str:
    """Airflow's packages share one name."""
    if match := re.match(r"airflow\.providers\.(\w+)", module):
        return f"apache-airflow-providers-{match[1]}"
    return "apache-airflow-task-sdk" if module.startswith("airflow.sdk") else "apache-airflow-core"


def imports(node: ast.AST) -> Iterator[str]:
    """Modules, but for those that are imported for type checking."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
    for child in ast.iter_child_nodes(node):
        yield from imports(child)
