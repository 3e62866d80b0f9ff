"""The Chinese pages have what the English ones have: sections, code, rows of tables, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ashare_local import PROJECT
from docs.tools.project_links import anchors, with_english_anchors
from tests.docs.markdown import code_blocks, heading_levels

DOCS = PROJECT / "docs"
ENGLISH_ONLY = {"changes", "operations", "reliability", "performance", "architecture", "testing", "adding-a-dataset"}
"""Pages that may lack a Chinese text: the site shows the English one."""
SHORTER = {"architecture"}
"""Pages whose Chinese text leaves a part to the English one: lists of modules, which are their docstrings."""
PROSE = {"text", "mermaid"}
"""Languages of blocks whose words are translated."""
PAIRS = {path.name.removesuffix(".zh.md"): path for path in sorted(DOCS.glob("*.zh.md"))}


def english(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def chinese(name: str) -> str:
    return PAIRS[name].read_text(encoding="utf-8")


def links(markdown: str) -> list[str]:
    """The pages that are linked, without sections, which have other names in the other language."""
    return sorted(re.findall(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)", markdown))


def rows(markdown: str) -> int:
    return len(re.findall(r"^ *\|", markdown, re.MULTILINE))


def test_every_page_is_there_in_both_languages() -> None:
    pages = {path.stem for path in DOCS.glob("*.md") if not path.name.endswith(".zh.md")}
    assert pages - set(PAIRS) <= ENGLISH_ONLY
    assert set(PAIRS) <= pages


@pytest.mark.parametrize("name", [name for name in PAIRS if name not in SHORTER])
def test_the_chinese_page_has_the_same_sections_rows_and_links(name: str) -> None:
    assert heading_levels(chinese(name)) == heading_levels(english(name))
    assert rows(chinese(name)) == rows(english(name))
    assert links(chinese(name)) == links(english(name))


@pytest.mark.parametrize("name", PAIRS)
def test_the_chinese_page_has_the_same_code(name: str) -> None:
    one, other = (
        [block for block in code_blocks(text(name)) if block.language not in PROSE] for text in (english, chinese)
    )
    assert other == one


def test_the_command_line_has_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    from ashare.command import main

    def told_by(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            main([*arguments, "--help"])
        return capsys.readouterr().out

    document = english("command-line")
    commands = re.findall(r"^  (\w+) {2,}", told_by().split("\ncommands:\n")[1], re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        assert f"`ashare {command}" in document
        options = set(re.findall(r"(--\w+)", told_by(command))) - {"--help"}
        assert [option for option in options if f"`{option}`" not in document] == [], command


def test_the_command_line_has_every_target_of_make() -> None:
    targets = re.findall(r"^([a-z-]+):.*?## ", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(targets) > 15
    assert [name for name in targets if f"`make {name}`" not in english("command-line")] == ["help"]


def test_the_pages_name_their_chinese_images() -> None:
    named = {Path(image).name for name in PAIRS for image in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", chinese(name))}
    assert {"page-zh-light.png", "trade-date.zh.svg"} <= named


def test_a_chinese_page_has_the_anchors_of_the_english_one_and_its_own() -> None:
    one = "# A b\n\n```console\n# no heading\n```\n\n## `c` of [d](e.md)\n\n## A b\n"
    other = "# 甲\n\n```console\n# no heading\n```\n\n## 乙\n\n## A b\n"
    assert anchors(one) == ["a-b", "c-of-d", "a-b_1"]
    assert anchors(other) == ["甲", "乙", "a-b"]
    with_both = with_english_anchors(other, one)
    assert with_both.splitlines()[:5] == ["# 甲", "", "```console", "# no heading", "```"], "it has an a-b of its own"
    assert '<a id="c-of-d"></a>\n\n## 乙\n\n<a id="a-b_1"></a>\n\n## A b' in with_both
    assert with_english_anchors(other, "# A\n") == other, "no section is known to be another's"
