"""The sentences that the code composes, as their English shapes: an f-string's values are ``{}``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ashare_local import PROJECT

COMPOSED_IN = (
    *("include/ashare/sync", "include/ashare/source", "include/ashare/store", "include/ashare/alerts"),
    *(f"plugins/ashare_airflow/{name}" for name in ("page", "backfills", "histories", "report")),
    *(
        f"include/ashare/{name}.py"
        for name in "checks connection cost dates dry_run params reference_lists settings status".split()
    ),
    *(f"plugins/ashare_airflow/{name}.py" for name in ("connections", "context", "listeners", "source_check")),
)
"""Where sentences arise that the page or an alert can show."""

_IS_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|WITH|DELETE|CREATE|COPY|CASE|SET|LOCK|TRUNCATE|VALUES|ALTER)\b")
_WORDS = re.compile(r"[A-Za-z][a-z']+")


class Sentence(NamedTuple):
    """A sentence or a part of one. ``where`` is a file and a line."""

    shape: str
    where: str


def shape_of(template: str) -> str:
    """A template of the catalogue without its placeholders' names, or a text of the code.

    Without the marks at its start and its end, which it has as a part of another. Neighbouring placeholders are one.
    """
    return re.sub(r"(\{[^}]*\})+", "{}", template).strip().removeprefix("; ").removeprefix(", ").removesuffix(".")


def sentences() -> Iterator[Sentence]:
    """All texts of at least three words in these files, but for those that only a log or a developer reads."""
    for name in COMPOSED_IN:
        path = PROJECT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for shape, line in texts_of(file):
                if " " in shape and len(_WORDS.findall(shape)) >= 3 and not _IS_SQL.match(shape):
                    yield Sentence(shape, f"{file.relative_to(PROJECT)}:{line}")


def texts_of(file: Path) -> Iterator[tuple[str, int]]:
    """The texts of a file with their lines: no docstrings, no calls of a logger, no descriptions of a schema."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            left_out.add(id(node.value))
        elif isinstance(node, ast.Call) and _is_of_a_developer(node):
            left_out.update(id(inner) for argument in node.args for inner in ast.walk(argument))
        elif isinstance(node, ast.keyword) and node.arg in ("description", "examples"):
            left_out.update(map(id, ast.walk(node)))
        elif isinstance(node, ast.JoinedStr):
            left_out.update(id(part) for part in node.values if isinstance(part, ast.Constant))
    for node in ast.walk(tree):
        if id(node) not in left_out and (text := _text(node)) is not None:
            yield shape_of(text), getattr(node, "lineno", 0)


def _is_of_a_developer(call: ast.Call) -> bool:
    of = call.func
    return isinstance(of, ast.Attribute) and isinstance(of.value, ast.Name) and of.value.id == "log"


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("{", "(").replace("}", ")")
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value).replace("{", "(").replace("}", ")") if isinstance(part, ast.Constant) else "{}"
            for part in node.values
        )
    return None
