"""README.md is short, what it has of the documents is what they say, and README.zh-CN.md is its equal."""

from __future__ import annotations

import re

import pytest

from ashare_local import PROJECT
from tests.docs.markdown import code_blocks, heading_levels

READMES = {name: (PROJECT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")}


@pytest.mark.parametrize("name", READMES)
def test_it_is_read_in_one_go(name: str) -> None:
    assert len(READMES[name].splitlines()) < 200


def test_both_have_the_same_sections_and_the_same_code() -> None:
    english, chinese = READMES.values()
    assert heading_levels(chinese) == heading_levels(english)
    assert code_blocks(chinese) == code_blocks(english)
    assert len(code_blocks(english)) > 8


def test_the_three_steps_are_those_of_the_document() -> None:
    steps = re.split(r"^## ", READMES["README.md"], flags=re.MULTILINE)
    (section,) = [step for step in steps if step.startswith("Install in three steps\n")]
    commands = code_blocks(section)
    assert len(commands) == 3
    document = code_blocks((PROJECT / "docs" / "install.md").read_text(encoding="utf-8"))
    assert [each for each in document if each in commands] == commands


@pytest.mark.parametrize("name", READMES)
def test_every_file_that_it_links_is_there(name: str) -> None:
    links = re.findall(r"\]\((?!\w+:)([^)#\s]+)", READMES[name])
    assert len(links) > 20
    assert [link for link in links if not (PROJECT / link).exists()] == []
