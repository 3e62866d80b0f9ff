"""docs/operations.md quotes messages: each is one that the code really has."""

from __future__ import annotations

import ast
import re
from functools import cache

from ashare_local import PROJECT

TEXT = (PROJECT / "docs/operations.md").read_text(encoding="utf-8")
OTHERS = (
    "required variable",
    "service ",
    "password authentication",
    "Timetable class",
    "Priority weight strategy class",
    "10001",
    "syncing",
    "unhealthy",
)
"""Of Compose, PostgreSQL, Airflow, Baostock, and words of ours that are no messages."""
SHORTEST = 12


@cache
def messages() -> str:
    """All texts of the code, what is filled in as ``…``."""
    found = [(PROJECT / "docker-compose.yaml").read_text(encoding="utf-8")]
    found += [file.read_text(encoding="utf-8") for file in (PROJECT / "include").rglob("*.sql")]
    for folder in ("include", "plugins"):
        for file in (PROJECT / folder).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            said_to_nobody = {
                id(node.value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            }
            for node in ast.walk(tree):
                if id(node) in said_to_nobody:  # docstrings
                    continue
                if isinstance(node, ast.JoinedStr):
                    parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                    found.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\n".join(found)


def quoted() -> list[str]:
    """What stands in the first column of a table of messages."""
    rows = re.findall(r"^\| (.*?`.*?) \| ", TEXT, re.MULTILINE)
    texts = [
        text.strip() for row in rows for text in re.findall(r"``(.+?)``|`([^`]+)`", row) for text in text if text
    ]
    return [text for text in texts if not text.startswith(OTHERS) and " " in text]


def test_every_message_is_one_that_is_printed() -> None:
    known = messages()
    assert len(quoted()) > 40
    for text in quoted():
        for part in text.split("…"):
            part = part.strip(" .;:,()")
            if len(part) >= SHORTEST:
                assert part in known, f"{part!r} of {text!r}"


def test_every_command_is_there() -> None:
    for module in set(re.findall(r"python -m (ashare[\w.]+)", TEXT)):
        path = PROJECT / "include" / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|&& |^)make ([a-z]+)", TEXT, re.MULTILINE)) <= targets


def test_the_changelog_is_of_this_version_and_schema() -> None:
    from ashare import __version__
    from ashare.store.migrate import MIGRATIONS
    from tests.deployed import version

    newest = re.search(
        r"^## (\S+) \(\d{4}-\d\d-\d\d\), schema version (\d+)$", (PROJECT / "CHANGELOG.md").read_text(), re.M
    )
    assert newest is not None
    assert newest[1] == version() == __version__
    assert int(newest[2]) == len(list(MIGRATIONS.glob("[0-9]*.sql")))
