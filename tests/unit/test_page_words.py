"""The page's words: each code that the page puts into words is one of the package's, and none is forgotten."""

from __future__ import annotations

import re

import pytest

from ashare import errors
from ashare.datasets import DATASETS, KINDS, REFERENCE_TABLES, WEEKLY_DATASETS
from ashare.status import OUT_OF_REACH, STATUSES
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
