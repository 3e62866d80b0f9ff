"""README.md is short in both languages, and its three steps are those of the documents."""

from __future__ import annotations

import re

import pytest

from ashare_local import PROJECT
from tests.docs.markdown import code_blocks

READMES = {name: (PROJECT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")}


@pytest.mark.parametrize("name", READMES)
def test_it_is_read_in_one_go(name: str) -> None:
    assert len(READMES[name].splitlines()) < 200


def test_the_three_steps_are_those_of_the_document() -> None:
    steps = re.split(r"^## ", READMES["README.md"], flags=re.MULTILINE)
    (section,) = [step for step in steps if step.startswith("Install in three steps\n")]
    commands = code_blocks(section)
    assert len(commands) == 3
    document = code_blocks((PROJECT / "docs" / "install.md").read_text(encoding="utf-8"))
    assert [each for each in document if each in commands] == commands
