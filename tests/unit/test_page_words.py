"""The page's words: each code that the page puts into words is one of the package's, and none is forgotten."""

from __future__ import annotations

import re

import pytest

from ashare import errors
from ashare.datasets import DATASETS, KINDS, REFERENCE_TABLES, WEEKLY_DATASETS
from ashare.messages import chinese
from ashare.status import OUT_OF_REACH, STATUSES
from ashare_airflow.page.security_search import MOST as MOST_FOUND
from ashare_airflow.page.sync_kinds import MOST
from ashare_local import PROJECT

STATIC = PROJECT / "plugins/ashare_airflow/page/static"
WORDS = (STATIC / "text.js").read_text(encoding="utf-8")


def group(name: str) -> dict[str, str]:
    """The keys of a group of words, with their Chinese."""
    (body,) = re.findall(rf"^  {name}: \{{\n(.*?)^  \}},$", WORDS, re.MULTILINE | re.DOTALL)
    found: dict[str, str] = dict(re.findall(r"(?:^|\s|')(\w[\w ]*)'?: \['[^']*', '([^']*)'\]", body))
    return found


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("datasets", {*DATASETS, *REFERENCE_TABLES}),
        ("weeklyLists", set(WEEKLY_DATASETS)),
        ("kinds", {*KINDS, "factor"}),
    ],
)
def test_a_group_has_the_registrys_names(name: str, codes: set[str]) -> None:
    assert set(group(name)) == codes


def test_every_status_of_a_date_has_its_words() -> None:
    assert set(group("status")) >= set(STATUSES)


def test_every_rule_of_a_cross_check_has_its_words() -> None:
    source = (PROJECT / "include/ashare/store/cross_check.py").read_text(encoding="utf-8")
    rules = re.findall(r"CrossCheck\(\s*\"(\w+)\"", source)
    assert len(rules) > 5
    assert set(group("checkRules")) == set(rules)


def test_every_outcome_without_an_answer_has_its_words_and_is_an_error() -> None:
    outcomes = set(group("outcomes"))
    assert outcomes >= set(OUT_OF_REACH)
    assert {name for name in outcomes if name not in ("no reply", "ProcessEnded")} <= set(vars(errors))


def test_no_chinese_word_is_one_that_this_project_does_not_use() -> None:
    """One word for one thing: a rejected row is 剔除, the budget is 请求额度, a sync is 同步."""
    for word in ("被拒", "补数", "预算", "回填", "名单"):
        assert word not in WORDS, word


def test_every_word_that_the_scripts_use_is_there_and_none_is_left_over() -> None:
    keys = set(re.findall(r"(?:^  |, |^)(\w+): (?:\[|\{)", WORDS[WORDS.index("const WORDS") :], re.MULTILINE))
    scripts = "".join(file.read_text("utf-8") for file in STATIC.glob("*.js"))
    used = set(re.findall(r"\bt\.(\w+)|text\(\)\.(\w+)", scripts))
    named = {first or second for first, second in used}
    assert named - keys == set()
    by_name = set(re.findall(r"choices\('(\w+)'", scripts))
    groups = {"datasets", "weeklyLists"}
    top = set(
        re.findall(r"^  (\w+): ", WORDS[WORDS.index("const WORDS") : WORDS.index("const inLanguage")], re.MULTILINE)
    )
    assert top - named - by_name - groups == set()


def test_the_scripts_know_the_servers_limits() -> None:
    start, stock = ((STATIC / name).read_text("utf-8") for name in ("start.js", "stock.js"))
    assert f"const MOST_DAYS = {MOST};" in start
    assert f"const MOST_FOUND = {MOST_FOUND};" in stock


def test_the_marks_of_both_renderers_are_the_same() -> None:
    script = (STATIC / "say.js").read_text("utf-8")
    (pattern,) = re.findall(r"const AT_AN_END = /(.*)/g;", script)
    assert pattern == chinese._AT_AN_END.pattern
    assert dict(re.findall(r"'([^']+)': '([^']*)'", script[: script.index("AT_AN_END")])) == {
        mark.replace("\n", "\\n"): chinese_mark.replace("\n", "\\n") for mark, chinese_mark in chinese._MARKS.items()
    }
