"""The pages of the site: each in both languages, the command line as it is, links that the site has to make."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath

import pytest

from ashare.messages import chinese_templates, understand
from ashare_local import PROJECT
from docs.tools.project_links import anchors, with_english_anchors, with_links_to_english
from tests.docs.markdown import code_blocks

DOCS = PROJECT / "docs"
ENGLISH_ONLY = {"changes"}
"""Pages without a Chinese text: the site shows the English one."""
PAIRS = {path.name.removesuffix(".zh.md"): path for path in sorted(DOCS.glob("*.zh.md"))}


def english(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def chinese(name: str) -> str:
    return PAIRS[name].read_text(encoding="utf-8")


def test_every_page_is_there_in_both_languages() -> None:
    pages = {path.stem for path in DOCS.glob("*.md") if not path.name.endswith(".zh.md")}
    assert pages - set(PAIRS) == ENGLISH_ONLY
    assert set(PAIRS) <= pages


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
        options = set(re.findall(r"^ +(?:-\w.*, )?(--[\w-]+)", told_by(command), re.MULTILINE)) - {"--help"}
        assert [option for option in options if f"`{option}`" not in document] == [], command


def test_the_command_line_has_every_target_of_make() -> None:
    targets = re.findall(r"^([a-z-]+):.*?## ", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(targets) > 15
    assert [name for name in targets if f"`make {name}`" not in english("command-line")] == ["help"]


def test_the_api_has_every_route_and_its_example_is_what_a_reply_has() -> None:
    def shape(path: str) -> str:
        return re.sub(r"{\w+}", "{}", path)

    page = english("api")
    named = {shape(path) for path in re.findall(r"`(?:GET |POST )?([\w{}/-]+)[?\w&]*`", page)}
    code = "".join(
        file.read_text(encoding="utf-8") for file in (PROJECT / "plugins/ashare_airflow/page").glob("*.py")
    )
    routes = re.findall(r"^@\w*router\.(?:get|post)\(\s*\"/([^\"]+)", code, re.MULTILINE)
    assert len(routes) > 25
    assert {shape(path) for path in routes} - named == {"health"}
    (example,) = [block.text for block in code_blocks(page) if block.language == "json"]
    sentences = json.loads(example)["sentences"]
    assert sentences == {text: json.loads(json.dumps(understand(text))) for text in sentences}
    assert f"`{chinese_templates()['bars_lacking']}`" in page


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


def test_a_link_from_a_chinese_page_to_its_english_one_leads_out_of_the_chinese_site() -> None:
    chinese = "See [模块](one.md#dags) and [two](two.md)."
    linked = with_links_to_english(chinese, PurePosixPath("decisions/one.md"))
    assert linked == 'See <a href="../../decisions/one.html#dags">模块</a> and [two](two.md).'
