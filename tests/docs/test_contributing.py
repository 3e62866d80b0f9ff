"""CONTRIBUTING.md is short, and every file and command that it names exists."""

from __future__ import annotations

import re

import pytest

from ashare_local import PROJECT

PAGES = ("CONTRIBUTING.md", "CONTRIBUTING.zh-CN.md")
each_page = pytest.mark.parametrize("page", PAGES)


def text_of(page: str) -> str:
    return (PROJECT / page).read_text(encoding="utf-8")


@each_page
def test_it_is_short(page: str) -> None:
    assert len(text_of(page).splitlines()) < 150


@each_page
def test_every_path_exists(page: str) -> None:
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL))
    paths = [
        name for name in quoted if re.fullmatch(r"[\w./-]+", name) and ("/" in name or re.search(r"\.\w+$", name))
    ]
    assert len(paths) > 30
    below = (PROJECT, PROJECT / "include" / "ashare")
    assert [path for path in paths if not any((folder / path).exists() for folder in below)] == []


@each_page
def test_the_folders_of_the_picture_exist(page: str) -> None:
    (picture,) = re.findall(r"```text\n(.*?)```", text_of(page), re.DOTALL)
    folders = re.findall(r"[\w/]+/(?=[\s,])", picture)
    assert len(folders) > 8
    below = (PROJECT, PROJECT / "include" / "ashare")
    assert [folder for folder in folders if not any((place / folder).is_dir() for place in below)] == []


@each_page
def test_every_command_exists(page: str) -> None:
    text = text_of(page)
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    assert named and named <= targets
    for module in re.findall(r"python -m (tests[\w.]+)", text):
        assert (PROJECT / module.replace(".", "/")).with_suffix(".py").is_file(), module
    commands = re.findall(r"^\.venv/bin/python -m pytest -q -n 0 (\S+)(?: -k (\w+))?$", text, re.MULTILINE)
    assert len(commands) == 3
    for file, name in commands:
        assert f"def {name or 'test_'}" in (PROJECT / file).read_text(encoding="utf-8"), (file, name)


@each_page
def test_every_quoted_name_is_in_the_code(page: str) -> None:
    for name, file in (
        ("check_bars", "include/ashare/checks.py"),
        ("BAR_COLUMNS", "include/ashare/datasets.py"),
        ("FIELDS", "include/ashare/read_columns.py"),
        ("AshareError", "include/ashare/errors.py"),
        ("TEXTS", "tests/unit/test_settings.py"),
        ("Settings", "include/ashare/settings.py"),
    ):
        assert f"`{name}`" in text_of(page)
        assert re.search(rf"^(def |class )?{name}\b", (PROJECT / file).read_text(encoding="utf-8"), re.MULTILINE), (
            name
        )
